//! Every frame that the server can send is one that every official SDK can read.
//!
//! The strictest rules: Java's `getData()` needs a `data` key, .NET needs a string there and refuses
//! deep nesting, Go and Swift drop a message with a lone surrogate, and all find the channel by the
//! name they subscribed to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::json::JsonError;
use super::server_message::{self, OutboundEvent, SubscriptionError};
use super::session::{Action, Addressee, Session};
use super::{ChannelName, ClientLibrary, CloseCode, Frame, SocketId, json};
use crate::app::tests::app;
use crate::app::{App, ClientEvents};

/// The limit of .NET's readers.
const LEVELS_MAX: usize = 64;

/// Valid `data` of client events, and valid `user_info`.
const VALUES: [&str; 14] = [
    "null",
    "true",
    "7",
    "-1.5e300",
    "12345678901234567890",
    "\"\"",
    "\"text\"",
    r#""{\"a\":1}""#,
    r#""\ud83d\ude00 \u0000 \\ud83d""#,
    "\"é 😀 \u{2028}\"",
    "[]",
    "{}",
    r#"[1,[{"a":[]}]]"#,
    r#"{"a":{"a":null},"é\n":"\"","data":"{}"}"#,
];

/// Names in subscriptions, most of them invalid.
const NAMES: [&str; 6] =
    ["private-a", "presence-\"a\"\\", "\u{0}\u{1f}", "#server-to-user-é😀", "a/b", ""];

fn check(frame: &Frame, channel: Option<&str>) {
    let text = std::str::from_utf8(frame.payload()).unwrap();
    assert_eq!(json::check(text), Ok(()), "{text}");
    let message: Value = serde_json::from_str(text).unwrap();
    assert_eq!(message.get("channel").map(|name| name.as_str().unwrap()), channel, "{text}");
    let event = message["event"].as_str().unwrap();
    let data = &message["data"];
    if event == "pusher:error" {
        assert!(data["code"].is_u64() && data["message"].is_string(), "{text}");
    } else {
        let data = data.as_str().unwrap_or_else(|| panic!("data is no string: {text}"));
        assert!(!event.starts_with("pusher") || is_readable_object(data), "{text}");
    }
    let known = ["event", "data", "channel", "user_id"];
    for (key, value) in message.as_object().unwrap() {
        assert!(known.contains(&key.as_str()), "{text}");
        assert!(value.is_string() || event == "pusher:error", "{text}");
    }
}

/// The SDKs parse this text. A roster has three levels more than the checked info of its members.
fn is_readable_object(data: &str) -> bool {
    fn levels(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
            Value::Object(entries) => 1 + entries.values().map(levels).max().unwrap_or(0),
            _ => 0,
        }
    }
    let is_readable = matches!(json::check(data), Ok(()) | Err(JsonError::TooDeep));
    let value: Value = serde_json::from_str(data).unwrap_or_default();
    is_readable && value.is_object() && levels(&value) <= LEVELS_MAX
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}

/// One frame from each function of [`server_message`] that returns one, and the channel in it.
fn frames_of_every_function() -> Vec<(&'static str, Frame, Option<&'static str>)> {
    let id = SocketId::parse("1.2").unwrap();
    let watched: [Arc<str>; 2] = ["é\"".into(), "2".into()];
    let refused = SubscriptionError {
        kind: "AuthError",
        error: "\"é\"".into(),
        status: 401,
        cause: Default::default(),
    };
    let (channel, presence, cache) = (name("private-a"), name("presence-a"), name("cache-a"));
    let event = OutboundEvent::new("App\\Events\\É", "not \"JSON\"");
    vec![
        (
            "connection_established",
            server_message::connection_established(id, Duration::from_secs(30)),
            None,
        ),
        ("pong", server_message::pong(), None),
        ("ping", server_message::ping(), None),
        ("signin_success", server_message::signin_success("{\"id\":\"1\"}"), None),
        (
            "watchlist_events",
            server_message::watchlist_events([("online", &watched), ("offline", &[])]),
            None,
        ),
        (
            "subscription_count",
            server_message::subscription_count(&channel, 1).unwrap(),
            Some("private-a"),
        ),
        ("error", server_message::error(4200, "\"é\"\n"), None),
        ("closing_error", server_message::closing_error(CloseCode::ReconnectNow), None),
        (
            "subscription_succeeded",
            server_message::subscription_succeeded(&channel, "{}"),
            Some("private-a"),
        ),
        (
            "subscription_error",
            server_message::subscription_error("\"é\"", &refused),
            Some("\"é\""),
        ),
        ("cache_miss", server_message::cache_miss(&cache), Some("cache-a")),
        (
            "member_added",
            server_message::member_added(&presence, "\"é\"", "null"),
            Some("presence-a"),
        ),
        ("member_removed", server_message::member_removed(&presence, "\"é\""), Some("presence-a")),
        ("frame", event.frame(&channel), Some("private-a")),
        ("frame_from", event.frame_from(&presence, "\"é\""), Some("presence-a")),
    ]
}

#[test]
fn every_sdk_reads_the_frames_of_every_function() {
    let frames = frames_of_every_function();
    for (_, frame, channel) in &frames {
        check(frame, *channel);
    }
    let source = include_str!("server_message.rs");
    let heads = source.split("pub fn ").skip(1).filter_map(|rest| rest.split_once('{'));
    let returns_a_frame = heads.filter(|(head, _)| {
        head.split_once("->").is_some_and(|(_, result)| result.contains("Frame"))
    });
    let existing: BTreeSet<&str> = returns_a_frame
        .filter_map(|(head, _)| head.split_once('(').map(|(name, _)| name))
        .collect();
    let covered: BTreeSet<&str> = frames.iter().map(|(function, ..)| *function).collect();
    assert_eq!(covered, existing, "add every function of server_message.rs to this test");
}

fn session(app: &Arc<App>) -> Session {
    session_of(app, ClientLibrary::Other)
}

fn session_of(app: &Arc<App>, library: ClientLibrary) -> Session {
    Session::open(app.clone(), SocketId::parse("1.2").unwrap(), library, Instant::now()).0
}

/// The action of a subscription with a valid signature.
fn subscribe(session: &mut Session, channel: &str, channel_data: Option<&str>) -> Action {
    let app = app();
    let backend = resound_load::Credentials::new(&app.id, &app.key, app.secret.reveal());
    let auth = backend.channel_auth("1.2", channel, channel_data);
    let data = serde_json::json!({"channel": channel, "auth": auth, "channel_data": channel_data});
    let message = serde_json::json!({"event": "pusher:subscribe", "data": data}).to_string();
    session.receive(&message, Instant::now()).remove(0)
}

#[test]
fn every_sdk_reads_relayed_client_events_with_any_data() {
    let app = Arc::new(App { accept_client_events_from: ClientEvents::All, ..app() });
    let member = r#"{"user_id":"\"é\u0000"}"#;
    let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
    let data = VALUES.into_iter().chain([deep.as_str()]).map(|data| format!(",\"data\":{data}"));
    for (channel, channel_data) in [("a", None), ("private-a", None), ("presence-a", Some(member))]
    {
        for data in data.clone().chain([String::new()]) {
            for event in ["client-", "client-é\\n\\\"\\u0000😀"] {
                let mut session = session(&app);
                subscribe(&mut session, channel, channel_data);
                let text = format!(r#"{{"event":"{event}","channel":"{channel}"{data}}}"#);
                let action = session.receive(&text, Instant::now()).remove(0);
                let Action::Publish(relay) = action else { panic!("{text}: {action:?}") };
                check(&relay.frame, Some(channel));
            }
        }
    }
}

#[test]
fn every_sdk_reads_rosters_with_any_user_info() {
    let app = Arc::new(app());
    let deep = format!("{}{}", "[".repeat(59), "]".repeat(59));
    for info in VALUES.into_iter().chain([deep.as_str()]) {
        let channel_data = format!(r#"{{"user_id":"\"é","user_info":{info}}}"#);
        let action = subscribe(&mut session(&app), "presence-a", Some(&channel_data));
        let Action::Subscribe { channel, member: Some(member) } = action else {
            panic!("{info}: {action:?}")
        };
        let (user_id, info) = (&*member.user_id, member.info_json());
        check(&server_message::member_added(&channel, user_id, info), Some("presence-a"));
        let roster = server_message::presence([(user_id, info)].into_iter());
        check(&server_message::subscription_succeeded(&channel, &roster), Some("presence-a"));
    }
}

#[test]
fn a_refused_subscription_repeats_the_channel_that_was_sent() {
    let app = Arc::new(app());
    let long = format!("private-{}", "é\"".repeat(3000));
    for channel in NAMES.into_iter().chain([long.as_str()]) {
        let request =
            serde_json::json!({"event": "pusher:subscribe", "data": {"channel": channel}});
        let action = session(&app).receive(&request.to_string(), Instant::now()).remove(0);
        let Action::Refuse { channel: repeated, error, .. } = action else {
            panic!("{channel}: {action:?}")
        };
        check(&server_message::subscription_error(&repeated, &error), Some(channel));
    }
}

#[test]
fn no_sdk_gets_a_message_that_it_fails_to_decrypt() {
    let app = Arc::new(App { accept_client_events_from: ClientEvents::All, ..app() });
    let refusal = |library, channel: &str| {
        let request =
            serde_json::json!({"event": "pusher:subscribe", "data": {"channel": channel}});
        let mut session = session_of(&app, library);
        match session.receive(&request.to_string(), Instant::now()).remove(0) {
            Action::Refuse { addressee, .. } => addressee,
            action => panic!("{channel}: {action:?}"),
        }
    };
    for channel in ["private-encrypted-a", "private-encrypted-cache-a", "private-encrypted-\""] {
        assert_eq!(refusal(ClientLibrary::Java, channel), Addressee::Connection, "{channel}");
        assert_eq!(refusal(ClientLibrary::DotNet, channel), Addressee::Connection, "{channel}");
        assert_eq!(refusal(ClientLibrary::Other, channel), Addressee::Channel, "{channel}");
    }
    assert_eq!(refusal(ClientLibrary::Java, "private-a"), Addressee::Channel);
    assert_eq!(server_message::subscription_count(&name("private-encrypted-a"), 1), None);
    let mut session = session(&app);
    subscribe(&mut session, "private-encrypted-a", None);
    let client_event = r#"{"event":"client-a","channel":"private-encrypted-a","data":{}}"#;
    let action = session.receive(client_event, Instant::now()).remove(0);
    assert!(matches!(action, Action::Reject(_)), "{action:?}");
}
