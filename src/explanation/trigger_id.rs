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

impl fmt::Display for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::TriggerIds;

    #[test]
    fn an_id_is_drawn_once() {
        let ids = TriggerIds::new(u64::MAX);
        assert_eq!(ids.draw().to_string(), "ffffffffffffffff");
        assert_eq!(ids.draw().to_string(), "0000000000000000");
    }
}
