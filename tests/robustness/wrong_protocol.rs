//! Other protocols on the port: each gets an answer its peer can read, one line of the log names
//! the remedy, and a counter counts them.

use std::net::TcpListener;

use crate::bystander::Bystander;
use crate::harness::wire::{Wire, handshake};
use crate::harness::{Program, TestServer};

const TLS_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more of it";
const TLS_ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x28";
const H2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PROXY_V1: &[u8] =
    b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\nGET /up HTTP/1.1\r\nHost: x\r\n\r\n";
const PROXY_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\0\x50GET /up HTTP/1.1\r\n";

/// Everything a connection answers to `bytes` until it ends, which it does in order.
async fn answer_to(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut wire = Wire::open(address).await;
    wire.send(bytes).await;
    wire.rest().await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn other_protocols_get_an_answer_in_their_own_terms() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    assert_eq!(answer_to(server.address, TLS_HELLO).await, TLS_ALERT);
    // A first byte is enough: the rest may be late.
    assert_eq!(answer_to(server.address, b"\x16").await, TLS_ALERT);
    let goaway = answer_to(server.address, H2).await;
    // SETTINGS, then GOAWAY on stream 0 with HTTP_1_1_REQUIRED and a text.
    assert_eq!(goaway[..9], [0, 0, 0, 4, 0, 0, 0, 0, 0]);
    assert_eq!(goaway[12..26], [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0d]);
    assert_eq!(usize::from(goaway[11]), goaway.len() - 18);
    assert!(text(&goaway[26..]).starts_with("HTTP/2 arrived at a port that serves HTTP/1.1"));
    for (protocol, bytes, part) in [
        ("PROXY 1", PROXY_V1, "a PROXY protocol header arrived"),
        (
            "PROXY 1 without addresses",
            b"PROXY UNKNOWN\r\nGET /up",
            "a PROXY protocol header arrived",
        ),
        ("PROXY 2", PROXY_V2, "a PROXY protocol header arrived"),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP request"),
        ("Redis", b"*1\r\n$4\r\nPING\r\n", "no HTTP request"),
        ("Redis by hand", b"PING\r\n", "no HTTP request"),
        ("SOCKS 5", b"\x05\x01\x00", "no HTTP request"),
        ("MQTT", b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd", "no HTTP request"),
        ("PostgreSQL", b"\0\0\0\x08\x04\xd2\x16\x2f", "no HTTP request"),
        ("SMTP", b"EHLO example.com\r\n", "no HTTP request"),
        ("JSON", b"{\"event\":\"pusher:ping\"}", "no HTTP request"),
        (
            "HTTP/0.9",
            b"GET /up\r\n",
            "not well-formed HTTP/1.1: correct the client, or the proxy in front (invalid URI)",
        ),
        (
            "HTTP/3",
            b"GET /up HTTP/3.0\r\n\r\n",
            "not well-formed HTTP/1.1: correct the client, or the proxy in front (invalid HTTP version",
        ),
    ] {
        let answer = text(&answer_to(server.address, bytes).await);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{protocol}: {answer}");
        assert!(answer.contains("\r\n\r\nBad request: ") && answer.contains(part), "{answer}");
    }
    for (reason, count) in [("tls", 2), ("http2", 1), ("proxy_protocol", 3), ("other_protocol", 8)]
    {
        let series = format!("resound_connections_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(server.metric(&series), f64::from(count), "{reason}");
    }
    bystander.is_served().await;
}

#[tokio::test]
async fn a_head_over_the_limits_is_answered_with_the_key_that_sets_them() {
    let server = TestServer::start().await;
    let cookies = format!("GET /up HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "x".repeat(200_000));
    let fields = format!("GET /up HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: 1\r\n".repeat(100));
    for (request, part) in [
        (
            cookies,
            "Over 16384 bytes: the request line and header fields are too large: send fewer or smaller cookies, or raise http.max_header_bytes (RESOUND_HTTP_MAX_HEADER_BYTES)",
        ),
        (
            fields,
            "Over 100 fields: the request has too many header fields: send fewer, or raise http.max_headers (RESOUND_HTTP_MAX_HEADERS)",
        ),
    ] {
        let answer = text(&answer_to(server.address, request.as_bytes()).await);
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{part}")), "{answer}");
    }
}

#[tokio::test]
async fn one_line_of_the_log_names_the_remedy_of_many() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap();
    drop(free);
    let listen = metrics.to_string();
    let mut program = Program::start(&[("RESOUND_METRICS_LISTEN", &listen)]).await;
    for _ in 0..20 {
        assert_eq!(answer_to(program.address, TLS_HELLO).await, TLS_ALERT);
    }
    // Scrapers make the same mistake.
    assert_eq!(answer_to(metrics, TLS_HELLO).await, TLS_ALERT);
    let line = program.log_line("connection rejected: a TLS handshake arrived").await;
    assert!(line.contains("connect with http:// and ws://"), "{line}");
    assert!(line.contains("peer=127.0.0.1:"), "{line}");
    let mut scrape = Wire::open(metrics).await;
    scrape.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let figures = scrape.reply().await.body;
    assert!(
        figures.contains("resound_connections_rejected_total{reason=\"tls\"} 21\n"),
        "{figures}"
    );
    assert!(program.lines_logged() < 8, "the others are summed up");
}

/// It is closed with 4005, after which pusher-js does not come back.
#[tokio::test]
async fn a_socket_at_another_path_is_logged_with_the_keys_that_decide_it() {
    let mut program = Program::start(&[("REVERB_SERVER_PATH", "/ws")]).await;
    for _ in 0..3 {
        let mut wire = Wire::open(program.address).await;
        wire.send(handshake()).await;
        assert_eq!(wire.reply().await.status, 101);
        assert_eq!(wire.farewell().await.code, Some(4005));
    }
    let line = program.log_line("reason=\"path\"").await;
    assert!(line.contains("REVERB_SERVER_PATH") && line.contains("wsPath in Echo"), "{line}");
    assert!(program.lines_logged() < 8, "the others are summed up");
}

/// What Nginx makes of a handshake unless it is configured to pass it on.
const STRIPPED: &str = "GET /app/reverb-key?protocol=7&client=js&version=8.6.0&flash=false HTTP/1.0\r\n\
    Host: x\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn a_handshake_that_a_proxy_has_spoilt_is_answered_with_the_setting_of_the_proxy() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let without_connection = handshake().replace("Connection: Upgrade\r\n", "");
    let old = handshake().replace("HTTP/1.1", "HTTP/1.0");
    let of_client_alone = "GET /app/reverb-key/?protocol=7&client=php HTTP/1.1\r\nHost: x\r\n\
        Connection: close\r\n\r\n";
    let by_hand = "GET /app/reverb-key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (request, status, part) in [
        (STRIPPED, 426, "proxy_set_header Upgrade $http_upgrade"),
        (of_client_alone, 426, "proxy_set_header Connection \"upgrade\""),
        (by_hand, 426, "This is a WebSocket endpoint"),
        (&without_connection, 400, "\"Connection: Upgrade\" is missing: a proxy in front"),
        (&old, 400, "needs HTTP/1.1, and this one came with HTTP/1.0"),
    ] {
        let mut wire = Wire::open(server.address).await;
        wire.send(request).await;
        let answer = wire.reply().await;
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.body.contains(part), "{}", answer.body);
    }
    for (reason, count) in [("no_upgrade", 3), ("old_http", 1)] {
        let series = format!("resound_connections_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(server.metric(&series), f64::from(count), "{reason}");
    }
    bystander.is_served().await;
}

#[tokio::test]
async fn spoilt_handshakes_are_one_line_of_the_log() {
    let mut program = Program::start(&[]).await;
    for _ in 0..20 {
        answer_to(program.address, STRIPPED.as_bytes()).await;
    }
    let line = program.log_line("reason=\"no_upgrade\"").await;
    assert!(line.contains("the proxy in front has to pass on (Nginx: "), "{line}");
    assert!(line.contains("Apache: upgrade=websocket"), "{line}");
    assert_eq!(program.lines_logged(), 0, "the others of the minute are summed up");
}
