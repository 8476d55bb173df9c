//! What is logged of a link that breaks again and again: each cause once, not each attempt.
//!
//! Pure: the caller brings the time and writes the lines.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A cause that comes back after a link has served is logged again, but not within this time: a Redis
/// that accepts and then refuses would fill the log with pairs of lines.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Causes that are told apart in one outage. Some name an address, so that their number has a bound.
const CAUSES_MAX: usize = 16;

/// The lines that were logged.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// When each cause was logged.
    causes: HashMap<String, Instant>,
    /// Whether the last line was that the link serves.
    is_over: bool,
}

impl Outage {
    /// A link has ended, or was not made; true if this cause is to be logged.
    pub(super) fn failed(&mut self, cause: &str, now: Instant) -> bool {
        if self.is_over {
            self.causes.retain(|_, logged| now.duration_since(*logged) < BETWEEN_LINES);
        }
        if self.causes.contains_key(cause) || self.causes.len() >= CAUSES_MAX {
            return false;
        }
        self.causes.insert(cause.to_owned(), now);
        self.is_over = false;
        true
    }

    /// A link serves; true if that is to be logged.
    pub(super) fn ended(&mut self) -> bool {
        !std::mem::replace(&mut self.is_over, true)
    }
}

#[cfg(test)]
mod tests {
    use super::{CAUSES_MAX, Duration, Instant, Outage};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_cause_is_logged_once_in_an_outage() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert!(outage.failed("refused", start));
        assert!(!outage.failed("refused", start + SECOND));
        assert!(outage.failed("loading", start + SECOND), "another cause");
        assert!(!outage.failed("refused", start + 60 * SECOND), "the outage goes on");
        assert!(outage.ended());
        assert!(!outage.ended());
        assert!(outage.failed("refused", start + 60 * SECOND), "another outage");
    }

    #[test]
    fn a_link_that_is_lost_as_soon_as_it_serves_writes_no_pairs_of_lines() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert!(outage.ended(), "the first link");
        assert!(outage.failed("cut off", start));
        assert!(outage.ended());
        for tenth in 1..100 {
            assert!(!outage.failed("cut off", start + tenth * SECOND / 10));
            assert!(!outage.ended());
        }
        assert!(outage.failed("cut off", start + 10 * SECOND));
    }

    #[test]
    fn the_number_of_causes_has_a_bound() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        let logged = (0..99).filter(|cause| outage.failed(&cause.to_string(), now));
        assert_eq!(logged.count(), CAUSES_MAX);
    }
}
