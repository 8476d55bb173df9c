//! How far this node may trust the directory, and its heartbeats.
//!
//! Another Redis process may lack the last writes (a failover) or all of them; a changed epoch shows that all
//! are gone. Until every node has sent its state again, for which a lease is enough, a user who is missing in
//! the directory counts as present.

use std::time::{Duration, Instant};

use crate::cluster::directory::RedisIdentity;

/// How far the directory can be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DirectoryTrust {
    /// It may lack what other nodes have.
    pub(super) may_be_partial: bool,
    /// It lost its data, so it takes for new what nodes send again.
    pub(super) was_wiped: bool,
}

/// What this node remembers of the directory.
pub(super) struct DirectoryHealth {
    lease: Duration,
    redis: Option<RedisIdentity>,
    partial_until: Option<Instant>,
    wiped_until: Option<Instant>,
    /// The process has changed, and it is not proven yet that this one has the data of the last.
    is_unproven: bool,
}

impl DirectoryHealth {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, redis: None, partial_until: None, wiped_until: None, is_unproven: false }
    }

    /// A link is up. Returns whether data was lost since the last one.
    pub(super) fn connected(&mut self, redis: RedisIdentity, now: Instant) -> bool {
        let mut lost = false;
        if let Some(before) = &self.redis {
            let until = Some(now + self.lease);
            lost = before.epoch != redis.epoch;
            if before.run != redis.run {
                (self.partial_until, self.is_unproven) = (until, true);
            }
            if lost {
                (self.partial_until, self.wiped_until) = (until, until);
                self.is_unproven = false;
            }
        }
        self.redis = Some(redis);
        lost
    }

    /// The epoch for which this process has to prove that it has the data of the last one.
    pub(super) fn unproven_epoch(&self) -> Option<&str> {
        self.redis.as_ref().filter(|_| self.is_unproven).map(|redis| &*redis.epoch)
    }

    /// The epoch that a heartbeat was answered with. Returns whether data was lost.
    pub(super) fn confirm_epoch(&mut self, epoch: &str, now: Instant) -> bool {
        self.is_unproven = false;
        let Some(redis) = self.redis.as_mut().filter(|redis| redis.epoch != epoch) else {
            return false;
        };
        epoch.clone_into(&mut redis.epoch);
        let until = Some(now + self.lease);
        (self.partial_until, self.wiped_until) = (until, until);
        true
    }

    pub(super) fn trust(&self, now: Instant) -> DirectoryTrust {
        let is_before = |until: Option<Instant>| until.is_some_and(|until| now < until);
        DirectoryTrust {
            may_be_partial: is_before(self.partial_until),
            was_wiped: is_before(self.wiped_until),
        }
    }

    /// True once, when every node has sent its state again.
    pub(super) fn is_complete_again(&mut self, now: Instant) -> bool {
        self.partial_until.take_if(|until| *until <= now).is_some()
    }
}

/// Within which time of each other the nodes find a Redis that is back: they try again every 200 ms, and a beginning takes
/// them some round trips.
pub(super) const NODES_RETURN: Duration = Duration::from_millis(500);

/// How long after the first heartbeat of a link the second one is due at the latest. The first count lacks the nodes that
/// come later: by it this node paces what it sends again.
const SECOND_COUNT: Duration = NODES_RETURN;

/// When this node renews its lease, and the live nodes of the last answer.
pub(super) struct Heartbeat {
    interval: Duration,
    due_at: Instant,
    /// One was answered on this link.
    is_confirmed: bool,
    /// Live nodes, this one included; 0 without Redis.
    pub(super) live_nodes: u32,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, due_at: now, is_confirmed: false, live_nodes: 0 }
    }

    /// The next one is due after the interval, or sooner behind the first of a link.
    pub(super) fn sent(&mut self, now: Instant) {
        self.due_at = now + self.next_interval();
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due_at
    }

    /// An answer arrived. Returns whether it is not the first of this link.
    pub(super) fn answered(&mut self, live_nodes: u32, now: Instant) -> bool {
        self.live_nodes = live_nodes;
        self.due_at = self.due_at.min(now + self.next_interval());
        std::mem::replace(&mut self.is_confirmed, true)
    }

    fn next_interval(&self) -> Duration {
        if self.is_confirmed { self.interval } else { self.interval.min(SECOND_COUNT) }
    }

    pub(super) fn link_lost(&mut self) {
        (self.live_nodes, self.is_confirmed) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{DirectoryHealth, DirectoryTrust, Heartbeat, RedisIdentity, SECOND_COUNT};

    const LEASE: Duration = Duration::from_secs(5);

    fn identity(run: &str, epoch: &str) -> RedisIdentity {
        RedisIdentity { run: run.into(), epoch: epoch.into() }
    }

    fn after_a_second_link(run: &str, epoch: &str, trust: (bool, bool)) {
        let (mut health, now) = (DirectoryHealth::new(LEASE), Instant::now());
        health.connected(identity("a", "1"), now);
        assert_eq!(health.trust(now), DirectoryTrust::default());
        health.connected(identity(run, epoch), now);
        let (may_be_partial, was_wiped) = trust;
        assert_eq!(
            health.trust(now),
            DirectoryTrust { may_be_partial, was_wiped },
            "{run} {epoch}"
        );
        assert_eq!(health.trust(now + LEASE), DirectoryTrust::default());
        assert_eq!(health.is_complete_again(now + LEASE), may_be_partial);
        assert!(!health.is_complete_again(now + LEASE), "once");
    }

    #[test]
    fn another_process_may_be_partial_and_another_epoch_was_wiped() {
        after_a_second_link("a", "1", (false, false));
        after_a_second_link("b", "1", (true, false));
        after_a_second_link("b", "2", (true, true));
        after_a_second_link("a", "2", (true, true));
    }

    #[test]
    fn another_process_has_to_prove_that_it_has_the_data() {
        let (mut health, now) = (DirectoryHealth::new(LEASE), Instant::now());
        assert!(!health.connected(identity("a", "1"), now), "the first has lost nothing");
        assert_eq!(health.unproven_epoch(), None);
        assert!(!health.connected(identity("b", "1"), now));
        assert!(!health.connected(identity("b", "1"), now), "the link broke before the proof");
        assert_eq!(health.unproven_epoch(), Some("1"));
        health.confirm_epoch("1", now);
        assert_eq!(health.unproven_epoch(), None);
        assert!(health.connected(identity("c", "2"), now));
        assert_eq!(health.unproven_epoch(), None, "other data needs no proof");
    }

    #[test]
    fn data_lost_while_the_link_is_up_is_reported_once() {
        let (mut health, now) = (DirectoryHealth::new(LEASE), Instant::now());
        health.connected(identity("a", "1"), now);
        assert!(!health.confirm_epoch("1", now));
        assert!(health.confirm_epoch("2", now));
        assert!(!health.confirm_epoch("2", now));
        assert!(health.trust(now).was_wiped);
    }

    /// What is due after heartbeats that were sent and answered at these times of one link.
    fn due_after_beats(interval: Duration, count: u32) -> Duration {
        let start = Instant::now();
        let (mut heartbeat, mut now) = (Heartbeat::new(interval, start), start);
        for _ in 1..count {
            heartbeat.sent(now);
            heartbeat.answered(1, now);
            now = heartbeat.due_at;
        }
        heartbeat.sent(now);
        heartbeat.answered(1, now);
        heartbeat.due_at - now
    }

    #[test]
    fn nodes_that_come_late_are_counted_soon_and_then_at_the_interval() {
        let (short, long) = (SECOND_COUNT / 2, 6 * SECOND_COUNT);
        for (interval, count, due) in
            [(long, 1, SECOND_COUNT), (long, 2, long), (short, 1, short), (short, 2, short)]
        {
            assert_eq!(due_after_beats(interval, count), due, "{interval:?}, {count}");
        }
    }

    #[test]
    fn each_link_begins_with_a_count_that_is_soon_repeated() {
        let (interval, now) = (6 * SECOND_COUNT, Instant::now());
        let mut heartbeat = Heartbeat::new(interval, now);
        for _ in 0..2 {
            heartbeat.sent(now);
            assert!(!heartbeat.answered(1, now));
            assert!(heartbeat.is_due(now + SECOND_COUNT));
            heartbeat.sent(now);
            assert!(heartbeat.answered(1, now) && !heartbeat.is_due(now + SECOND_COUNT));
            heartbeat.link_lost();
        }
    }
}
