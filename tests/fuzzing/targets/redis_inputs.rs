//! What other programs publish in Redis: values that PHP serialised, events of Laravel's broadcaster, messages of Reverb's
//! servers.

use std::fmt::Write;

use resound::protocol::SocketId;
use resound::redis_input::{LaravelEvent, ReverbMessage, SerializedError, SerializedValue};
use serde_json::Value;

use super::Target;
use crate::bytes::Bytes;
use crate::fixture;
use crate::naive::json::{Json, json};
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "redis_inputs",
    run,
    words: &[
        "i:1;",
        "s:1:\"a\";",
        "a:1:{",
        "O:1:\"A\":1:{",
        "}",
        "N;",
        "b:1;",
        "d:0.5;",
        "E:1:\"A\";",
        "s:99999999999:\"",
        "a:9999999999:{",
        "\u{0}*\u{0}id",
        "{\"event\":",
        "\"data\":",
        "\"socket\":",
        "\"socket\":null",
        "\"0\":",
        "\"1\":",
        "{\"type\":\"message\"",
        "\"application\":",
        "\"payload\":",
        "\"socket_id\":",
        "\"channels\":[",
        "\"user_id\":",
        "\"key\":",
        "terminate",
        "metrics",
        "\\\"",
        "Laravel\\\\Reverb\\\\Application",
    ],
    outcomes: &[
        "value",
        "no value",
        "too deep",
        "object",
        "enum",
        "Laravel's event",
        "without socket",
        "a list",
        "refused malformed",
        "refused encrypted",
        "refused event_name",
        "refused too_large",
        "Reverb's event",
        "Reverb's terminate",
        "Reverb's query",
        "Reverb's other",
        "no message",
    ],
};

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    match bytes.byte() % 4 {
        0 => serialized(bytes.rest()),
        1 => reverb(bytes.rest()),
        _ => {
            let channel = bytes.pick(&["a", "private-encrypted-a", "presence-a"]);
            let most = bytes.pick(&[10_000, 20]);
            laravel(channel, most, bytes.rest());
        }
    }
}

/// What is read can be written, and is the same when it is read again.
fn serialized(text: &[u8]) {
    let value = match SerializedValue::read(text) {
        Ok(value) => value,
        Err(why) => {
            reached(if why == SerializedError::TooDeep { "too deep" } else { "no value" });
            if let SerializedError::Syntax(at) = why {
                assert!(at <= text.len());
            }
            return;
        }
    };
    reached("value");
    let mut again = Vec::new();
    write(&value, &mut again);
    let read = SerializedValue::read(&again);
    assert_eq!(format!("{read:?}"), format!("{:?}", Ok::<_, SerializedError>(&value)), "{again:?}");
    let _ = (value.get("id"), value.text());
}

fn write(value: &SerializedValue<'_>, text: &mut Vec<u8>) {
    let quoted = |kind: char, bytes: &[u8]| {
        [format!("{kind}:{}:\"", bytes.len()).as_bytes(), bytes, b"\""].concat()
    };
    let mut plain = String::new();
    match value {
        SerializedValue::Null => plain.push_str("N;"),
        SerializedValue::Bool(truth) => write!(plain, "b:{};", u8::from(*truth)).unwrap(),
        SerializedValue::Int(number) => write!(plain, "i:{number};").unwrap(),
        SerializedValue::Float(number) => write!(plain, "d:{number:e};").unwrap(),
        SerializedValue::Bytes(bytes) => text.extend([&quoted('s', bytes)[..], b";"].concat()),
        SerializedValue::Enum(case) => {
            reached("enum");
            text.extend([&quoted('E', case)[..], b";"].concat());
        }
        SerializedValue::Array(entries) => {
            text.extend_from_slice(b"a:");
            write_entries(entries, text);
        }
        SerializedValue::Object(class, entries) => {
            reached("object");
            text.extend([&quoted('O', class)[..], b":"].concat());
            write_entries(entries, text);
        }
    }
    text.extend_from_slice(plain.as_bytes());
}

fn write_entries(entries: &[(SerializedValue<'_>, SerializedValue<'_>)], text: &mut Vec<u8>) {
    text.extend(format!("{}:{{", entries.len()).bytes());
    for (key, value) in entries {
        write(key, text);
        write(value, text);
    }
    text.push(b'}');
}

/// What an accepted message holds; `None` where a field that is not looked at has half a pair, a large number or no text.
fn content(payload: &[u8]) -> Option<Value> {
    let content = serde_json::from_slice(payload).ok();
    let is_odd = |text: &str| json(text) == Json::Odd;
    assert!(content.is_some() || std::str::from_utf8(payload).map_or(true, is_odd), "{payload:?}");
    content
}

fn laravel(channel: &str, most: usize, payload: &[u8]) {
    let mut limits = fixture::app().limits;
    limits.event_data_bytes = most;
    let name = fixture::name(channel);
    let event = match LaravelEvent::read(&name, payload, &limits) {
        Ok(event) => event,
        Err(why) => {
            assert!(!why.to_string().is_empty());
            return reached(&format!("refused {}", why.label()));
        }
    };
    reached("Laravel's event");
    assert!(!name.is_encrypted() && event.data.len() <= most);
    let Some(sent) = content(payload) else { return };
    assert_eq!(sent["event"].as_str(), Some(&*event.name));
    assert_eq!(event.except, sent["socket"].as_str().and_then(SocketId::parse));
    let data: Value =
        serde_json::from_str(&event.data).unwrap_or_else(|error| panic!("{error}: {}", event.data));
    // A key that is written with escapes is none that PHP writes.
    if payload.windows(2).any(|pair| pair == b"\\u") {
        return;
    }
    let mut expected = sent["data"].clone();
    let had_socket =
        expected.as_object_mut().is_some_and(|object| object.remove("socket").is_some());
    let is_number = |key: &String| key.bytes().all(|byte| byte.is_ascii_digit());
    match expected.as_object() {
        Some(object) if had_socket && object.keys().all(is_number) => {
            if data.is_array() {
                reached("a list");
                assert_eq!(data.as_array().unwrap().len(), object.len(), "{}", event.data);
            }
        }
        _ => assert_eq!(data, expected, "{}", event.data),
    }
    if had_socket {
        reached("without socket");
    } else {
        assert!(
            payload.windows(event.data.len()).any(|part| part == event.data.as_bytes()),
            "bytes as sent"
        );
    }
}

fn reverb(payload: &[u8]) {
    let Ok(message) = ReverbMessage::read(payload) else { return reached("no message") };
    let Some(sent) = content(payload) else { return };
    let kind = sent["type"].as_str().expect("with a type");
    match message {
        ReverbMessage::Event(event) => {
            reached("Reverb's event");
            assert_eq!(kind, "message");
            let payload = &sent["payload"];
            assert_eq!(payload["event"].as_str(), Some(&*event.name));
            let many = payload["channels"].as_array().cloned().unwrap_or_default();
            let one =
                payload.get("channel").filter(|channel| many.is_empty() && !channel.is_null());
            let expected: Vec<&str> = many.iter().chain(one).filter_map(Value::as_str).collect();
            assert_eq!(event.channels, expected);
            match payload.get("data").unwrap_or(&Value::Null) {
                Value::String(text) => assert_eq!(*text, event.data),
                data => {
                    assert_eq!(serde_json::from_str::<Value>(&event.data).ok().as_ref(), Some(data))
                }
            }
            assert_eq!(event.except, sent["socket_id"].as_str().and_then(SocketId::parse));
        }
        ReverbMessage::Terminate { user_id, .. } => {
            reached("Reverb's terminate");
            assert_eq!((kind, sent["payload"]["user_id"].as_str()), ("terminate", Some(&*user_id)));
        }
        ReverbMessage::Query(_) => {
            reached("Reverb's query");
            assert_eq!(kind, "metrics");
        }
        ReverbMessage::Other => {
            reached("Reverb's other");
            assert!(!["message", "terminate", "metrics"].contains(&kind));
        }
    }
}
