//! What this node knows of each Redis of `cluster.urls`, and which of them has each partition by that.
//!
//! Pure but for the lock: the keepers write what they find, and the links read where they lead. A partition is where its
//! Redis says: each Redis has the number of those in use, which only its nodes change, all at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::placement::dealt_out;
use crate::cluster::PartitionPlace;

/// For how long all other nodes have to name another Redis: one that has lost its data gets a new name, which they read
/// and write within two exchanges.
const DIFFERS_FOR: Duration = Duration::from_secs(15);

/// The places of all partitions.
pub(super) struct Board {
    /// By the number of Redis in use, beginning with one: the place of each partition.
    tables: Vec<Vec<usize>>,
    found: Mutex<Vec<Found>>,
    places: Vec<watch::Sender<PartitionPlace>>,
    /// Each Redis was asked once, or could not be.
    all_looked: CancellationToken,
}

/// What is known of one Redis.
#[derive(Default)]
struct Found {
    has_looked: bool,
    /// How many Redis are in use by the nodes there, as far as that is known.
    used: Option<u32>,
    /// The nodes there let this one take part.
    takes_part: bool,
    /// Why this node does not take part.
    cause: Option<Arc<str>>,
    /// Its own name, which it draws once.
    name: Option<String>,
    /// Since when other nodes have another name for it.
    differs_since: Option<Instant>,
}

impl Board {
    pub(super) fn new(partitions: u32, urls: u32) -> Self {
        let tables: Vec<_> = (1..=urls).map(|urls| dealt_out(partitions, urls)).collect();
        let first = tables.last().into_iter().flatten();
        let places =
            first.map(|&url| watch::Sender::new(PartitionPlace::Closed { url, cause: None }));
        Self {
            places: places.collect(),
            tables,
            found: Mutex::new((0..urls).map(|_| Found::default()).collect()),
            all_looked: CancellationToken::new(),
        }
    }

    /// Where the link of a partition leads.
    pub(super) fn place_of(&self, partition: usize) -> watch::Receiver<PartitionPlace> {
        self.places[partition].subscribe()
    }

    /// The Redis in use, the smallest number of all that are known.
    pub(super) fn used(&self) -> Option<u32> {
        self.found.lock().iter().filter_map(|found| found.used).min()
    }

    /// A Redis was asked before this node takes part there; `used` is what it has.
    pub(super) fn looked(&self, url: usize, used: Option<u32>) {
        let mut found = self.found.lock();
        let first = !std::mem::replace(&mut found[url].has_looked, true);
        if first {
            found[url].used = used.filter(|used| (1..=self.urls()).contains(used));
        }
        if found.iter().all(|found| found.has_looked) {
            self.all_looked.cancel();
        }
    }

    /// Resolves once each Redis was asked, or could not be.
    pub(super) async fn all_looked(&self) {
        self.all_looked.cancelled().await;
    }

    /// How many Redis this node would begin to use at one where there is no number.
    pub(super) fn proposed(&self, url: usize) -> u32 {
        let found = self.found.lock();
        let all = found.iter().filter_map(|found| found.used).min();
        found[url].used.or(all).unwrap_or(self.urls())
    }

    /// This node takes part at a Redis, whose nodes use so many.
    pub(super) fn admitted(&self, url: usize, used: u32) {
        let mut found = self.found.lock();
        let found_there = &mut found[url];
        found_there.used = Some(used.clamp(1, self.urls()));
        found_there.takes_part = true;
        if found_there.differs_since.is_none() {
            found_there.cause = None;
        }
        self.publish(&found);
    }

    /// This node cannot take part at a Redis.
    pub(super) fn refused(&self, url: usize, cause: &str) {
        let mut found = self.found.lock();
        found[url].cause = Some(cause.into());
        self.publish(&found);
    }

    /// A Redis does not answer. Links that were there try by themselves.
    pub(super) fn unreachable(&self, url: usize, cause: &str) {
        let mut found = self.found.lock();
        if !found[url].takes_part {
            found[url].cause = Some(cause.into());
            self.publish(&found);
        }
    }

    /// Whether this node takes part at a Redis.
    pub(super) fn takes_part(&self, url: usize) -> bool {
        let found = &self.found.lock()[url];
        found.takes_part && found.cause.is_none()
    }

    /// The names of all Redis as this node has them, with `-` for one that it has not read.
    pub(super) fn names(&self) -> String {
        let found = self.found.lock();
        let names: Vec<&str> =
            found.iter().map(|found| found.name.as_deref().unwrap_or("-")).collect();
        names.join(" ")
    }

    /// A Redis has this name.
    pub(super) fn named(&self, url: usize, name: String) {
        self.found.lock()[url].name = Some(name);
    }

    /// Another node has these names. Returns the place for which this node has another one than all others, for long.
    pub(super) fn compared(&self, names: &str, now: Instant) -> Option<usize> {
        let mut found = self.found.lock();
        let mut differs = None;
        for (at, (found, other)) in found.iter_mut().zip(names.split(' ')).enumerate() {
            match found.name.as_deref() {
                Some(own) if other != "-" && own != other => {
                    let since = *found.differs_since.get_or_insert(now);
                    if now.duration_since(since) >= DIFFERS_FOR {
                        differs = Some(at);
                    }
                }
                Some(_) if other != "-" => found.differs_since = None,
                _ => {}
            }
        }
        differs
    }

    fn urls(&self) -> u32 {
        u32::try_from(self.tables.len()).unwrap_or(u32::MAX)
    }

    fn publish(&self, found: &[Found]) {
        for (partition, sender) in self.places.iter().enumerate() {
            let place = self.place(partition, found);
            sender.send_if_modified(|known| {
                let is_new = *known != place;
                *known = place;
                is_new
            });
        }
    }

    /// Follows a partition from one Redis to the next: where it is with the number in use there.
    fn place(&self, partition: usize, found: &[Found]) -> PartitionPlace {
        let mut used = found.iter().filter_map(|found| found.used).min().unwrap_or(self.urls());
        loop {
            let url = self.tables[used as usize - 1][partition];
            match found[url].used {
                Some(there) if there > used => used = there,
                Some(_) if found[url].takes_part && found[url].cause.is_none() => {
                    return PartitionPlace::At(url);
                }
                _ => return PartitionPlace::Closed { url, cause: found[url].cause.clone() },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, DIFFERS_FOR, Instant, PartitionPlace};

    fn places(board: &Board) -> Vec<PartitionPlace> {
        board.places.iter().map(|place| place.borrow().clone()).collect()
    }

    #[test]
    fn a_redis_that_is_away_closes_its_own_partitions() {
        let board = Board::new(4, 2);
        for url in 0..2 {
            board.looked(url, None);
        }
        assert_eq!(board.proposed(1), 2, "nothing is known");
        board.admitted(1, 2);
        board.unreachable(0, "refused");
        let closed = PartitionPlace::Closed { url: 0, cause: Some("refused".into()) };
        assert_eq!(
            places(&board),
            [closed.clone(), closed, PartitionPlace::At(1), PartitionPlace::At(1)]
        );
        board.admitted(0, 2);
        board.unreachable(0, "refused");
        assert_eq!(places(&board)[0], PartitionPlace::At(0), "its links try by themselves");
    }

    #[test]
    fn partitions_move_when_the_nodes_at_their_redis_do() {
        let board = Board::new(4, 2);
        board.looked(0, Some(1));
        board.looked(1, None);
        assert_eq!(board.proposed(1), 1, "what the first has");
        board.admitted(0, 1);
        board.admitted(1, 1);
        assert_eq!(places(&board), [0, 0, 0, 0].map(PartitionPlace::At));
        board.admitted(1, 2);
        assert_eq!(places(&board), [0, 0, 0, 0].map(PartitionPlace::At), "decided at the first");
        board.admitted(0, 2);
        assert_eq!(places(&board), [0, 0, 1, 1].map(PartitionPlace::At));
        board.refused(1, "other urls");
        let closed = PartitionPlace::Closed { url: 1, cause: Some("other urls".into()) };
        assert_eq!(places(&board)[3], closed);
    }

    #[test]
    fn another_redis_at_the_same_place_is_found_if_no_node_has_the_same() {
        let now = Instant::now();
        let later = now + DIFFERS_FOR;
        let board = Board::new(2, 2);
        board.named(0, "a".to_owned());
        board.named(1, "b".to_owned());
        assert_eq!(board.names(), "a b");
        assert_eq!(board.compared("a c", now), None, "it may have lost its data");
        assert_eq!(board.compared("a -", later), None);
        assert_eq!(board.compared("a c", later), Some(1));
        assert_eq!(board.compared("a b", later), None, "another node agrees");
        assert_eq!(board.compared("a c", later), None);
    }
}
