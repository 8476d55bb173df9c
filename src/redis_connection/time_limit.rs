//! How long an answer of Redis may take before the link counts as broken.
//!
//! Pure. The limit grows with each link that it broke: the next link requests the same answer again. A
//! roster of 450 KB takes two seconds over 2 Mbit/s, and with a fixed limit of one second the node
//! would never connect.

use std::time::Duration;

/// The limit of the next link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    configured: Duration,
    /// Below the lease, after which the other nodes remove a node without a heartbeat.
    max: Duration,
    current: Duration,
}

impl TimeLimit {
    pub(crate) fn new(configured: Duration, max: Duration) -> Self {
        Self { configured, max: max.max(configured), current: configured }
    }

    pub(crate) fn current(self) -> Duration {
        self.current
    }

    /// Adapts the limit after a link that served for this long. If an answer timed out, the limit
    /// doubles; a link that served for ten times the limit shows that the configured one suffices.
    pub(crate) fn link_ended(&mut self, is_timeout: bool, served: Duration) {
        if served >= 10 * self.current {
            self.current = self.configured;
        } else if is_timeout {
            self.current = (2 * self.current).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, TimeLimit};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_limit_doubles_up_to_its_maximum_and_returns_after_a_link_that_served() {
        let mut limit = TimeLimit::new(SECOND, 4 * SECOND);
        for seconds in [1, 2, 4, 4] {
            assert_eq!(limit.current(), seconds * SECOND);
            limit.link_ended(true, SECOND);
        }
        limit.link_ended(false, 39 * SECOND);
        assert_eq!(limit.current(), 4 * SECOND, "a failure other than a time-out changes nothing");
        limit.link_ended(true, 40 * SECOND);
        assert_eq!(limit.current(), SECOND);
    }

    #[test]
    fn the_limit_is_never_below_the_configured_one() {
        let mut limit = TimeLimit::new(5 * SECOND, 4 * SECOND);
        limit.link_ended(true, SECOND);
        assert_eq!(limit.current(), 5 * SECOND);
    }
}
