//! What an operator does through the internal API: publish, look at what a client receives, look up an app.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::backend::Answer;
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, TestServer, within};

const APP: &str = "/internal/v1/apps/123456";
const TOKEN: &str = "Bearer all-of-it-0123456";

async fn server(lines: &str) -> TestServer {
    let internal = "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"all-of-it-0123456\"\n";
    TestServer::with(&format!("{internal}{REVERB_APP}{lines}\n")).await
}

async fn post(server: &TestServer, path: &str, body: &Value) -> (u16, Value) {
    let address = server.internal_address.unwrap();
    let answer = ask(address, "POST", path, &body.to_string()).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let fields = [("Authorization", TOKEN)];
    Backend::new(address, "", "", "").send_with(method, path, &fields, body).await
}

#[tokio::test]
async fn an_event_is_published_and_explained() {
    let server = server("").await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let event = json!({"name": "shipped", "channels": ["orders", "other"], "data": "{\"id\":7}"});
    let (status, answer) = post(&server, &format!("{APP}/events"), &event).await;
    assert_eq!((status, &answer["nodes"]), (200, &json!("all")), "{answer}");
    let verdicts = answer["verdicts"].as_array().unwrap();
    let of = |index: usize| (&verdicts[index]["channel"], &verdicts[index]["verdict"]);
    assert_eq!(of(0), (&json!("orders"), &json!("delivered")));
    assert_eq!(of(1), (&json!("other"), &json!("never_subscribed")));
    assert_eq!(
        socket.receive().await,
        r#"{"event":"shipped","data":"{\"id\":7}","channel":"orders"}"#
    );
    let excluded =
        json!({"name": "again", "channel": "orders", "data": "{}", "socket_id": socket.id});
    let (_, answer) = post(&server, &format!("{APP}/events"), &excluded).await;
    assert_eq!(answer["verdicts"][0]["excluded"], json!(true), "{answer}");
    let batch = json!({"batch": [{"name": "one", "channel": "orders", "data": "1"}]});
    let (status, answer) = post(&server, &format!("{APP}/batch_events"), &batch).await;
    assert_eq!((status, answer["verdicts"].as_array().unwrap().len()), (200, 1));
    assert_eq!(socket.receive().await, r#"{"event":"one","data":"1","channel":"orders"}"#);
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_with_a_sentence() {
    let server = server("max_event_data_bytes = 4").await;
    for (path, body, status, error) in [
        (
            format!("{APP}/events"),
            json!({"name": "a", "channel": "private-encrypted-a", "data": "{}"}),
            400,
            "\"private-encrypted-a\" is an encrypted channel: its events are encrypted by the back end, which alone has the key, so publish there; an event from here could not be read by a client",
        ),
        (
            format!("{APP}/events"),
            json!({"name": "a", "data": "{}"}),
            400,
            "channels is missing or empty: name at least one channel",
        ),
        (
            format!("{APP}/events"),
            json!({"name": "a", "channel": "a", "data": "12345"}),
            413,
            "The data content of this event exceeds the allowed maximum (4 bytes): it has 5. Send less, or raise max_event_data_bytes",
        ),
        (
            "/internal/v1/apps/nope/events".to_owned(),
            json!({"name": "a", "channel": "a", "data": "{}"}),
            404,
            "no app of this server has the id \"nope\"",
        ),
    ] {
        let answer = post(&server, &path, &body).await;
        assert_eq!(answer, (status, json!({ "error": error })), "{body}");
    }
}

/// The lines of a client until one has this part.
async fn client_lines(stream: &mut TcpStream, part: &str) -> String {
    let mut text = String::new();
    within(part, async {
        while !text.contains(part) {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "the answer ended: {text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    })
    .await;
    text
}

async fn client(server: &TestServer, wanted: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(server.internal_address.unwrap()).await.unwrap();
    let body = wanted.to_string();
    let head = format!(
        "POST {APP}/client HTTP/1.1\r\nHost: localhost\r\nAuthorization: {TOKEN}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_is_shown_with_every_frame_that_it_sends_and_receives() {
    let server = server("").await;
    let wanted = json!({"channel": "presence-room", "user_id": "7", "user_info": {"name": "Ann"}});
    let mut lines = client(&server, &wanted).await;
    let opened = client_lines(&mut lines, "subscription_succeeded").await;
    for part in [
        "\"kind\":\"open\"",
        "\"kind\":\"received\",\"frame\":\"{\\\"event\\\":\\\"pusher:connection_established\\\"",
        "\"kind\":\"sent\",\"frame\":\"{\\\"data\\\":{\\\"auth\\\":\\\"reverb-key:",
        "pusher:signin_success",
    ] {
        assert!(opened.contains(part), "{part}\nnot in\n{opened}");
    }
    server.backend().trigger("presence-room", "news", "{\"id\":7}").await;
    let event = client_lines(&mut lines, "news").await;
    let frame = r#"{"event":"news","data":"{\"id\":7}","channel":"presence-room"}"#;
    let expected = serde_json::to_string(frame).unwrap();
    assert!(event.contains(&expected), "{expected}\nnot in\n{event}");
    let members = server.backend().get("/channels/presence-room/users", &[]).await.json();
    assert_eq!(members, json!({"users": [{"id": "7"}]}));
    drop(lines);
    let occupied = async || {
        let channels = server.backend().get("/channels", &[]).await.json();
        channels["channels"] == json!({})
    };
    crate::harness::eventually("the client leaves with its viewer", occupied).await;
}

#[tokio::test]
async fn a_client_that_is_refused_is_shown_with_the_reason() {
    let server = server("allowed_origins = [\"app.example\"]").await;
    let wanted = json!({"channel": "a", "origin": "https://other.example"});
    let mut lines = client(&server, &wanted).await;
    let closed = client_lines(&mut lines, "\"kind\":\"closed\"").await;
    assert!(closed.contains("closed with 4009: Origin not allowed"), "{closed}");
    let answer = post(&server, &format!("{APP}/client"), &json!({"chanel": "a"})).await;
    assert_eq!(answer.0, 400);
    let text = answer.1["error"].as_str().unwrap();
    assert!(text.contains("unknown field `chanel`"), "{text}");
}

#[tokio::test]
async fn an_app_is_shown_without_its_secret_until_it_is_asked_for() {
    let server = server("allowed_origins = [\"https://app.example\", \"*.example.org\"]").await;
    let address = server.internal_address.unwrap();
    let answer = ask(address, "GET", APP, "").await;
    assert!(!answer.body.contains("reverb-secret"), "{}", answer.body);
    let app = answer.json();
    assert_eq!(app["allowed_origins"], json!(["https://app.example", "*.example.org"]));
    assert_eq!(app["secret"], json!("sha256:a1b95ef3"));
    assert_eq!(app["limits"]["max_event_data_bytes"], json!(102_400));
    assert_eq!(ask(address, "GET", "/internal/v1/apps/nope", "").await.status, 404);
    let (status, revealed) = post(
        &server,
        &format!("{APP}/reveal"),
        &json!({"host": "ws.example.com", "port": 443, "tls": true}),
    )
    .await;
    assert_eq!((status, &revealed["secret"]), (200, &json!("reverb-secret")));
    let expected = "BROADCAST_CONNECTION=reverb\nREVERB_APP_ID=123456\nREVERB_APP_KEY=reverb-key\n\
                    REVERB_APP_SECRET=reverb-secret\nREVERB_HOST=\"ws.example.com\"\nREVERB_PORT=443\n\
                    REVERB_SCHEME=https\nVITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"\n\
                    VITE_REVERB_HOST=\"${REVERB_HOST}\"\nVITE_REVERB_PORT=\"${REVERB_PORT}\"\n\
                    VITE_REVERB_SCHEME=\"${REVERB_SCHEME}\"\n";
    assert_eq!(revealed["env"], json!(expected));
    let answer = post(&server, &format!("{APP}/reveal"), &json!({"host": "a\nB=7"})).await;
    assert_eq!(answer, (400, json!({"error": "host must be a name or an IP address"})));
}
