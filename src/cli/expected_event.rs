//! Whether a recorded event is the expected one: by its name, and by a part of its data.
//!
//! Pure.

use serde_json::Value;

/// What is expected.
#[derive(Debug)]
pub(super) struct ExpectedEvent<'a> {
    name: &'a str,
    data: Option<Value>,
}

impl<'a> ExpectedEvent<'a> {
    /// An event with this name whose data contains this JSON; an error says what is wrong with it.
    pub(super) fn new(name: &'a str, data: Option<&str>) -> Result<Self, String> {
        let data = data.map(serde_json::from_str).transpose();
        let data = data.map_err(|error| format!("--data is no JSON: {error}"))?;
        Ok(Self { name, data })
    }

    /// Whether this row is one.
    pub(super) fn is(&self, row: &Value) -> bool {
        let event = row["event"].as_str().unwrap_or_default();
        is_named(event, self.name)
            && self.data.as_ref().is_none_or(|part| contains(&data(row), part))
    }
}

/// `App\Events\OrderShipped` by that name, by `OrderShipped`, or, where the event has a name of its own, by `.name`.
fn is_named(event: &str, name: &str) -> bool {
    event == name
        || name.strip_prefix('.').is_some_and(|name| event == name)
        || event.strip_suffix(name).is_some_and(|namespace| namespace.ends_with('\\'))
}

/// The data as the JSON that it mostly is, or as a text.
fn data(row: &Value) -> Value {
    let text = row["data"].as_str().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Whether each field of the part is in the whole with an equal value. An item of a list may be any of the
/// items, in any place.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|found| contains(found, part))),
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|part| whole.iter().any(|found| contains(found, part)))
        }
        (Value::Number(whole), Value::Number(part)) => {
            whole == part || whole.as_f64() == part.as_f64()
        }
        _ => whole == part,
    }
}

/// The distinct names of events, in their order.
pub(super) fn wire_names<'r>(rows: impl Iterator<Item = &'r Value>, most: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        let name = format!("{:?}", row["event"].as_str().unwrap_or_default());
        if !names.contains(&name) && names.len() < most {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ExpectedEvent, is_named};

    #[test]
    fn an_event_is_named_as_on_the_wire_as_its_class_or_as_in_echo() {
        for (event, name, is_it) in [
            ("App\\Events\\OrderShipped", "App\\Events\\OrderShipped", true),
            ("App\\Events\\OrderShipped", "OrderShipped", true),
            ("App\\Events\\OrderShipped", "Events\\OrderShipped", true),
            ("App\\Events\\OrderShipped", "Shipped", false),
            ("App\\Events\\OrderShipped", ".OrderShipped", false),
            ("order.shipped", "order.shipped", true),
            ("order.shipped", ".order.shipped", true),
            ("order.shipped", "shipped", false),
            ("App\\Events\\OrderShipped", "", false),
        ] {
            assert_eq!(is_named(event, name), is_it, "{event} {name}");
        }
    }

    #[test]
    fn the_data_contains_every_field_of_the_part() {
        let row = json!({"event": "e", "data": r#"{"id":7,"user":{"name":"Ann","roles":["a","b"]},"sum":1.0}"#});
        for (part, is_it) in [
            (r#"{"id":7}"#, true),
            (r#"{"id":8}"#, false),
            (r#"{"id":"7"}"#, false),
            (r#"{"user":{"name":"Ann"}}"#, true),
            (r#"{"user":{"roles":["b"]}}"#, true),
            (r#"{"user":{"roles":["c"]}}"#, false),
            (r#"{"sum":1}"#, true),
            (r#"{"none":null}"#, false),
            ("{}", true),
            ("7", false),
        ] {
            assert_eq!(ExpectedEvent::new("e", Some(part)).unwrap().is(&row), is_it, "{part}");
        }
        let text = json!({"event": "e", "data": "plain"});
        assert!(ExpectedEvent::new("e", Some("\"plain\"")).unwrap().is(&text));
        assert!(ExpectedEvent::new("e", Some("{")).is_err());
    }
}
