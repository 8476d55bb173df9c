//! How many sockets this process has file descriptors for.
//!
//! A descriptor of a socket is one less for back ends, health checks and Redis, so sockets have a bound
//! of their own below the limit of the process. The server sets the bound; without one there is always
//! capacity.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the process counts as out of descriptors after the kernel refused one.
const EXHAUSTION: Duration = Duration::from_secs(5);

/// What is left for further sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// More than a tenth of the bound.
    Ample,
    /// At most a tenth of the bound.
    Low,
    /// Nothing: the next socket is refused.
    Exhausted,
}

/// The bound on sockets, and whether the kernel has refused a descriptor lately.
pub struct SocketCapacity {
    sockets_max: AtomicUsize,
    since: Instant,
    /// Milliseconds from `since` until the process no longer counts as out of descriptors.
    exhausted_until: AtomicU64,
}

impl Default for SocketCapacity {
    fn default() -> Self {
        let (sockets_max, exhausted_until) = (AtomicUsize::new(usize::MAX), AtomicU64::new(0));
        Self { sockets_max, since: Instant::now(), exhausted_until }
    }
}

impl SocketCapacity {
    /// Sets the bound.
    pub fn set_max(&self, sockets_max: usize) {
        self.sockets_max.store(sockets_max, Ordering::Relaxed);
    }

    /// The kernel refused a descriptor: those that are reserved for other connections are in use too.
    pub fn record_exhaustion(&self, now: Instant) {
        let until = now.saturating_duration_since(self.since) + EXHAUSTION;
        self.exhausted_until.store(until.as_millis() as u64, Ordering::Relaxed);
    }

    /// What is left beside `sockets` open ones.
    pub fn availability(&self, sockets: usize, now: Instant) -> Availability {
        let sockets_max = self.sockets_max.load(Ordering::Relaxed);
        let elapsed = now.saturating_duration_since(self.since).as_millis() as u64;
        if sockets >= sockets_max || elapsed < self.exhausted_until.load(Ordering::Relaxed) {
            Availability::Exhausted
        } else if sockets >= sockets_max - sockets_max / 10 {
            Availability::Low
        } else {
            Availability::Ample
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Availability, Duration, EXHAUSTION, Instant, SocketCapacity};

    #[test]
    fn the_last_tenth_is_low_and_the_bound_is_exhausted() {
        let (capacity, now) = (SocketCapacity::default(), Instant::now());
        assert_eq!(capacity.availability(10_000_000, now), Availability::Ample, "no bound was set");
        capacity.set_max(100);
        for (sockets, expected) in [
            (89, Availability::Ample),
            (90, Availability::Low),
            (99, Availability::Low),
            (100, Availability::Exhausted),
        ] {
            assert_eq!(capacity.availability(sockets, now), expected, "{sockets} sockets");
        }
    }

    #[test]
    fn a_refused_descriptor_counts_for_a_while() {
        let capacity = SocketCapacity::default();
        let now = capacity.since + Duration::from_secs(60);
        capacity.record_exhaustion(now);
        assert_eq!(capacity.availability(0, now), Availability::Exhausted);
        assert_eq!(capacity.availability(0, now + EXHAUSTION), Availability::Ample);
    }
}
