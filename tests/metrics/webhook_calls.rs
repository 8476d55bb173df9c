//! The calls of webhooks as an operator sees them, one that is made again before its time, and one that is sent again
//! after it was given up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::harness::backend::Answer;
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, TestServer, within};

const APP: &str = "/internal/v1/apps/123456/webhooks";
const FULL: &str = "Bearer all-of-it-0123456";
const READ_ONLY: &str = "Bearer look-only-0123456";

/// The body and the signature of the next call, which gets this status.
async fn take(listener: &TcpListener, status: &str) -> (String, String) {
    let (body, signature, _) = take_marked(listener, status).await;
    (body, signature)
}

/// The same, and the number under which the call was given up.
async fn take_marked(listener: &TcpListener, status: &str) -> (String, String, Option<String>) {
    within("a call of the webhook", async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut length, mut signature, mut batch) = (0, String::new(), None);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if let Some(value) = line.strip_prefix("x-pusher-signature: ") {
                value.clone_into(&mut signature);
            }
            if let Some(value) = line.strip_prefix("resound-resent: ") {
                batch = Some(value.to_owned());
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        (String::from_utf8(body).unwrap(), signature, batch)
    })
    .await
}

async fn ask(server: &TestServer, token: &str, method: &str, path: &str) -> (u16, Value) {
    let fields = [("Authorization", token)];
    let mut backend = Backend::new(server.internal_address.unwrap(), "", "", "");
    let Answer { status, body, .. } = backend.send_with(method, path, &fields, "").await;
    (status, serde_json::from_str(&body).unwrap())
}

/// The endpoint once it is as it should be.
async fn endpoint_that(server: &TestServer, is: impl Fn(&Value) -> bool) -> Value {
    within("the endpoint to be listed so", async {
        loop {
            let (status, answer) = ask(server, READ_ONLY, "GET", APP).await;
            assert_eq!((status, &answer["app"]), (200, &json!("123456")), "{answer}");
            let endpoint = answer["endpoints"][0].clone();
            if is(&endpoint) {
                return endpoint;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// The endpoint once it has made this many calls.
async fn after_calls(server: &TestServer, count: usize) -> Value {
    endpoint_that(server, |endpoint| {
        endpoint["calls"].as_array().unwrap().len() == count
            && endpoint["retry_in_ms"].is_u64() == (endpoint["calls"][0]["result"] != "taken")
    })
    .await
}

#[tokio::test]
async fn a_call_that_failed_is_listed_and_made_again_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let internal = "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"all-of-it-0123456\"\ninternal.read_only_token = \"look-only-0123456\"\n";
    let webhook = format!("[[apps.webhooks]]\nurl = \"{url}\"\nevents = [\"channel_occupied\"]\n");
    let server = TestServer::with(&format!("{internal}{REVERB_APP}{webhook}")).await;
    let resend = format!("{APP}/0/resend");
    let nothing_waits = json!({"error": "no call of this endpoint waits for a retry: the last one was taken, or given up after webhooks.retry_for_seconds"});
    assert_eq!(ask(&server, FULL, "POST", &resend).await, (409, nothing_waits.clone()));

    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let first = take(&listener, "500 Internal Server Error").await;
    // The third retry is due after two seconds at least.
    for _ in 0..2 {
        assert_eq!(take(&listener, "500 Internal Server Error").await, first);
    }
    let endpoint = after_calls(&server, 3).await;
    let (listed, retry_in_ms) = (Instant::now(), endpoint["retry_in_ms"].as_u64().unwrap());
    assert_eq!(endpoint["url"], url);
    assert_eq!(endpoint["events"], json!(["channel_occupied"]));
    assert_eq!(endpoint["queue_events"], 0);
    assert!(endpoint["oldest_event_ms"].is_u64(), "{endpoint}");
    let call = &endpoint["calls"][0];
    assert_eq!(
        [&call["result"], &call["status"], &call["events"], &call["kinds"], &call["cause"]],
        [
            &json!("server_error"),
            &json!(500),
            &json!(1),
            &json!(["channel_occupied"]),
            &json!("it answered 500 Internal Server Error")
        ]
    );

    let (status, refusal) = ask(&server, READ_ONLY, "POST", &resend).await;
    assert_eq!(status, 403, "{refusal}");
    let made = ask(&server, FULL, "POST", &resend).await;
    assert_eq!(made, (200, json!({"app": "123456", "endpoint": 0})));
    assert_eq!(take(&listener, "200 OK").await, first, "the same body with a signature of it");
    assert!(listed.elapsed() < Duration::from_millis(retry_in_ms), "it waited for its time");
    let endpoint = after_calls(&server, 4).await;
    assert_eq!(endpoint["retry_in_ms"], Value::Null);
    assert_eq!(endpoint["calls"][0]["result"], "taken");
    assert_eq!(endpoint["calls"][1]["result"], "server_error");
    assert_eq!(ask(&server, FULL, "POST", &resend).await, (409, nothing_waits));
}

/// Refuses calls until one is given up; returns their body, and the endpoint then.
async fn given_up(listener: &TcpListener, server: &TestServer) -> (String, Value) {
    let given_up = endpoint_that(server, |endpoint| endpoint["given_up"][0].is_object());
    let mut given_up = std::pin::pin!(given_up);
    let (body, _) = take(listener, "500 Internal Server Error").await;
    loop {
        tokio::select! {
            endpoint = &mut given_up => return (body, endpoint),
            again = take(listener, "500 Internal Server Error") => assert_eq!(again.0, body),
        }
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_is_sent_again_with_the_same_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let config = "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"all-of-it-0123456\"\ninternal.read_only_token = \"look-only-0123456\"\nwebhooks.retry_for_seconds = 1\n";
    let webhook = format!("[[apps.webhooks]]\nurl = \"{url}\"\nevents = [\"channel_occupied\"]\n");
    let server = TestServer::with(&format!("{config}{REVERB_APP}{webhook}")).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let (body, endpoint) = given_up(&listener, &server).await;
    let call = &endpoint["given_up"][0];
    let tries = endpoint["calls"].as_array().unwrap().len();
    assert_eq!(
        [&call["bytes"], &call["tries"], &call["events"], &call["kinds"], &call["state"]],
        [
            &json!(body.len()),
            &json!(tries),
            &json!(1),
            &json!(["channel_occupied"]),
            &json!("kept")
        ]
    );
    assert_eq!(call["cause"], "it answered 500 Internal Server Error");
    assert_eq!(endpoint["results"]["server_error"], tries);
    assert!(!endpoint.to_string().contains("orders"), "data of the app: {endpoint}");

    let batch = call["batch"].as_str().unwrap();
    let resend = format!("{APP}/0/given_up/{batch}/resend");
    assert_eq!(ask(&server, READ_ONLY, "POST", &resend).await.0, 403);
    let queued = (200, json!({"app": "123456", "endpoint": 0, "batch": batch}));
    assert_eq!(ask(&server, FULL, "POST", &resend).await, queued);
    let (again, _, marked) = take_marked(&listener, "503 Service Unavailable").await;
    assert_eq!((again.as_str(), marked.as_deref()), (body.as_str(), Some(batch)));
    let is_kept = |endpoint: &Value| endpoint["given_up"][0]["state"] == "kept";
    let endpoint = endpoint_that(&server, is_kept).await;
    assert_eq!(endpoint["given_up"][0]["tries"], tries + 1);
    assert_eq!(endpoint["given_up"][0]["cause"], "it answered 503 Service Unavailable");
    assert_eq!(endpoint["calls"][0]["resent"], true);
    assert_eq!(endpoint["calls"][1]["resent"], Value::Null);

    assert_eq!(ask(&server, FULL, "POST", &resend).await, queued);
    assert_eq!(ask(&server, FULL, "POST", &resend).await.0, 409, "it is under way");
    assert_eq!(take(&listener, "200 OK").await.0, body);
    let endpoint =
        endpoint_that(&server, |endpoint| endpoint["given_up"][0]["state"] == "taken").await;
    assert_eq!(endpoint["results"]["taken"], 1);
    let refused = json!({"error": "the endpoint took this call when it was sent again; it is not sent a second time"});
    assert_eq!(ask(&server, FULL, "POST", &resend).await, (409, refused));
    let absent = ask(&server, FULL, "POST", &format!("{APP}/0/given_up/7/resend")).await;
    let sentence = "no call with this number is kept: of each endpoint the last 20 that were given up are, in 1 MB";
    assert_eq!(absent, (404, json!({ "error": sentence })));

    let of = |result: &str| {
        let labels = format!("{{app=\"123456\",endpoint=\"0\",result=\"{result}\"}}");
        server.metric(&format!("resound_webhook_endpoint_calls_total{labels}"))
    };
    assert_eq!((of("taken"), of("server_error"), of("timed_out")), (1.0, tries as f64 + 1.0, 0.0));
    let count = |name: &str| server.metric(&format!("resound_webhook_events_{name}_total"));
    assert_eq!((count("lost"), count("sent"), count("resent")), (1.0, 1.0, 1.0));
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_a_sentence() {
    let internal = "internal.listen = [\"127.0.0.1:0\"]\ninternal.token = \"all-of-it-0123456\"\ninternal.read_only_token = \"look-only-0123456\"\n";
    let server = TestServer::with(&format!("{internal}{REVERB_APP}")).await;
    let (_, answer) = ask(&server, READ_ONLY, "GET", APP).await;
    assert_eq!(answer["endpoints"], json!([]));
    for (place, status, error) in [
        ("0", 404, "app \"123456\" has no webhook 0: its list counts from 0"),
        ("x", 400, "the endpoint must be its place in the list, from 0 on"),
    ] {
        let answer = ask(&server, FULL, "POST", &format!("{APP}/{place}/resend")).await;
        assert_eq!(answer, (status, json!({ "error": error })));
    }
}
