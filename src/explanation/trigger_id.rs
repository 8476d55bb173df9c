//! The id of a trigger: by it an answer to a back end, a line of the log and a row of the tail are recognized as
//! one event.
//!
//! An id is drawn when something is written about an event, so a trigger of which nothing is written costs none.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Identifies an event that a back end triggered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TriggerId(u64);

/// The ids of one app on one node, counted from a random number, so that no other app or node has the same.
#[derive(Debug)]
pub struct TriggerIds(AtomicU64);

impl TriggerIds {
    /// Ids from a random number on.
    pub fn new(random: u64) -> Self {
        Self(AtomicU64::new(random))
    }

    /// An id that was not drawn before.
    pub fn draw(&self) -> TriggerId {
        TriggerId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl TriggerId {
    /// Reads an id as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        let is_written = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_written.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{TriggerId, TriggerIds};

    #[test]
    fn an_id_is_drawn_once() {
        let ids = TriggerIds::new(u64::MAX);
        assert_eq!(ids.draw().to_string(), "ffffffffffffffff");
        assert_eq!(ids.draw().to_string(), "0000000000000000");
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = TriggerIds::new(0xab12).draw();
        assert_eq!(TriggerId::parse("000000000000ab12"), Some(id));
        for text in ["", "ab12", "+00000000000ab12", "000000000000ab1g", "0000000000000ab12"] {
            assert_eq!(TriggerId::parse(text), None, "{text}");
        }
    }
}
