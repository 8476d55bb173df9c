//! Limits the log lines of a link that breaks again and again: each cause once, not each attempt.
//!
//! Pure: the caller passes the time and writes the lines.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A cause that recurs after a link has served is logged again, but not within this time: a Redis that
/// accepts and then refuses would fill the log with pairs of lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Causes that are logged in one outage. Some name an address, so their number needs a bound.
const CAUSES_MAX: usize = 16;

/// The lines that were logged since the last link served.
#[derive(Debug, Default)]
pub(crate) struct OutageLog {
    /// When each cause was logged.
    causes: HashMap<String, Instant>,
    /// The last line was that the link serves.
    is_over: bool,
}

impl OutageLog {
    /// Notes a link that ended or could not be made; true if its cause is to be logged.
    pub(crate) fn admit_failure(&mut self, cause: &str, now: Instant) -> bool {
        if self.is_over {
            self.causes.retain(|_, logged| now.duration_since(*logged) < INTERVAL);
        }
        if self.causes.contains_key(cause) || self.causes.len() >= CAUSES_MAX {
            return false;
        }
        self.causes.insert(cause.to_owned(), now);
        self.is_over = false;
        true
    }

    /// Notes a link that serves; true if that is to be logged.
    pub(crate) fn admit_recovery(&mut self) -> bool {
        !std::mem::replace(&mut self.is_over, true)
    }
}

#[cfg(test)]
mod tests {
    use super::{CAUSES_MAX, Duration, Instant, OutageLog};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_cause_is_logged_once_in_an_outage() {
        let (mut outage, start) = (OutageLog::default(), Instant::now());
        assert!(outage.admit_failure("refused", start));
        assert!(!outage.admit_failure("refused", start + SECOND));
        assert!(outage.admit_failure("loading", start + SECOND), "another cause");
        assert!(!outage.admit_failure("refused", start + 60 * SECOND), "the outage goes on");
        assert!(outage.admit_recovery());
        assert!(!outage.admit_recovery());
        assert!(outage.admit_failure("refused", start + 60 * SECOND), "another outage");
    }

    #[test]
    fn a_link_that_is_lost_as_soon_as_it_serves_writes_no_pairs_of_lines() {
        let (mut outage, start) = (OutageLog::default(), Instant::now());
        assert!(outage.admit_recovery(), "the first link");
        assert!(outage.admit_failure("cut off", start));
        assert!(outage.admit_recovery());
        for tenth in 1..100 {
            assert!(!outage.admit_failure("cut off", start + tenth * SECOND / 10));
            assert!(!outage.admit_recovery());
        }
        assert!(outage.admit_failure("cut off", start + 10 * SECOND));
    }

    #[test]
    fn the_number_of_causes_has_a_bound() {
        let (mut outage, now) = (OutageLog::default(), Instant::now());
        let logged = (0..99).filter(|cause| outage.admit_failure(&cause.to_string(), now));
        assert_eq!(logged.count(), CAUSES_MAX);
    }
}
