//! Rate limits of one socket: a token bucket, and Reverb's fixed window.
//!
//! The time is an argument; what happens above a limit is decided by the session.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::app::MessageRate;

/// The size and the refill interval of a [`TokenBucket`].
#[derive(Debug, Clone, Copy)]
pub struct TokenRate {
    /// The time in which one token is refilled.
    interval: Duration,
    /// The time in which an empty bucket is refilled.
    refill: Duration,
}

/// The limit of messages that reach no other client, that is all but relayed client events: 20 000 at
/// once, then 200 a second. More is a flood.
///
/// A page sends a few hundred when it loads, then one every few seconds; a client that subscribes to
/// ten times the allowed channels also stays below. 20 000 messages cost the server some 30 ms, and 200
/// a second 0.03 % of a core.
pub const FLOOD_RATE: TokenRate =
    TokenRate { interval: Duration::from_millis(5), refill: Duration::from_secs(100) };

impl TokenRate {
    /// `count` at once, then `count` a second; at least 1.
    pub fn per_second(count: u32) -> Self {
        // The nanosecond makes up for the remainder of the division.
        let refill = Duration::from_secs(1) + Duration::from_nanos(1);
        Self { interval: Duration::from_secs(1) / count.max(1), refill }
    }
}

/// A token bucket without a timer: it stores when it will be full again (GCRA).
#[derive(Debug, Clone, Default)]
pub struct TokenBucket {
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// Takes one token; false if there is none.
    pub fn allow(&mut self, rate: TokenRate, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + rate.interval;
        let is_allowed = full_at - now <= rate.refill;
        if is_allowed {
            self.full_at = Some(full_at);
        }
        is_allowed
    }
}

/// A [`TokenBucket`] that several threads share, without a lock: an empty one costs one relaxed load.
#[derive(Debug)]
pub struct AtomicTokenBucket {
    rate: TokenRate,
    start: Instant,
    /// When it is full again, in nanoseconds since `start`.
    full_at: AtomicU64,
}

impl AtomicTokenBucket {
    /// A bucket that is full now.
    pub fn new(rate: TokenRate, now: Instant) -> Self {
        Self { rate, start: now, full_at: AtomicU64::new(0) }
    }

    /// Takes one token; false if there is none.
    pub fn allow(&self, now: Instant) -> bool {
        let now = nanos(now.saturating_duration_since(self.start));
        let (interval, refill) = (nanos(self.rate.interval), nanos(self.rate.refill));
        let take = |full_at: u64| {
            let full_at = full_at.max(now) + interval;
            (full_at - now <= refill).then_some(full_at)
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// Enough for 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Reverb's fixed window over all messages.
#[derive(Debug, Clone, Default)]
pub struct FixedWindow {
    since: Option<Instant>,
    count: u32,
}

impl FixedWindow {
    /// Counts one message; false if the window is full.
    pub fn allow(&mut self, rate: MessageRate, now: Instant) -> bool {
        let is_running = self.since.is_some_and(|since| now.duration_since(since) < rate.decay);
        if !is_running {
            self.since = Some(now);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count <= rate.max_attempts
    }
}

#[cfg(test)]
mod tests {
    use super::{AtomicTokenBucket, FLOOD_RATE, FixedWindow, TokenBucket, TokenRate};
    use crate::app::MessageRate;
    use std::time::{Duration, Instant};

    #[test]
    fn a_second_holds_exactly_its_tokens() {
        for rate in [1, 3, 7, 10, 1000] {
            let (mut bucket, start) = (TokenBucket::default(), Instant::now());
            let limit = TokenRate::per_second(rate);
            let at_once = (0..2 * rate).filter(|_| bucket.allow(limit, start)).count();
            assert_eq!(at_once, rate as usize, "{rate} a second");
            let later = start + Duration::from_secs(1);
            assert!(bucket.allow(limit, later), "a second later there is a token");
        }
    }

    #[test]
    fn tokens_are_refilled_one_by_one() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        let limit = TokenRate::per_second(10);
        assert!((0..10).all(|_| bucket.allow(limit, start)));
        let soon = start + Duration::from_millis(101);
        assert!(bucket.allow(limit, soon));
        assert!(!bucket.allow(limit, soon));
    }

    #[test]
    fn an_atomic_bucket_equals_one_of_a_single_thread() {
        for rate in [1, 3, 100, 10_000] {
            let limit = TokenRate::per_second(rate);
            let (shared, mut alone) =
                (AtomicTokenBucket::new(limit, Instant::now()), TokenBucket::default());
            for step in 0..3000 {
                let now = shared.start + Duration::from_micros(step * step / 7);
                assert_eq!(shared.allow(now), alone.allow(limit, now), "{rate} a second, {step}");
            }
        }
    }

    #[test]
    fn threads_take_each_token_of_an_atomic_bucket_once() {
        let bucket = AtomicTokenBucket::new(TokenRate::per_second(1000), Instant::now());
        let take = || (0..1000).filter(|_| bucket.allow(bucket.start)).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads = [scope.spawn(take), scope.spawn(take)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn the_flood_rate_allows_a_burst_and_then_a_rate() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        assert!((0..20_000).all(|_| bucket.allow(FLOOD_RATE, start)));
        assert!(!bucket.allow(FLOOD_RATE, start));
        let later = start + Duration::from_secs(1);
        assert!((0..200).all(|_| bucket.allow(FLOOD_RATE, later)));
        assert!(!bucket.allow(FLOOD_RATE, later));
    }

    #[test]
    fn a_window_counts_refused_messages_and_ends_after_its_decay() {
        let decay = Duration::from_secs(60);
        let rate = MessageRate { max_attempts: 3, decay, terminate_on_limit: false };
        let (mut window, start) = (FixedWindow::default(), Instant::now());
        let allowed: Vec<bool> = (0..5).map(|_| window.allow(rate, start)).collect();
        assert_eq!(allowed, [true, true, true, false, false]);
        assert!(!window.allow(rate, start + Duration::from_secs(59)));
        assert!(window.allow(rate, start + decay));
    }
}
