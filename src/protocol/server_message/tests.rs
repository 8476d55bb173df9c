//! The exact text of each message.

use super::*;

fn check(frame: &Frame, expected: &str) {
    assert_eq!(frame, &Frame::text(expected.as_bytes()), "{frame:?}");
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 164).unwrap()
}

#[test]
fn every_message_has_its_exact_text() {
    let id = SocketId::parse("1.2").unwrap();
    check(
        &connection_established(id, Duration::from_secs(30)),
        r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":30}"}"#,
    );
    check(&pong(), r#"{"event":"pusher:pong","data":"{}"}"#);
    check(&ping(), r#"{"event":"pusher:ping","data":"{}"}"#);
    check(
        &closing_error(CloseCode::ApplicationDoesNotExist),
        r#"{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}"#,
    );
    check(
        &subscription_succeeded(&name("a"), "{}"),
        r#"{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"a"}"#,
    );
    check(
        &cache_miss(&name("cache-a")),
        r#"{"event":"pusher:cache_miss","data":"{}","channel":"cache-a"}"#,
    );
    check(
        &member_added(&name("presence-a"), "7", r#"{"name":"A"}"#),
        r#"{"event":"pusher_internal:member_added","data":"{\"user_id\":\"7\",\"user_info\":{\"name\":\"A\"}}","channel":"presence-a"}"#,
    );
    check(
        &member_removed(&name("presence-a"), "7"),
        r#"{"event":"pusher_internal:member_removed","data":"{\"user_id\":\"7\"}","channel":"presence-a"}"#,
    );
    let refused = SubscriptionError {
        kind: "AuthError",
        error: "no".into(),
        status: 401,
        cause: Default::default(),
    };
    check(
        &subscription_error("a \"b\"", &refused),
        r#"{"event":"pusher:subscription_error","data":"{\"type\":\"AuthError\",\"error\":\"no\",\"status\":401}","channel":"a \"b\""}"#,
    );
}

#[test]
fn presence_data_is_an_object_even_when_empty_or_numeric() {
    assert_eq!(presence([].into_iter()), r#"{"presence":{"count":0,"ids":[],"hash":{}}}"#);
    let two = [("0", "null"), ("1", r#"{"a":[]}"#)];
    assert_eq!(
        presence(two.into_iter()),
        r#"{"presence":{"count":2,"ids":["0","1"],"hash":{"0":null,"1":{"a":[]}}}}"#
    );
}

#[test]
fn the_data_of_an_event_is_sent_as_received() {
    let event = OutboundEvent::new("App\\Events\\Shipped", r#"{"n":1.0,"e":[],"o":{}}"#);
    check(
        &event.frame(&name("orders")),
        r#"{"event":"App\\Events\\Shipped","data":"{\"n\":1.0,\"e\":[],\"o\":{}}","channel":"orders"}"#,
    );
    check(
        &OutboundEvent::new("client-x", "1").frame_from(&name("presence-a"), "7"),
        r#"{"event":"client-x","data":"1","channel":"presence-a","user_id":"7"}"#,
    );
}
