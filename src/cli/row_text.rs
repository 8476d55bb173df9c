//! A row of the internal API as a line for people.
//!
//! Pure. Texts of peers are in it: what a terminal would take for a command is escaped.

use std::fmt::Write;

use resound::logging::terminal_line;
use serde_json::Value;

/// Whether lines have colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colours(pub(super) bool);

/// The line, without its end.
pub(super) fn row_text(row: &Value, colours: Colours) -> String {
    let kind = text(row, "kind").unwrap_or("?");
    if kind == "dropped" {
        let count = row["count"].as_u64().unwrap_or_default();
        let text = match text(row, "node") {
            None => format!("-- {count} rows are missing here: this viewer was too slow"),
            Some(node) => format!(
                "-- {count} rows of node {} are missing here: it sends 200 a second",
                terminal_line(node)
            ),
        };
        return colours.of("33", &text);
    }
    if kind == "nodes" {
        let names: Vec<&str> =
            row["nodes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        return colours.of(
            "90",
            &format!("-- from here on, of the nodes {}", terminal_line(&names.join(", "))),
        );
    }
    let mut line =
        format!("{} {}", time(row["at_ms"].as_u64().unwrap_or_default()), colours.kind(kind));
    for (name, shown) in [("node", "node "), ("app", "app ")] {
        if let Some(value) = text(row, name) {
            let _ = write!(line, "  {shown}{}", terminal_line(value));
        }
    }
    for part in parts(row, kind) {
        line.push_str("  ");
        line.push_str(&part);
    }
    line
}

fn parts(row: &Value, kind: &str) -> Vec<String> {
    let named =
        |name: &str, shown: &str| Some(format!("{shown}{}", terminal_line(text(row, name)?)));
    let number = |name: &str, shown: &str| Some(format!("{}{shown}", row[name].as_u64()?));
    let channels = row["channels"].as_array().map(|names| {
        let names: Vec<String> = names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| terminal_line(name).into_owned())
            .collect();
        names.join(" ")
    });
    let data = text(row, "data").map(|data| {
        let is_cut = row["data_cut"] == Value::Bool(true) && !data.ends_with(['…', ')']);
        let end = if is_cut { "…" } else { "" };
        format!("{}{end}", terminal_line(data))
    });
    let subscribers = row["subscribers"].as_u64().map(|count| match count {
        1 => "1 subscriber".to_owned(),
        count => format!("{count} subscribers"),
    });
    let all = match kind {
        "trigger" | "delivery" => vec![
            channels.or_else(|| named("channel", "")),
            named("event", ""),
            subscribers,
            number("bytes", " B"),
            named("except", "except "),
            named("source", "from "),
            named("id", "id "),
            data,
        ],
        "refused" => vec![
            named("part", ""),
            named("channel", ""),
            number("code", ""),
            named("reason", ""),
            named("socket", "socket "),
            named("client", "client "),
            named("cause", ""),
        ],
        "webhook" => vec![
            named("url", ""),
            number("events", " events"),
            named("result", ""),
            number("took_ms", " ms"),
        ],
        "closed" => vec![
            named("socket", "socket "),
            named("by", "by the "),
            number("code", ""),
            named("reason", ""),
        ],
        _ => vec![
            named("channel", ""),
            named("socket", "socket "),
            named("user_id", "user "),
            named("client", "client "),
        ],
    };
    all.into_iter().flatten().collect()
}

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row.get(name)?.as_str()
}

/// The time of the day, UTC.
fn time(at_ms: u64) -> String {
    let (seconds, ms) = (at_ms / 1000 % 86_400, at_ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl Colours {
    fn kind(self, kind: &str) -> String {
        let code = match kind {
            "trigger" => "36",
            "delivery" => "32",
            "subscribed" | "connected" => "34",
            "refused" => "31",
            "webhook" => "35",
            _ => "90",
        };
        self.of(code, &format!("{:<12}", terminal_line(kind)))
    }

    fn of(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Colours, row_text};

    #[test]
    fn a_row_is_one_line_for_people() {
        for (row, expected) in [
            (
                json!({"at_ms": 3_723_004, "app": "7", "kind": "trigger", "source": "http", "channels": ["a", "b"],
                    "event": "App\\Events\\Shipped", "subscribers": 1, "bytes": 8, "data": "{\"id\": number}"}),
                "01:02:03.004 trigger       app 7  a b  App\\Events\\Shipped  1 subscriber  8 B  from http  {\"id\": number}",
            ),
            (
                json!({"at_ms": 0, "node": "n", "kind": "closed", "socket": "1.2", "by": "client", "code": 1000}),
                "00:00:00.000 closed        node n  socket 1.2  by the client  1000",
            ),
            (
                json!({"at_ms": 0, "kind": "refused", "part": "message", "cause": "\u{1b}[2Jgone\n"}),
                "00:00:00.000 refused       message  \\u{1b}[2Jgone\\n",
            ),
            (
                json!({"kind": "dropped", "count": 7}),
                "-- 7 rows are missing here: this viewer was too slow",
            ),
        ] {
            assert_eq!(row_text(&row, Colours(false)), expected);
        }
    }

    #[test]
    fn the_kind_has_a_colour_on_a_terminal() {
        let row = json!({"at_ms": 0, "kind": "refused"});
        assert_eq!(row_text(&row, Colours(true)), "00:00:00.000 \u{1b}[31mrefused     \u{1b}[0m");
    }
}
