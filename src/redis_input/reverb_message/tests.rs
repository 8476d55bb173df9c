//! Messages as servers of Reverb write them, and messages of this node as they read them.

use proptest::prelude::*;

use super::{ForwardedData, ForwardedEvent, ReverbMessage};
use crate::protocol::SocketId;
use crate::redis_input::php_value::SerializedValue;
use crate::redis_input::reverb_app::serialised_application;

fn event(message: &str) -> String {
    match ReverbMessage::read(message.as_bytes()) {
        Ok(ReverbMessage::Event(event)) => format!(
            "{} {} {:?} {} {:?} {:?}",
            event.app, event.name, event.channels, event.data, event.user_id, event.except
        ),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_app_of_this_node_is_read_by_the_same_reader() {
    let text = serialised_application("123456", "app-key");
    let app = SerializedValue::read(text.as_bytes()).unwrap();
    assert_eq!(app.get("id").and_then(SerializedValue::text), Some("123456"));
    assert_eq!(app.get("key").and_then(SerializedValue::text), Some("app-key"));
    assert_eq!(app.get("secret").and_then(SerializedValue::text), Some(""));
    assert_eq!(app.get("pingInterval"), Some(&SerializedValue::Int(60)));
}

#[test]
fn a_message_of_this_node_is_read_as_it_was_written() {
    let application = serialised_application("1", "k");
    let forwarded = ForwardedEvent {
        channel: "orders",
        name: "ne\"ws",
        data: ForwardedData::Text("{\"a\":1}"),
        user_id: None,
        except: SocketId::parse("1.2"),
    };
    let text = String::from_utf8(forwarded.message(&application, "node 7")).unwrap();
    let except = SocketId::parse("1.2");
    assert_eq!(event(&text), format!("1 ne\"ws [\"orders\"] {{\"a\":1}} None {except:?}"));
    assert!(text.ends_with(r#","payload":{"event":"ne\"ws","channel":"orders","data":"{\"a\":1}"},"socket_id":"1.2","resound":"node 7"}"#), "{text}");
    for (data, written) in [
        ("{\"a\":1}", "{\"a\":1}"),
        ("[1]", "[1]"),
        ("text", "\"text\""),
        ("7", "\"7\""),
        ("{broken", "\"{broken\""),
    ] {
        let data = ForwardedData::Client(data);
        let text = ForwardedEvent { data, ..forwarded }.message(&application, "n");
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(&format!("\"data\":{written}}}")), "{text}");
    }
}

#[test]
fn numbers_and_texts_are_user_ids_and_null_is_no_data() {
    let application = serde_json::to_string(&serialised_application("1", "k")).unwrap();
    let of = |payload: &str| {
        event(&format!(r#"{{"type":"message","application":{application},"payload":{payload}}}"#))
    };
    assert_eq!(
        of(r#"{"event":"client-a","channel":"c","data":null,"user_id":7}"#),
        r#"1 client-a ["c"] null Some("7") None"#
    );
    assert_eq!(
        of(r#"{"event":"a","channels":["c","d"],"data":"x","user_id":"u"}"#),
        r#"1 a ["c", "d"] x Some("u") None"#
    );
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(
        kind in "message|terminate|metrics|other",
        application in "[ -~]{0,60}",
        payload in "[ -~]{0,60}",
    ) {
        let text = serde_json::json!({ "type": kind, "application": application, "payload": payload, "key": "k" });
        let _ = ReverbMessage::read(text.to_string().as_bytes());
        let _ = ReverbMessage::read(payload.as_bytes());
    }
}
