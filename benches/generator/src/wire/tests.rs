//! The client's bytes, exactly, and the answers of servers.

use crate::TlsTrust;

use super::{DEFLATE_OFFER, Envelope, UpgradeAnswer, subscribe, text_frame, upgrade};
use crate::credentials::Credentials;
use crate::target::Target;

#[test]
fn subscriptions_are_signed_where_the_channel_requires_it() {
    let credentials = Credentials::new("1", "278d425bdf160c739803", "7ad3773142a6692b25b8");
    let check = |channel: &str, message: &str| {
        assert_eq!(subscribe(&credentials, "1234.1234", channel, Some("{}")), message);
    };
    check("orders", r#"{"data":{"channel":"orders"},"event":"pusher:subscribe"}"#);
    check(
        "private-foobar",
        r#"{"data":{"auth":"278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4","channel":"private-foobar"},"event":"pusher:subscribe"}"#,
    );
    let member = r#"{"user_id":"load-3"}"#;
    let presence = subscribe(&credentials, "1234.1234", "presence-foobar", Some(member));
    assert!(presence.contains(r#""channel_data":"{\"user_id\":\"load-3\"}""#), "{presence}");
}

#[test]
fn the_upgrade_names_host_path_and_extensions() {
    let target = Target::parse("ws://127.0.0.1:9000/ws", &TlsTrust::System).unwrap();
    let plain = upgrade(&target, "key", None);
    assert!(plain.starts_with("GET /ws/app/key?protocol=7&"), "{plain}");
    assert!(plain.contains("\r\nHost: 127.0.0.1:9000\r\n") && plain.ends_with("\r\n\r\n"));
    assert!(!plain.contains("Extensions"));
    let deflated = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n\r\n";
    assert!(upgrade(&target, "key", Some(DEFLATE_OFFER)).ends_with(deflated));
}

#[test]
fn only_101_opens() {
    let check = |bytes: &[u8], answer| assert_eq!(UpgradeAnswer::parse(bytes), answer);
    check(b"HTTP/1.1 101 Switching", UpgradeAnswer::Cut);
    let open = b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n\x81\x00";
    check(open, UpgradeAnswer::Open { bytes: open.len() - 2, deflated: false });
    check(
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        UpgradeAnswer::Refused("HTTP/1.1 404 Not Found".to_owned()),
    );
    let deflated = b"HTTP/1.1 101 X\r\nSec-Websocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n";
    check(deflated, UpgradeAnswer::Open { bytes: deflated.len(), deflated: true });
}

#[test]
fn frames_are_masked_with_zero_and_of_minimal_length() {
    assert_eq!(text_frame(b"hi"), b"\x81\x82\0\0\0\0hi");
    assert_eq!(text_frame(&[b'x'; 200])[..4], [0x81, 0xfe, 0, 200]);
    assert_eq!(text_frame(&[b'x'; 70_000])[..10], [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
}

#[test]
fn errors_are_read_from_objects_and_from_strings() {
    for message in [
        r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#,
        r#"{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"no\"}"}"#,
        r#"{"event":"pusher:subscription_error","channel":"a","data":"{\"status\":4009,\"error\":\"no\"}"}"#,
    ] {
        let envelope: Envelope<'_> = serde_json::from_str(message).unwrap();
        assert_eq!(envelope.error(), (4009, "no".to_owned()), "{message}");
    }
}
