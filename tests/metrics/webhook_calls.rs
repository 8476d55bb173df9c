//! The calls of webhooks as an operator sees them, and one that is made again before its time.

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
    within("a call of the webhook", async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut length, mut signature) = (0, String::new());
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
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        (String::from_utf8(body).unwrap(), signature)
    })
    .await
}

async fn ask(server: &TestServer, token: &str, method: &str, path: &str) -> (u16, Value) {
    let fields = [("Authorization", token)];
    let mut backend = Backend::new(server.internal_address.unwrap(), "", "", "");
    let Answer { status, body, .. } = backend.send_with(method, path, &fields, "").await;
    (status, serde_json::from_str(&body).unwrap())
}

/// The endpoint once it has made this many calls.
async fn after_calls(server: &TestServer, count: usize) -> Value {
    within("the calls to be listed", async {
        loop {
            let (status, answer) = ask(server, READ_ONLY, "GET", APP).await;
            assert_eq!((status, &answer["app"]), (200, &json!("123456")), "{answer}");
            let endpoint = answer["endpoints"][0].clone();
            if endpoint["calls"].as_array().unwrap().len() == count
                && endpoint["retry_in_ms"].is_u64() == (endpoint["calls"][0]["result"] != "taken")
            {
                return endpoint;
            }
            tokio::task::yield_now().await;
        }
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
    let nothing_waits = json!({"error": "no call of this endpoint waits for a retry on this node: the last one was taken, or given up after webhooks.retry_for_seconds"});
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
