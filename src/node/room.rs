//! How many sockets this process has file descriptors for.
//!
//! A descriptor that a socket takes is one less for back ends, health checks and Redis, so sockets
//! have a bound of their own below the limit of the process. Without a bound there is always room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the process counts as out of descriptors after the kernel refused one.
const EXHAUSTION: Duration = Duration::from_secs(5);

/// What is left for newcomers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacancy {
    /// There is room.
    Free,
    /// Nine of ten places are taken.
    Low,
    /// The next socket is refused.
    Full,
}

/// The bound on sockets, and whether the kernel has refused a descriptor lately.
pub struct Room {
    sockets_max: AtomicUsize,
    since: Instant,
    /// Milliseconds from `since` until the process no longer counts as out of descriptors.
    exhausted_until: AtomicU64,
}

impl Default for Room {
    fn default() -> Self {
        let (sockets_max, exhausted_until) = (AtomicUsize::new(usize::MAX), AtomicU64::new(0));
        Self { sockets_max, since: Instant::now(), exhausted_until }
    }
}

impl Room {
    /// From now on there may be `sockets_max` sockets.
    pub fn bound(&self, sockets_max: usize) {
        self.sockets_max.store(sockets_max, Ordering::Relaxed);
    }

    /// The kernel refused a descriptor: what was reserved is used up too.
    pub fn exhausted(&self, now: Instant) {
        let until = now.saturating_duration_since(self.since) + EXHAUSTION;
        self.exhausted_until.store(until.as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether one more socket has a place beside `sockets`.
    pub fn vacancy(&self, sockets: usize, now: Instant) -> Vacancy {
        let most = self.sockets_max.load(Ordering::Relaxed);
        let elapsed = now.saturating_duration_since(self.since).as_millis() as u64;
        if sockets >= most || elapsed < self.exhausted_until.load(Ordering::Relaxed) {
            Vacancy::Full
        } else if sockets >= most - most / 10 {
            Vacancy::Low
        } else {
            Vacancy::Free
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, EXHAUSTION, Instant, Room, Vacancy};

    #[test]
    fn the_last_tenth_is_low_and_the_bound_is_full() {
        let (room, now) = (Room::default(), Instant::now());
        assert_eq!(room.vacancy(10_000_000, now), Vacancy::Free, "no bound was set");
        room.bound(100);
        for (sockets, vacancy) in
            [(89, Vacancy::Free), (90, Vacancy::Low), (99, Vacancy::Low), (100, Vacancy::Full)]
        {
            assert_eq!(room.vacancy(sockets, now), vacancy, "{sockets} sockets");
        }
    }

    #[test]
    fn a_refused_descriptor_counts_for_a_while() {
        let room = Room::default();
        let now = room.since + Duration::from_secs(60);
        room.exhausted(now);
        assert_eq!(room.vacancy(0, now), Vacancy::Full);
        assert_eq!(room.vacancy(0, now + EXHAUSTION), Vacancy::Free);
    }
}
