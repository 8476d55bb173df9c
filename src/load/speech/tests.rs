//! The client's words, exactly, and what it makes of a server's.

use super::{Answer, Envelope, answer, frame, subscribe, upgrade};
use crate::app::Secret;
use crate::load::{Credentials, Target};

fn credentials() -> Credentials {
    Credentials {
        app_id: "1".into(),
        key: "278d425bdf160c739803".into(),
        secret: Secret::new("7ad3773142a6692b25b8"),
    }
}

#[test]
fn subscriptions_are_signed_as_pusher_documents_it() {
    let check = |channel: &str, message: &str| {
        assert_eq!(subscribe(&credentials(), "1234.1234", channel, 3), message);
    };
    check("orders", r#"{"data":{"channel":"orders"},"event":"pusher:subscribe"}"#);
    check(
        "private-foobar",
        r#"{"data":{"auth":"278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4","channel":"private-foobar"},"event":"pusher:subscribe"}"#,
    );
    let presence = subscribe(&credentials(), "1234.1234", "presence-foobar", 3);
    assert!(presence.contains(r#""channel_data":"{\"user_id\":\"load-3\","#), "{presence}");
}

#[test]
fn the_upgrade_names_host_path_and_extensions() {
    let target = Target::parse("ws://127.0.0.1:9000/ws").unwrap();
    let plain = upgrade(&target, "key", false);
    assert!(plain.starts_with("GET /ws/app/key?protocol=7&"), "{plain}");
    assert!(plain.contains("\r\nHost: 127.0.0.1:9000\r\n") && plain.ends_with("\r\n\r\n"));
    assert!(!plain.contains("Extensions"));
    let deflated = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n\r\n";
    assert!(upgrade(&target, "key", true).ends_with(deflated));
}

#[test]
fn only_101_opens() {
    assert_eq!(answer(b"HTTP/1.1 101 Switching"), Answer::Cut);
    let open = b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n\x81\x00";
    assert_eq!(answer(open), Answer::Open { bytes: open.len() - 2, deflated: false });
    assert_eq!(
        answer(b"HTTP/1.1 404 Not Found\r\n\r\n"),
        Answer::Refused("HTTP/1.1 404 Not Found".to_owned())
    );
    let deflated = b"HTTP/1.1 101 X\r\nSec-Websocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n";
    assert_eq!(answer(deflated), Answer::Open { bytes: deflated.len(), deflated: true });
}

#[test]
fn frames_are_masked_with_zero_and_of_minimal_length() {
    assert_eq!(frame(1, b"hi"), b"\x81\x82\0\0\0\0hi");
    assert_eq!(frame(1, &[b'x'; 200])[..4], [0x81, 0xfe, 0, 200]);
    assert_eq!(frame(1, &[b'x'; 70_000])[..10], [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
}

#[test]
fn errors_are_understood_as_objects_and_as_strings() {
    for message in [
        r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#,
        r#"{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"no\"}"}"#,
        r#"{"event":"pusher:subscription_error","channel":"a","data":"{\"status\":4009,\"error\":\"no\"}"}"#,
    ] {
        let envelope: Envelope<'_> = serde_json::from_str(message).unwrap();
        assert_eq!(envelope.error(), (4009, "no".to_owned()), "{message}");
    }
}
