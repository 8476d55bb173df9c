//! Messages of clients: what is read is what a plain JSON reader finds, data that is relayed can be read by every client,
//! and the signed data of members and users has an id and keeps its bytes.

use std::borrow::Cow;

use resound::protocol::client_message::{ClientEvent, ClientMessage, SignIn, Subscribe};
use resound::protocol::json::{self, JsonError};
use resound::protocol::server_message::OutboundEvent;
use resound::protocol::{ChannelName, Frame, Member, User};
use serde_json::{Value, json};

use super::Target;
use crate::fixture;
use crate::naive::json::{Json, has_half as naive_half, json as naive};
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "client_messages",
    run,
    words: &[
        "{\"event\":",
        "\"pusher:subscribe\"",
        "\"pusher:unsubscribe\"",
        "\"pusher:signin\"",
        "\"pusher:ping\"",
        "\"pusher:pong\"",
        "\"client-x\"",
        "\"data\":",
        "\"channel\":",
        "\"auth\":",
        "\"channel_data\":",
        "\"user_data\":",
        "\"user_id\":",
        "\"user_info\":",
        "\"watchlist\":",
        "\"id\":",
        "\\ud83d",
        "\\ude00",
        "\\u0000",
        "\\\\",
        "\"",
        ",",
        "{}",
        "[]",
        "[",
        "]",
        "{",
        "}",
        "null",
        "1e999",
        "-0",
        "1.0",
        "\"a\":",
        "é",
        "12345678901234567890123",
    ],
    outcomes: &[
        "ping",
        "pong",
        "subscribe",
        "subscribe by text",
        "unsubscribe",
        "sign-in",
        "client event",
        "data is text",
        "data is JSON",
        "unsupported",
        "invalid",
        "portable",
        "odd",
        "no JSON",
        "half a pair",
        "twice",
        "too deep",
        "too large a number",
        "member",
        "no member",
        "user",
        "no user",
        "watchlist cut",
    ],
};

/// Beyond this many brackets the plain reader might run out of stack.
const BRACKETS_MAX: usize = 1000;

fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let parsed = ClientMessage::parse(text);
    if text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > BRACKETS_MAX {
        return;
    }
    portable(text);
    signed_data(text);
    match parsed {
        Ok(message) => accepted(text, &message),
        Err(why) => {
            reached("invalid");
            let why = why.to_string();
            assert!(!why.is_empty() && !why.chars().any(char::is_control), "{why:?}");
            // Each event of a client but these takes any data.
            let event = event_of(text);
            let needs = ["pusher:subscribe", "pusher:unsubscribe", "pusher:signin"];
            let is_free = |event: &str| !needs.contains(&event) && !event.starts_with("client-");
            assert!(!event.as_deref().is_some_and(is_free), "{text:?}: {why}");
        }
    }
}

/// The event of a message that is portable JSON.
fn event_of(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok().filter(|_| naive(text) == Json::Portable)?;
    value.get("event")?.as_str().map(str::to_owned)
}

fn portable(text: &str) {
    let checked = json::check(text);
    let expected = match naive(text) {
        Json::Portable => "portable",
        Json::Odd => "odd",
        Json::None => "no JSON",
    };
    let found = match &checked {
        Ok(()) => "portable",
        Err(JsonError::Syntax) => "no JSON",
        Err(_) => "odd",
    };
    assert_eq!(found, expected, "{text:?}: {checked:?}");
    if found != "no JSON" {
        let is_half = matches!(checked, Err(JsonError::LoneSurrogate));
        let has_half = json::has_lone_surrogate(text.as_bytes());
        assert_eq!((is_half, has_half), (naive_half(text), naive_half(text)), "{text:?}");
    }
    reached(found);
    reached(match checked {
        Err(JsonError::LoneSurrogate) => "half a pair",
        Err(JsonError::DuplicateKey(_)) => "twice",
        Err(JsonError::TooDeep) => "too deep",
        Err(JsonError::NumberRange) => "too large a number",
        _ => return,
    });
}

fn accepted(text: &str, message: &ClientMessage<'_>) {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        // Half a pair or a large number, in a field that is not looked at.
        return assert_eq!(naive(text), Json::Odd, "{text:?}");
    };
    let event = value["event"].as_str().expect("with an event");
    // An object, or a text with an object.
    let object = match &value["data"] {
        Value::String(data) => serde_json::from_str(data).unwrap_or_default(),
        data => data.clone(),
    };
    let is = |name: &str, found: Option<&Cow<'_, str>>| {
        assert_eq!(object[name].as_str(), found.map(|text| &**text), "{name} in {text}");
    };
    match message {
        ClientMessage::Ping => assert_eq!(event, "pusher:ping"),
        ClientMessage::Pong => assert_eq!(event, "pusher:pong"),
        ClientMessage::Subscribe(Subscribe { channel, auth, channel_data }) => {
            assert_eq!(event, "pusher:subscribe");
            is("channel", Some(channel));
            is("auth", auth.as_ref());
            is("channel_data", channel_data.as_ref());
            if value["data"].is_string() {
                reached("subscribe by text");
            }
        }
        ClientMessage::Unsubscribe { channel } => {
            assert_eq!(event, "pusher:unsubscribe");
            is("channel", Some(channel));
        }
        ClientMessage::SignIn(SignIn { auth, user_data }) => {
            assert_eq!(event, "pusher:signin");
            is("auth", Some(auth));
            is("user_data", Some(user_data));
        }
        ClientMessage::ClientEvent(message) => {
            assert_eq!(
                (event, value["channel"].as_str()),
                (&*message.event, Some(&*message.channel))
            );
            relayed(&value["data"], message);
        }
        ClientMessage::Unsupported { event: other } => {
            assert_eq!(event, other);
            assert!(!event.starts_with("client-"));
        }
    }
    reached(match message {
        ClientMessage::Ping => "ping",
        ClientMessage::Pong => "pong",
        ClientMessage::Subscribe(_) => "subscribe",
        ClientMessage::Unsubscribe { .. } => "unsubscribe",
        ClientMessage::SignIn(_) => "sign-in",
        ClientMessage::ClientEvent(_) => "client event",
        ClientMessage::Unsupported { .. } => "unsupported",
    });
}

/// The data of a client event reaches the other clients as they could have sent it.
fn relayed(sent: &Value, message: &ClientEvent<'_>) {
    assert!(message.event.starts_with("client-"));
    assert_ne!(naive(&message.data), Json::Odd, "{:?}", message.data);
    match sent {
        Value::String(text) => {
            reached("data is text");
            assert_eq!(*text, message.data);
        }
        sent => {
            reached("data is JSON");
            assert_eq!(serde_json::from_str::<Value>(&message.data).ok().as_ref(), Some(sent));
        }
    }
    let Ok(channel) = ChannelName::parse(&message.channel, 200) else { return };
    let event = OutboundEvent::new(&message.event, &message.data);
    for (frame, user) in
        [(event.frame(&channel), None), (event.frame_from(&channel, "u\"\n"), Some("u\"\n"))]
    {
        let mut expected =
            json!({ "event": message.event, "channel": message.channel, "data": message.data });
        if let Some(user) = user {
            expected["user_id"] = json!(user);
        }
        assert_eq!(content(&frame), expected);
    }
}

fn content(frame: &Frame) -> Value {
    assert_ne!(naive(std::str::from_utf8(frame.payload()).expect("a text")), Json::None);
    serde_json::from_slice(frame.payload()).expect("JSON")
}

/// The text as `channel_data` and as `user_data`.
fn signed_data(text: &str) {
    let limits = fixture::app().limits;
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let is_object = value.is_object() && naive(text) == Json::Portable;
    match Member::parse(Some(text), &limits) {
        Ok(member) => {
            reached("member");
            assert!(is_object && is_id(&value["user_id"], &member.user_id), "{text} {member:?}");
            assert!(member.user_id.len() <= limits.presence_user_id_bytes);
            assert!(member.info_json().len() <= limits.presence_user_info_bytes);
            assert!(
                text.contains(member.info_json()) || member.user_info.is_none(),
                "{text} {member:?}"
            );
        }
        Err(_) => reached("no member"),
    }
    match User::parse(text, &limits) {
        Ok(user) => {
            reached("user");
            assert!(is_object && is_id(&value["id"], &user.id), "{text} {user:?}");
            assert!(user.watchlist.len() <= limits.watchlist_users);
            if let Some(over) = user.watchlist_over {
                reached("watchlist cut");
                assert!(over > limits.watchlist_users);
            }
        }
        Err(_) => reached("no user"),
    }
}

/// Whether an id is that of this value: a text, or the digits of a number.
fn is_id(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        // A number stands as it was written, which may be longer than what is kept of it.
        Value::Number(_) => serde_json::from_str::<Value>(id).is_ok_and(|read| read == *value),
        _ => false,
    }
}
