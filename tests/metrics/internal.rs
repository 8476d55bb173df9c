//! The internal listener: who may use it, and the live stream, on a server of its own.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::server::REVERB_APP;
use crate::harness::wire::Wire;
use crate::harness::{TestServer, within};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

async fn server(settings: &str) -> TestServer {
    let internal = format!("[internal]\nlisten = [\"127.0.0.1:0\"]\n{settings}");
    TestServer::with(&format!("{REVERB_APP}{internal}\n")).await
}

/// The status and the body of a GET with these header fields.
async fn get(server: &TestServer, path: &str, fields: &str) -> (u16, String) {
    let mut wire = Wire::open(server.internal_address.unwrap()).await;
    wire.send(&format!("GET {path} HTTP/1.1\r\n{fields}\r\n")).await;
    let reply = wire.reply().await;
    (reply.status, reply.body)
}

#[tokio::test]
async fn on_loopback_without_a_token_a_page_of_a_browser_cannot_use_it() {
    let server = server("").await;
    for (fields, status) in [
        ("Host: localhost:9600\r\n", 200),
        ("Host: 127.0.0.1:9600\r\n", 200),
        ("Host: [::1]\r\n", 200),
        ("Host: rebound.example\r\n", 403),
        ("Host: localhost:9600\r\nOrigin: http://localhost:9600\r\n", 200),
        ("Host: localhost:9600\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost:9600\r\nOrigin: null\r\n", 403),
    ] {
        for path in ["/internal/v1", "/metrics", "/internal/v1/refusals"] {
            let (found, body) = get(&server, path, fields).await;
            assert_eq!(found, status, "{path} {fields}: {body}");
            assert!(!body.is_empty());
        }
    }
    assert_eq!(get(&server, "/ready", "Host: 10.0.0.1\r\n").await.0, 200, "a probe names any host");
}

#[tokio::test]
async fn with_a_token_prometheus_brings_it_and_probes_do_not() {
    let server = server(&format!("token = \"{TOKEN}\"")).await;
    let bearer = format!("Host: localhost:9600\r\nAuthorization: Bearer {TOKEN}\r\n");
    let (status, text) = get(&server, "/metrics", &bearer).await;
    assert!(status == 200 && text.contains("resound_connections"), "{status} {text}");
    for path in ["/live", "/up", "/ready"] {
        assert_eq!(get(&server, path, "Host: x\r\n").await.0, 200, "{path}");
    }
    let refused = "{\"error\":\"send the token of internal.token as Authorization: Bearer …\"}";
    for fields in ["Host: localhost\r\n", "Host: localhost\r\nAuthorization: Basic eDp5\r\n"] {
        let expected = (401, refused.to_owned());
        assert_eq!(get(&server, "/internal/v1/stream", fields).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_held_back_and_the_right_one_with_them() {
    let server = server(&format!("token = \"{TOKEN}\"")).await;
    let wrong = format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", TOKEN.replace('0', "1"));
    for attempt in 0..10 {
        assert_eq!(get(&server, "/internal/v1", &wrong).await.0, 401, "{attempt}");
    }
    let right = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    for fields in [&wrong, &right] {
        let (status, body) = get(&server, "/internal/v1", fields).await;
        let expected = "{\"error\":\"too many requests with a wrong token; wait for a minute\"}";
        assert_eq!((status, &*body), (429, expected));
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_understood_is_refused_by_its_name() {
    let server = server("").await;
    for (query, status, error) in [
        (
            "nope=1",
            400,
            "the parameter \\\"nope\\\" is not known; known are app, channel, event, socket, kind, outcome, payloads, max_rows_per_second, nodes",
        ),
        (
            "kind=triggers",
            400,
            "kind has \\\"triggers\\\"; the kinds are trigger, delivery, subscribed, unsubscribed, connected, closed, refused, webhook",
        ),
        ("socket=x", 400, "socket must be digits, a dot, digits"),
        ("channel=", 400, "channel must be a name of 1 to 512 bytes, with * for any characters"),
        (
            "outcome=nobody",
            400,
            "outcome has \\\"nobody\\\"; the outcomes are delivered, missed, refused",
        ),
        ("max_rows_per_second=0", 400, "max_rows_per_second must be 1 to 10000"),
        ("payloads=all", 400, "payloads must be none, masked or full"),
        (
            "payloads=full",
            403,
            "payloads=full is more than this server shows; set internal.payloads = \\\"full\\\" (RESOUND_INTERNAL_PAYLOADS) and restart it",
        ),
    ] {
        let path = format!("/internal/v1/stream?{query}");
        let expected = (status, format!("{{\"error\":\"{error}\"}}"));
        assert_eq!(get(&server, &path, "Host: localhost\r\n").await, expected, "{query}");
    }
}

/// Reads a stream until it has a part, and returns what came.
async fn read_until(stream: &mut TcpStream, part: &str) -> String {
    let mut text = String::new();
    within(part, async {
        while !text.contains(part) {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "the stream ended: {text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    })
    .await;
    text
}

#[tokio::test]
async fn the_stream_shows_an_event_from_its_trigger_to_the_end_of_its_socket() {
    let server = server("payloads = \"full\"").await;
    let mut stream = TcpStream::connect(server.internal_address.unwrap()).await.unwrap();
    let request =
        "GET /internal/v1/stream?app=123456&payloads=full HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "{\"kind\":\"open\",\"payloads\":\"full\"}\n").await;
    assert!(head.contains("x-accel-buffering: no") && head.contains("application/x-ndjson"));
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    server.backend().trigger("orders", "Shipped", "{\"id\":7}").await;
    let id = socket.id.clone();
    let rows = read_until(&mut stream, "\"kind\":\"trigger\"").await;
    drop(socket);
    let rows = rows + &read_until(&mut stream, "\"kind\":\"closed\"").await;
    for part in [
        format!("\"kind\":\"connected\",\"socket\":\"{id}\""),
        format!("\"kind\":\"subscribed\",\"socket\":\"{id}\",\"channel\":\"orders\""),
        "\"kind\":\"delivery\",\"channel\":\"orders\",\"event\":\"Shipped\",\"subscribers\":1,\"bytes\":8,\"data\":\"{\\\"id\\\":7}\"".to_owned(),
        "\"source\":\"http\",\"channels\":[\"orders\"],\"event\":\"Shipped\",\"subscribers\":1,\"bytes\":8".to_owned(),
        format!("\"kind\":\"closed\",\"socket\":\"{id}\",\"by\":\"network\""),
    ] {
        assert!(rows.contains(&part), "{part}\nnot in\n{rows}");
    }
}
