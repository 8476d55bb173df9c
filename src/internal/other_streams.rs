//! The rows of the other nodes in the stream of a viewer at this one.
//!
//! Owns which nodes take part: each sends a part a second, and the viewer gets a row when one comes or goes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::Uri;
use serde::de::IgnoredAny;
use serde_json::json;

use super::lent_taps::LEASE;
use super::other_nodes::of_this_node;
use crate::node::{Node, OpenInquiry};
use crate::observation::now_ms;

/// Two are lost before a tap ends.
const RENEW_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// A node that sends nothing for so long has left the stream: three of its parts are missing.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// The nodes of the start are shown at once when all are there, or after this time.
const FIRST_ROW_AFTER: Duration = Duration::from_secs(1);

/// The other nodes, as one viewer sees them.
pub(super) struct OtherStreams {
    inquiry: OpenInquiry,
    text: String,
    own_name: String,
    opened_at: Instant,
    asked_at: Option<Instant>,
    last_part: BTreeMap<String, Instant>,
    /// The nodes of the last row about them.
    shown: Option<Vec<String>>,
}

impl OtherStreams {
    /// Those of a node's cluster, if it has one.
    pub(super) fn open(node: &Node, uri: &Uri) -> Option<Self> {
        let (inquiry, own_name) = (node.inquiries()?.open(), node.name()?);
        Some(Self {
            inquiry,
            text: of_this_node(uri),
            own_name,
            opened_at: Instant::now(),
            asked_at: None,
            last_part: BTreeMap::new(),
            shown: None,
        })
    }

    /// Appends the rows that have arrived.
    pub(super) fn take(&mut self, lines: &mut String, now: Instant) {
        if self.asked_at.is_none_or(|asked| now.duration_since(asked) >= RENEW_EVERY) {
            self.inquiry.ask(&self.text);
            self.asked_at = Some(now);
        }
        let mut rows = String::new();
        while let Some(part) = self.inquiry.try_next() {
            self.last_part.insert(part.node, now);
            for line in part.text.lines().filter(|line| is_object(line)) {
                rows.push_str(line);
                rows.push('\n');
            }
        }
        self.last_part.retain(|_, last| now.duration_since(*last) < GONE_AFTER);
        lines.extend(self.row_of_nodes(now));
        lines.push_str(&rows);
    }

    /// A row with the nodes that take part, if they are others than before.
    fn row_of_nodes(&mut self, now: Instant) -> Option<String> {
        let nodes: Vec<String> = self.last_part.keys().cloned().collect();
        let is_whole = self.inquiry.other_nodes() == u32::try_from(nodes.len()).ok();
        let is_due = match &self.shown {
            None => is_whole || now.duration_since(self.opened_at) >= FIRST_ROW_AFTER,
            Some(shown) => *shown != nodes,
        };
        if !is_due {
            return None;
        }
        let names: Vec<String> =
            std::iter::once(self.own_name.clone()).chain(nodes.iter().cloned()).collect();
        self.shown = Some(nodes);
        let row = json!({"at_ms": now_ms(), "kind": "nodes", "nodes": names});
        Some(format!("{row}\n"))
    }
}

/// Whether a line of another node is a row: any user of that Redis can send one.
fn is_object(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_object;

    #[test]
    fn a_line_of_another_node_is_an_object_or_dropped() {
        assert!(is_object(r#"{"kind":"trigger"}"#));
        for line in ["", "[1]", "{\"kind\":", "{} {}", "text"] {
            assert!(!is_object(line), "{line}");
        }
    }
}
