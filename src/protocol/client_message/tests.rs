//! Each form of message that real clients send is parsed; anything else is refused.

use std::borrow::Cow;

use proptest::prelude::*;

use super::{ClientEvent, ClientMessage, Subscribe};

fn check(text: &str, expected: &ClientMessage<'_>) {
    assert_eq!(ClientMessage::parse(text).as_ref(), Ok(expected), "{text}");
}

fn check_subscribe(text: &str, channel: &str, auth: Option<&str>, channel_data: Option<&str>) {
    let expected = ClientMessage::Subscribe(Subscribe {
        channel: channel.into(),
        auth: auth.map(Cow::from),
        channel_data: channel_data.map(Cow::from),
    });
    check(text, &expected);
}

fn check_event(text: &str, data: &str) {
    let expected = ClientMessage::ClientEvent(ClientEvent {
        event: "client-typing".into(),
        channel: "private-a".into(),
        data: data.into(),
    });
    check(text, &expected);
}

#[test]
fn pings_need_no_data() {
    check(r#"{"event":"pusher:ping","data":{}}"#, &ClientMessage::Ping);
    check(r#"{"event":"pusher:ping"}"#, &ClientMessage::Ping);
    check(r#"{"data":"","event":"pusher:pong","more":[1]}"#, &ClientMessage::Pong);
}

#[test]
fn subscribe_data_is_an_object_or_a_string_holding_one() {
    check_subscribe(r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#, "a", None, None);
    check_subscribe(
        r#"{"event":"pusher:subscribe","data":{"auth":"","channel":"a","channel_data":null}}"#,
        "a",
        Some(""),
        None,
    );
    check_subscribe(
        r#"{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:s","channel_data":"{\"user_id\":\"1\"}"}}"#,
        "presence-a",
        Some("k:s"),
        Some(r#"{"user_id":"1"}"#),
    );
    check_subscribe(
        r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\",\"auth\":\"k:s\"}"}"#,
        "a",
        Some("k:s"),
        None,
    );
}

#[test]
fn client_event_data_keeps_the_senders_bytes() {
    let event = |data: &str| format!(r#"{{"event":"client-typing","channel":"private-a"{data}}}"#);
    check_event(&event(""), "null");
    check_event(&event(r#","data":null"#), "null");
    check_event(&event(r#","data":{"b":1.0, "a":{}}"#), r#"{"b":1.0, "a":{}}"#);
    check_event(&event(r#","data":"{\"a\":1}""#), r#"{"a":1}"#);
    check_event(&event(r#","data":"é\n""#), "é\n");
    check_event(&event(r#","data":100000000000000000000"#), "100000000000000000000");
    check_event(&event(r#","data":[]"#), "[]");
}

#[test]
fn other_names_are_unsupported_not_invalid() {
    for name in ["pusher:signout", "pusher_internal:member_added", "App\\\\Events\\\\X", ""] {
        let text = format!(r#"{{"event":"{name}","data":{{}}}}"#);
        let parsed = ClientMessage::parse(&text);
        assert!(matches!(parsed, Ok(ClientMessage::Unsupported { .. })), "{text}");
    }
}

#[test]
fn wrong_types_and_broken_json_are_invalid() {
    for text in [
        "",
        "Hi",
        "[]",
        "1",
        "null",
        "\"pusher:ping\"",
        "{}",
        "{\"event\":",
        r#"{"event":1}"#,
        r#"{"event":null}"#,
        r#"{"event":["pusher:ping"]}"#,
        r#"{"event":"pusher:ping","event":"pusher:ping"}"#,
        r#"{"event":"pusher:subscribe"}"#,
        r#"{"event":"pusher:subscribe","data":"a"}"#,
        r#"{"event":"pusher:subscribe","data":[]}"#,
        r#"{"event":"pusher:subscribe","data":{}}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":null}}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":["a"]}}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":1}}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":"a","auth":[]}}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":"a","channel_data":{"user_id":1}}}"#,
        r#"{"event":"pusher:unsubscribe"}"#,
        r#"{"event":"pusher:unsubscribe","data":{"channel":7}}"#,
        r#"{"event":"client-typing"}"#,
        r#"{"event":"client-typing","channel":["private-a"]}"#,
    ] {
        let parsed = ClientMessage::parse(text);
        assert!(parsed.is_err(), "{text}: {parsed:?}");
    }
}

#[test]
fn data_that_some_readers_reject_is_invalid() {
    let check = |data: &str, expected: &str| {
        let text = format!(r#"{{"event":"client-a","channel":"private-a","data":{data}}}"#);
        assert_eq!(ClientMessage::parse(&text).unwrap_err().to_string(), expected, "{text}");
    };
    let half = "holds one half of a surrogate pair (\\ud83d without \\ude00): cut text between characters, not inside one";
    check(r#"{"a":"\ud83d"}"#, &format!("a string {half}"));
    check(r#""\ud83d""#, &format!("a string {half}"));
    check(r#""[\"\\ud83d\"]""#, &format!("the data of a client event {half}"));
    check(
        r#""{\"a\":1e999}""#,
        "the data of a client event holds a number beyond the range of a double",
    );
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let event = format!(r#"{{"event":"client-typing","channel":"private-a","data":{deep}}}"#);
    assert!(ClientMessage::parse(&event).is_err());
    let inside_a_known_field =
        format!(r#"{{"event":"pusher:subscribe","data":{{"channel":{deep}}}}}"#);
    assert!(ClientMessage::parse(&inside_a_known_field).is_err());
    let instead_of_an_object = format!(r#"{{"event":"pusher:subscribe","data":{deep}}}"#);
    assert!(ClientMessage::parse(&instead_of_an_object).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,80}") {
        let _ = ClientMessage::parse(&text);
    }

    #[test]
    fn parsing_never_panics_on_almost_json(
        name in "(pusher:(ping|subscribe|unsubscribe)|client-[a-z]{0,3})",
        value in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,40}",
    ) {
        let _ = ClientMessage::parse(&format!(r#"{{"event":"{name}","channel":"c","data":{value}}}"#));
        let _ = ClientMessage::parse(&format!(r#"{{"event":"{name}","data":{{"channel":{value}}}}}"#));
    }
}
