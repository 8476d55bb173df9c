//! Limits log lines that a peer can cause: the first of a kind is logged at once, the others of an
//! interval as one line with their count.
//!
//! Pure: the caller passes the time and writes the lines. A line for each occurrence would let a peer
//! write 100 MB a second into the log.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

/// Kinds that have a count of their own. A kind may hold text of a peer, so their number has a bound;
/// above it, occurrences of new kinds are counted together.
const KINDS_MAX: usize = 256;

/// The kinds that occurred in the current intervals.
#[derive(Debug)]
pub struct LogThrottle<K> {
    interval: Duration,
    kinds: IndexMap<K, Interval>,
    /// Of all kinds above [`KINDS_MAX`].
    others: Option<Interval>,
}

#[derive(Debug)]
struct Interval {
    since: Instant,
    /// Occurrences that were not logged.
    count: u64,
}

impl Interval {
    /// Begins the next interval if this one has ended; returns what was not logged in it.
    fn restart(&mut self, interval: Duration, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) < interval {
            return None;
        }
        self.since = now;
        Some(std::mem::take(&mut self.count))
    }
}

/// Occurrences of one kind that were not logged within an interval.
#[derive(Debug, PartialEq, Eq)]
pub struct Suppressed<K> {
    /// `None` for the kinds that were counted together.
    pub kind: Option<K>,
    /// How many lines the interval lacks.
    pub count: u64,
}

impl<K: Eq + Hash + Clone> LogThrottle<K> {
    /// A throttle that logs each kind at most once per `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, kinds: IndexMap::new(), others: None }
    }

    /// Counts an occurrence; true if it is to be logged now.
    pub fn admit<Q>(&mut self, kind: &Q, now: Instant) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        if let Some(interval) = self.kinds.get_mut(kind) {
            interval.count += 1;
            return false;
        }
        if self.kinds.len() >= KINDS_MAX {
            self.others.get_or_insert(Interval { since: now, count: 0 }).count += 1;
            return false;
        }
        self.kinds.insert(kind.to_owned(), Interval { since: now, count: 0 });
        true
    }

    /// Returns what was suppressed in the intervals that have ended. A kind that occurred again is
    /// returned once an interval; one that did not is forgotten.
    pub fn take_suppressed(&mut self, now: Instant) -> Vec<Suppressed<K>> {
        let mut suppressed = Vec::new();
        self.kinds.retain(|kind, interval| {
            let Some(count) = interval.restart(self.interval, now) else { return true };
            if count > 0 {
                suppressed.push(Suppressed { kind: Some(kind.clone()), count });
            }
            count > 0
        });
        let others = self.others.as_mut().and_then(|others| others.restart(self.interval, now));
        if let Some(count) = others {
            suppressed.push(Suppressed { kind: None, count });
            self.others = None;
        }
        suppressed
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{KINDS_MAX, LogThrottle, Suppressed};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_of_a_kind_is_logged_and_the_others_are_counted() {
        let (mut throttle, start) = (LogThrottle::new(SECOND), Instant::now());
        assert!(throttle.admit(&"a", start));
        assert!((0..9).all(|_| !throttle.admit(&"a", start)));
        assert!(throttle.admit(&"b", start), "another kind");
        assert_eq!(throttle.take_suppressed(start + SECOND / 2), []);
        let nine = Suppressed { kind: Some("a"), count: 9 };
        assert_eq!(throttle.take_suppressed(start + SECOND), [nine]);
        assert!(!throttle.admit(&"a", start + SECOND), "it occurs again: one line an interval");
        assert!(throttle.admit(&"b", start + SECOND), "it did not occur again");
        let one = Suppressed { kind: Some("a"), count: 1 };
        assert_eq!(throttle.take_suppressed(start + 2 * SECOND), [one]);
        assert_eq!(throttle.take_suppressed(start + 3 * SECOND), []);
        assert!(throttle.admit(&"a", start + 3 * SECOND));
    }

    #[test]
    fn kinds_above_the_bound_are_counted_together() {
        let (mut throttle, start) = (LogThrottle::new(SECOND), Instant::now());
        assert!((0..KINDS_MAX).all(|kind| throttle.admit(&kind, start)));
        assert!((0..5).all(|kind| !throttle.admit(&(KINDS_MAX + kind), start)));
        assert_eq!(throttle.take_suppressed(start + SECOND), [Suppressed { kind: None, count: 5 }]);
        assert!(throttle.admit(&KINDS_MAX, start + SECOND));
    }
}
