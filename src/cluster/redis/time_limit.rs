//! How long an answer of Redis may take before the link counts as broken.
//!
//! Pure. A link that is given up for one slow answer asks for the same answer again: a roster of 450 KB
//! takes two seconds over 2 Mbit/s, and with a fixed limit of one second the node would never connect.

use std::time::Duration;

/// The limit of the next link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeLimit {
    configured: Duration,
    /// A node that is silent for longer than its lease is given up by the others.
    most: Duration,
    now: Duration,
}

impl TimeLimit {
    pub(super) fn new(configured: Duration, most: Duration) -> Self {
        Self { configured, most: most.max(configured), now: configured }
    }

    pub(super) fn now(self) -> Duration {
        self.now
    }

    /// A link has ended after it served for so long. If an answer took too long, the next one may
    /// take twice the time; a link that served for ten times its limit shows that it need not.
    pub(super) fn ended(&mut self, timed_out: bool, served: Duration) {
        if served >= 10 * self.now {
            self.now = self.configured;
        } else if timed_out {
            self.now = (2 * self.now).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, TimeLimit};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_doubles_up_to_the_most_and_returns_after_a_link_that_served() {
        let mut limit = TimeLimit::new(SECOND, 4 * SECOND);
        for seconds in [1, 2, 4, 4] {
            assert_eq!(limit.now(), seconds * SECOND);
            limit.ended(true, SECOND);
        }
        limit.ended(false, 39 * SECOND);
        assert_eq!(limit.now(), 4 * SECOND, "another fault says nothing of time");
        limit.ended(true, 40 * SECOND);
        assert_eq!(limit.now(), SECOND);
    }

    #[test]
    fn what_is_configured_is_the_least() {
        let mut limit = TimeLimit::new(5 * SECOND, 4 * SECOND);
        limit.ended(true, SECOND);
        assert_eq!(limit.now(), 5 * SECOND);
    }
}
