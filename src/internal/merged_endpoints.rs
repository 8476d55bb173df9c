//! The webhook endpoints of several nodes as one list.
//!
//! Each node calls the endpoints for itself, so numbers add up, and calls stand in one list by their time, each with its
//! node. Which fields an endpoint has is left to `webhook`. Pure.

use serde_json::{Map, Value};

/// Entries of a list that are shown, which is what one node keeps.
const ENTRIES_MAX: usize = 20;

/// Puts the name of the node into each entry of the lists of its endpoints.
pub(super) fn with_node(mut endpoints: Vec<Value>, node: &str) -> Vec<Value> {
    let lists = endpoints.iter_mut().filter_map(Value::as_object_mut);
    let lists = lists.flat_map(Map::values_mut).filter_map(Value::as_array_mut);
    for entry in lists.flatten().filter_map(Value::as_object_mut) {
        entry.insert("node".to_owned(), Value::from(node));
    }
    endpoints
}

/// Adds the endpoints of another node; those that only it has come behind the others.
pub(super) fn merge(all: &mut Vec<Value>, others: Vec<Value>) {
    let is_same =
        |one: &Value, other: &Value| one["url"] == other["url"] && one["events"] == other["events"];
    for (at, other) in others.into_iter().enumerate() {
        let in_place = all.get(at).filter(|one| is_same(one, &other)).map(|_| at);
        let same = in_place.or_else(|| all.iter().position(|one| is_same(one, &other)));
        match (same.map(|at| &mut all[at]), other) {
            (Some(Value::Object(one)), Value::Object(other)) => add(one, other),
            (_, other) => all.push(other),
        }
    }
}

fn add(one: &mut Map<String, Value>, other: Map<String, Value>) {
    for (name, value) in other {
        match (name.as_str(), one.get_mut(&name)) {
            ("url" | "events", Some(_)) => {}
            (_, Some(mine)) => {
                let taken = mine.take();
                *mine = merged(&name, taken, value);
            }
            (_, None) => drop(one.insert(name, value)),
        }
    }
}

fn merged(name: &str, one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Null, value) | (value, Value::Null) => value,
        (Value::Array(mut one), Value::Array(other)) => {
            one.extend(other);
            one.sort_by_key(|entry| std::cmp::Reverse(entry["at_ms"].as_u64()));
            one.truncate(ENTRIES_MAX);
            Value::Array(one)
        }
        (Value::Object(mut one), Value::Object(other)) => {
            add(&mut one, other);
            Value::Object(one)
        }
        (one, other) => match (one.as_u64(), other.as_u64()) {
            (Some(one), Some(other)) => Value::from(match name {
                "oldest_event_ms" => one.max(other),
                "retry_in_ms" => one.min(other),
                _ => one + other,
            }),
            _ => one,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ENTRIES_MAX, merge, with_node};

    #[test]
    fn numbers_add_up_and_calls_stand_in_one_list() {
        let here = with_node(
            vec![json!({
                "url": "http://a", "events": [], "queue_events": 2, "oldest_event_ms": 5, "retry_in_ms": null,
                "results": {"taken": 3, "timeout": 1}, "calls": [{"at_ms": 9}, {"at_ms": 4}],
            })],
            "one",
        );
        let there = with_node(
            vec![json!({
                "url": "http://a", "events": [], "queue_events": 1, "oldest_event_ms": 7, "retry_in_ms": 30,
                "results": {"taken": 1, "refused": 2}, "calls": [{"at_ms": 6}],
            })],
            "two",
        );
        let mut all = here;
        merge(&mut all, there);
        assert_eq!(
            all,
            [json!({
                "url": "http://a", "events": [], "queue_events": 3, "oldest_event_ms": 7, "retry_in_ms": 30,
                "results": {"taken": 4, "timeout": 1, "refused": 2},
                "calls": [
                    {"at_ms": 9, "node": "one"}, {"at_ms": 6, "node": "two"}, {"at_ms": 4, "node": "one"},
                ],
            })]
        );
    }

    #[test]
    fn endpoints_are_the_same_by_url_and_events() {
        let endpoint = |url: &str, event: &str, count: u64| json!({"url": url, "events": [event], "queue_events": count});
        let mut all = vec![endpoint("a", "x", 1), endpoint("a", "y", 2)];
        merge(
            &mut all,
            vec![endpoint("a", "y", 10), endpoint("b", "x", 20), endpoint("a", "x", 40)],
        );
        assert_eq!(all, [endpoint("a", "x", 41), endpoint("a", "y", 12), endpoint("b", "x", 20)]);
        let calls = |range: std::ops::Range<u64>| {
            vec![
                json!({"url": "a", "events": [], "calls": range.map(|at| json!({"at_ms": at})).collect::<Vec<_>>()}),
            ]
        };
        let mut all = calls(0..15);
        merge(&mut all, calls(100..115));
        assert_eq!(all[0]["calls"].as_array().unwrap().len(), ENTRIES_MAX);
        assert_eq!(all[0]["calls"][0]["at_ms"], 114);
    }
}
