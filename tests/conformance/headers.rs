//! What transcripts do not show: the header fields of requests and answers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::credentials;
use crate::harness::{TestServer, within};
use crate::transcript::Request;

/// The head of an answer, in lower case, and its body as far as the head announces one.
async fn exchange(server: &TestServer, line: &str, fields: &str, body: &str) -> (String, String) {
    let text = format!("{line} HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let read = within("an answer", stream.read_buf(&mut bytes)).await.unwrap();
        let answer = String::from_utf8_lossy(&bytes);
        assert_ne!(read, 0, "the answer ends early: {answer}");
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
        let head = format!("{}\r\n", head.to_lowercase());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return (head, body.to_owned());
        }
    }
}

/// Laravel's HTTP client reads by `Content-Length`; so do proxies that buffer.
#[tokio::test]
async fn every_answer_has_its_length_and_type() {
    let server = TestServer::start().await;
    let event = r#"{"name":"e","channel":"orders","data":"{}"}"#;
    let batch = format!(r#"{{"batch":[{event}]}}"#);
    let cases = [
        ("POST", "/events", event, "{}"),
        ("POST", "/batch_events", &*batch, "{}"),
        ("GET", "/channels", "", r#"{"channels":{}}"#),
        ("GET", "/channels/orders", "", r#"{"occupied":false}"#),
        ("GET", "/channels/presence-room/users", "", r#"{"users":[]}"#),
        ("GET", "/connections", "", r#"{"connections":0}"#),
        ("POST", "/users/1/terminate_connections", "{}", "{}"),
    ];
    for (method, target, body, expected) in cases {
        let [method_text, target, body_text] = [method, target, body].map(str::to_owned);
        let request = Request {
            signed: true,
            method: method_text,
            target,
            changes: Vec::new(),
            body: body_text,
            status: 200,
            answer: String::new(),
        };
        let target = credentials::request(&request);
        let fields = format!("Content-Length: {}\r\n", body.len());
        let (head, answer) = exchange(&server, &format!("{method} {target}"), &fields, body).await;
        assert_eq!(answer, expected, "{target}");
        for field in [
            format!("content-length: {}\r\n", expected.len()),
            "content-type: application/json\r\n".to_owned(),
        ] {
            assert!(head.contains(&field), "{target}: no {field:?} in {head}");
        }
    }
}

/// A handshake with these fields besides its own; its answer's head.
async fn upgrade(server: &TestServer, more: &str) -> String {
    let fields = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}"
    );
    exchange(server, "GET /app/reverb-key?protocol=7", &fields, "").await.0
}

/// Reverb names itself there, too.
#[tokio::test]
async fn the_handshake_names_the_server() {
    let head = upgrade(&TestServer::start().await, "").await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("x-powered-by: resound\r\n"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
}

/// Reverb counts the head into its 10 000 bytes of a request.
#[tokio::test]
async fn a_page_with_large_cookies_connects() {
    let cookies = format!("Cookie: session={}\r\n", "x".repeat(12_000));
    let head = upgrade(&TestServer::start().await, &cookies).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
}
