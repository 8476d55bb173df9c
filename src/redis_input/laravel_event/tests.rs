//! Messages as Laravel 12 publishes them, and messages that it would not publish.

use proptest::prelude::*;

use super::{LaravelEvent, RefusedEvent, without_socket};
use crate::app::AppLimits;
use crate::protocol::{ChannelName, SocketId};

/// Recorded of Laravel 12.67 with phpredis 5.3.7, and the same bytes with predis 2.4.1.
const RECORDED: [(&str, &str, &str, &str, Option<&str>); 4] = [
    (
        "hello",
        r#"{"event":"App\\Events\\OrderShipped","data":{"text":"one","\u00e4":"\u2603 \"q\" \\ <\/script>","pad":"","socket":null},"socket":null}"#,
        r"App\Events\OrderShipped",
        r#"{"text":"one","\u00e4":"\u2603 \"q\" \\ <\/script>","pad":""}"#,
        None,
    ),
    (
        "presence-organization.1.dashboard",
        r#"{"event":"App\\Events\\OrderShipped","data":{"text":"two","socket":"123.456"},"socket":"123.456"}"#,
        r"App\Events\OrderShipped",
        r#"{"text":"two"}"#,
        Some("123.456"),
    ),
    (
        "hello",
        r#"{"event":"Anon","data":{"text":"anon","n":1.5,"nul":null,"u":"\u00e9\/\u2603","socket":"123.456"},"socket":"123.456"}"#,
        "Anon",
        r#"{"text":"anon","n":1.5,"nul":null,"u":"\u00e9\/\u2603"}"#,
        Some("123.456"),
    ),
    ("hello", r#"{"event":"Empty","data":{"socket":null},"socket":null}"#, "Empty", "[]", None),
];

fn limits() -> AppLimits {
    let text = "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n";
    let file = crate::config::ConfigFile { name: "a.toml".to_owned(), text: text.to_owned() };
    let sources = crate::config::Sources { file: Some(file), ..crate::config::Sources::default() };
    let config = crate::config::Config::new(&sources).unwrap();
    config.apps.by_id("1").unwrap().limits.clone()
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}

fn refused(channel: &str, payload: &str) -> RefusedEvent {
    LaravelEvent::read(&name(channel), payload.as_bytes(), &limits()).unwrap_err()
}

#[test]
fn recorded_messages_are_what_the_http_api_would_have_received() {
    for (channel, payload, event, data, except) in RECORDED {
        let read = LaravelEvent::read(&name(channel), payload.as_bytes(), &limits()).unwrap();
        assert_eq!((&*read.name, &*read.data), (event, data));
        assert_eq!(read.except, except.and_then(SocketId::parse));
    }
}

#[test]
fn a_malformed_socket_excludes_no_socket() {
    for socket in ["\"undefined\"", "\"1\"", "7", "{}", "\"\"", "null"] {
        let payload = format!(r#"{{"event":"e","data":{{"a":1}},"socket":{socket}}}"#);
        let read = LaravelEvent::read(&name("a"), payload.as_bytes(), &limits()).unwrap();
        assert_eq!((read.except, &*read.data), (None, r#"{"a":1}"#), "{socket}");
    }
}

#[test]
fn only_the_socket_of_data_itself_is_taken_out() {
    let check = |data: &str, stripped: &str| assert_eq!(without_socket(data), stripped, "{data}");
    check(r#"{"socket":"1.2","a":1}"#, r#"{"a":1}"#);
    check(r#"{"a":1,"socket":null,"b":2}"#, r#"{"a":1,"b":2}"#);
    check(r#"{"a":{"socket":1},"socket":null}"#, r#"{"a":{"socket":1}}"#);
    check(r#"{"a":["socket",{"socket":[]}]}"#, r#"{"a":["socket",{"socket":[]}]}"#);
    check(r#"{"a":"\"socket\":1,","socket":null}"#, r#"{"a":"\"socket\":1,"}"#);
    check(r#"{"a":"x\\","socket":"y}"}"#, r#"{"a":"x\\"}"#);
    check(r#"{"my\"socket":1,"socket":2}"#, r#"{"my\"socket":1}"#);
    check(r#"{"socket":1,"socket":2}"#, "[]");
    check(r#"{"a":{},"socket":{"b":[1,2]}}"#, r#"{"a":{}}"#);
    check("{}", "{}");
    check("[]", "[]");
    check(r#"["socket"]"#, r#"["socket"]"#);
    check("\"socket\"", "\"socket\"");
    // A PHP list beside which the key stood.
    check(r#"{"0":"a","1":{"b":1},"socket":null}"#, r#"["a",{"b":1}]"#);
    check(r#"{"1":"a","0":"b","socket":null}"#, r#"{"1":"a","0":"b"}"#);
}

#[test]
fn each_refusal_names_what_to_change() {
    let event = r#"{"event":"e","data":{},"socket":null}"#;
    let encrypted = refused("private-encrypted-secret.1", event);
    assert_eq!(
        (encrypted.label(), encrypted.to_string()),
        (
            "encrypted",
            "Laravel's redis broadcaster does not encrypt, and clients could not decrypt it: \
             broadcast it via the reverb connection"
                .to_owned()
        )
    );
    let reserved = refused("a", r#"{"event":"pusher:error","data":{},"socket":null}"#);
    assert_eq!(
        (reserved.label(), reserved.to_string()),
        ("event_name", "event names starting with pusher: are reserved".to_owned())
    );
    let long = format!(r#"{{"event":"e","data":"{}"}}"#, "x".repeat(102_399));
    let large = refused("a", &long);
    assert_eq!(
        (large.label(), large.to_string()),
        (
            "too_large",
            "its data has 102401 bytes; the limit is 102400: send less, or raise \
             max_event_data_bytes"
                .to_owned()
        )
    );
    for payload in [
        "",
        "x",
        "{}",
        "[]",
        r#"{"event":1,"data":{}}"#,
        r#"{"event":"e"}"#,
        "{\"event\":\"\\ud83d\",\"data\":1}",
    ] {
        assert_eq!(refused("a", payload).label(), "malformed", "{payload}");
    }
}

proptest! {
    #[test]
    fn any_object_stays_json_and_loses_only_its_socket(
        keys in proptest::collection::vec("[a-z\"\\\\ä]{0,6}|socket", 0..6),
        values in proptest::collection::vec("[a-z,{}\\[\\]\":\\\\]{0,8}", 6),
    ) {
        let entries: Vec<String> = keys.iter().zip(&values).map(|(key, value)| {
            let text = |text: &String| serde_json::to_string(text).unwrap();
            format!("{}:[{},{{\"socket\":1}}]", text(key), text(value))
        }).collect();
        let json = format!("{{{}}}", entries.join(","));
        let stripped = without_socket(&json).into_owned();
        let kept: Vec<&String> = keys.iter().zip(&entries).filter(|(key, _)| *key != "socket").map(|(_, entry)| entry).collect();
        let expected = match kept.len() {
            count if count == keys.len() => json,
            0 => "[]".to_owned(),
            _ => format!("{{{}}}", kept.iter().map(|entry| entry.as_str()).collect::<Vec<_>>().join(",")),
        };
        prop_assert_eq!(stripped, expected);
    }

    #[test]
    fn no_bytes_make_reading_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = LaravelEvent::read(&name("a"), &payload, &limits());
    }
}
