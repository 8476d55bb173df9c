//! Log lines that repeat: the first of a kind is logged at once, the others of an interval as one line
//! with their number.
//!
//! Pure: the caller brings the time and writes the lines. For what a peer can cause as often as it
//! likes: a line for each would be a log that the peer writes, 100 MB a second of it.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

/// Kinds that are told apart. A kind may hold text from outside, so their number has a bound; above
/// it, occurrences of new kinds are counted together.
const KINDS_MAX: usize = 256;

/// What happened of late, by kind.
#[derive(Debug)]
pub struct Repeats<K> {
    interval: Duration,
    kinds: IndexMap<K, Kind>,
    /// All kinds for which there was no room.
    others: Option<Kind>,
}

#[derive(Debug)]
struct Kind {
    since: Instant,
    /// Occurrences that were not logged.
    count: u64,
}

impl Kind {
    /// At the end of an interval, what was not logged in it; the next interval begins.
    fn ended(&mut self, interval: Duration, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) < interval {
            return None;
        }
        self.since = now;
        Some(std::mem::take(&mut self.count))
    }
}

/// What is to be logged of an interval that has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Repeated<K> {
    /// `None` for all kinds for which there was no room.
    pub kind: Option<K>,
    /// How often it happened beyond what was logged.
    pub count: u64,
}

impl<K: Eq + Hash + Clone> Repeats<K> {
    /// Nothing happened yet.
    pub fn new(interval: Duration) -> Self {
        Self { interval, kinds: IndexMap::new(), others: None }
    }

    /// Something happened; true if it is to be logged now.
    pub fn note<Q>(&mut self, kind: &Q, now: Instant) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        if let Some(known) = self.kinds.get_mut(kind) {
            known.count += 1;
            return false;
        }
        if self.kinds.len() >= KINDS_MAX {
            self.others.get_or_insert(Kind { since: now, count: 0 }).count += 1;
            return false;
        }
        self.kinds.insert(kind.to_owned(), Kind { since: now, count: 0 });
        true
    }

    /// What has repeated within intervals that have ended. A kind that goes on is logged once an
    /// interval; one that did not repeat is forgotten.
    pub fn ended(&mut self, now: Instant) -> Vec<Repeated<K>> {
        let mut ended = Vec::new();
        self.kinds.retain(|kind, known| {
            let Some(count) = known.ended(self.interval, now) else { return true };
            if count > 0 {
                ended.push(Repeated { kind: Some(kind.clone()), count });
            }
            count > 0
        });
        if let Some(count) =
            self.others.as_mut().and_then(|others| others.ended(self.interval, now))
        {
            ended.push(Repeated { kind: None, count });
            self.others = None;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{KINDS_MAX, Repeated, Repeats};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_is_logged_and_the_others_are_counted() {
        let (mut repeats, start) = (Repeats::new(SECOND), Instant::now());
        assert!(repeats.note(&"a", start));
        assert!((0..9).all(|_| !repeats.note(&"a", start)));
        assert!(repeats.note(&"b", start), "another kind");
        assert_eq!(repeats.ended(start + SECOND / 2), []);
        let nine = Repeated { kind: Some("a"), count: 9 };
        assert_eq!(repeats.ended(start + SECOND), [nine]);
        assert!(!repeats.note(&"a", start + SECOND), "it goes on: one line an interval");
        assert!(repeats.note(&"b", start + SECOND), "it did not repeat");
        let one = Repeated { kind: Some("a"), count: 1 };
        assert_eq!(repeats.ended(start + 2 * SECOND), [one]);
        assert_eq!(repeats.ended(start + 3 * SECOND), []);
        assert!(repeats.note(&"a", start + 3 * SECOND));
    }

    #[test]
    fn kinds_without_room_are_counted_together() {
        let (mut repeats, start) = (Repeats::new(SECOND), Instant::now());
        assert!((0..KINDS_MAX).all(|kind| repeats.note(&kind, start)));
        assert!((0..5).all(|kind| !repeats.note(&(KINDS_MAX + kind), start)));
        assert_eq!(repeats.ended(start + SECOND), [Repeated { kind: None, count: 5 }]);
        assert!(repeats.note(&KINDS_MAX, start + SECOND));
    }
}
