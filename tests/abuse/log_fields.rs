//! Text that forges lines of the log or commands a terminal, in every field of a peer that reaches the log.
//!
//! The log is at its most talkative: every message, at the level trace. How much a flood leaves is the business of
//! `robustness::log_flood`.

use std::net::SocketAddr;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::wire::join;
use crate::harness::{Backend, Program, TestSocket, within};
use crate::wire::{APP, CLOSE, TEXT, Wire, frame, handshake};

/// A line of its own, a screen that is cleared, a title that is set, in the forms of one byte and two, and letters that
/// viewers take for the end of a line.
const HOSTILE: &str = "forged\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}1m\u{85}\u{2028}\u{2029}\u{202e}\u{0}";

/// The same as part of a url.
fn in_url() -> String {
    percent_encoding::utf8_percent_encode(HOSTILE, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// What of it a field of a header may have: it has neither line ends nor ASCII's control characters.
const IN_FIELD: &str = "forged\u{9b}1m\u{85}\u{2028}\u{2029}\u{202e}";

/// Requests with the text at each place of their head, each over a connection of its own.
pub(crate) async fn heads(address: SocketAddr) {
    let url = in_url();
    let signed = "auth_key=reverb-key&auth_timestamp=1&auth_version=1.0";
    let upgrade =
        |head: &str| handshake().replace(&format!("GET {APP} HTTP/1.1\r\nHost: x\r\n"), head);
    let requests = [
        format!("GET /{url} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /apps/{url}/channels HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /apps/123456/channels/{url}?{signed} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /apps/123456/channels?auth_key={url} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!(
            "GET /apps/123456/channels?{signed}&auth_signature={url} HTTP/1.1\r\nHost: x\r\n\r\n"
        ),
        format!(
            "POST /apps/123456/users/{url}/terminate_connections?{signed} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        ),
        format!("GET /up HTTP/1.1\r\nHost: {IN_FIELD}\r\n\r\n"),
        format!("GET /{IN_FIELD} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{IN_FIELD} /up HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /up HTTP/1.1\r\nHost: x\r\n{IN_FIELD}: x\r\n\r\n"),
        format!(
            "GET /lost HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {IN_FIELD}\r\nUpgrade: {IN_FIELD}\r\n\r\n"
        ),
        format!(
            "GET /up HTTP/1.1\r\nHost: x\r\ntraceparent: {IN_FIELD}\r\nContent-Type: {IN_FIELD}\r\n\r\n"
        ),
        HOSTILE.to_owned(),
        format!("\u{16}\u{3}\u{1}{HOSTILE}"),
        upgrade(&format!("GET /app/{url} HTTP/1.1\r\nHost: x\r\n")),
        upgrade(&format!("GET /elsewhere/{url} HTTP/1.1\r\nHost: x\r\n")),
        upgrade(&format!("GET {APP} HTTP/1.1\r\nHost: x\r\nOrigin: https://{IN_FIELD}\r\n")),
        upgrade(&format!("GET {APP} HTTP/1.1\r\nHost: x\r\nUser-Agent: {IN_FIELD}\r\n")),
        upgrade(&format!(
            "GET /app/reverb-key?protocol={url}&client={url}&version={url} HTTP/1.1\r\nHost: x\r\n"
        )),
        upgrade(&format!(
            "GET /app/reverb-key?protocol=7&client={url}&version={url} HTTP/1.1\r\nHost: x\r\n"
        )),
    ];
    for request in requests {
        let mut wire = Wire::open(address).await;
        let _ = wire.try_send(&request).await;
        // Some are upgraded and some are refused; each comes to an end or is answered.
        within("an answer or the end", wire.stream.readable()).await.unwrap();
    }
}

/// Messages with the text at each place, on one socket, and a close frame with it.
pub(crate) async fn messages(address: SocketAddr) {
    let mut wire = Wire::socket(address).await;
    let member = json!({ "user_id": HOSTILE, "user_info": { HOSTILE: HOSTILE } }).to_string();
    let message = |event: &str, data: serde_json::Value| {
        frame(TEXT, json!({ "event": event, "data": data, "channel": HOSTILE }).to_string())
    };
    for bytes in [
        frame(TEXT, HOSTILE),
        message(HOSTILE, json!(HOSTILE)),
        message(&format!("client-{HOSTILE}"), json!(HOSTILE)),
        message(&format!("pusher:{HOSTILE}"), json!({ HOSTILE: HOSTILE })),
        message("pusher:subscribe", json!({ "channel": HOSTILE })),
        message("pusher:unsubscribe", json!({ "channel": HOSTILE })),
        join(&json!({ "channel": format!("private-{HOSTILE}"), "auth": HOSTILE })),
        join(&json!({ "channel": "private-a", "auth": format!("{HOSTILE}:{HOSTILE}") })),
        join(&json!({ "channel": "private-a", "auth": format!("reverb-key:{HOSTILE}") })),
        join(&json!({ "channel": "presence-a", "auth": HOSTILE, "channel_data": member })),
    ] {
        wire.send(bytes).await;
        wire.text().await;
    }
    let mut reason = 4000_u16.to_be_bytes().to_vec();
    reason.extend_from_slice(&HOSTILE.as_bytes()[..100.min(HOSTILE.len())]);
    let _ = wire.try_send(frame(CLOSE, &reason)).await;
    wire.is_cut_off().await;
    let mut signing_in = Wire::socket(address).await;
    let data = json!({ "auth": format!("reverb-key:{HOSTILE}"), "user_data": HOSTILE });
    signing_in.send(message("pusher:signin", data)).await;
    signing_in.is_cut_off().await;
}

/// What an app sends that relays the texts of its users, all of it signed.
pub(crate) async fn signed(address: SocketAddr) {
    let mut socket = TestSocket::greeted(address, APP).await;
    let member = json!({ "user_id": HOSTILE, "user_info": HOSTILE }).to_string();
    socket.subscribe_signed("presence-a", Some(&member)).await;
    socket.sign_in(&json!({ "id": HOSTILE, "watchlist": [HOSTILE] }).to_string()).await;
    let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
    let large = HOSTILE.repeat(400);
    for body in [
        json!({ "name": HOSTILE, "channels": ["presence-a"], "data": HOSTILE }),
        json!({ "name": HOSTILE, "channels": ["presence-a"], "data": large }),
        json!({ "name": "event", "channels": [HOSTILE], "data": "" }),
        json!({ "name": "event", "channels": ["presence-a"], "data": "", "socket_id": HOSTILE }),
        json!({ HOSTILE: HOSTILE }),
    ] {
        backend.post("/events", &body.to_string()).await;
    }
    let path = format!("/users/{}/terminate_connections", in_url());
    assert_eq!(backend.post(&path, "{}").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_field_of_a_peer_begins_a_line_or_commands_a_terminal() {
    let program = Program::start(&[
        ("RESOUND_LOG_DEBUG", "true"),
        ("RESOUND_LOG_LEVEL", "trace"),
        ("RESOUND_APP_ALLOWED_ORIGINS", "example.com"),
        ("RESOUND_SERVER_PROXIES", "127.0.0.1"),
    ])
    .await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let abuse = async move {
        heads(address).await;
        messages(address).await;
        signed(address).await;
    };
    canary.beside("hostile text in every field", "log.level = trace", abuse).await;
    drop(canary);
    program.terminate();
    let log = program.rest_of_log().await;
    let hostile = log.iter().filter(|line| line.contains("forged")).count();
    println!("{} lines, {hostile} with hostile text", log.len());
    assert!(hostile > 20, "the text reaches the log: {log:#?}");
    for line in &log {
        assert!(line.len() <= 8192, "{} bytes: {line}", line.len());
        assert!(line.starts_with("20") && !line.starts_with("2026-01-01"), "a forged line: {line}");
        let is_unsafe = |letter: char| {
            letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202e}')
        };
        assert!(!line.contains(is_unsafe), "{line:?}");
    }
}
