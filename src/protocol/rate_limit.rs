//! How often one socket may do something. Pure: the caller brings the time.

use std::time::{Duration, Instant};

use crate::app::MessageRate;

/// A token bucket of one second's worth: `n` at once, then `n` a second.
///
/// Kept as the one instant at which the bucket would be full again (GCRA): 32 bytes, no timer.
#[derive(Debug, Clone)]
pub struct PerSecond {
    interval: Duration,
    full_at: Option<Instant>,
}

impl PerSecond {
    /// A limit of `per_second` (at least 1).
    pub fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), full_at: None }
    }

    /// Takes one token; false when there is none.
    pub fn allow(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + self.interval;
        // A whole bucket may be borrowed, never more; the nanosecond forgives the division's rest.
        let allowed = full_at - now <= Duration::from_secs(1) + Duration::from_nanos(1);
        if allowed {
            self.full_at = Some(full_at);
        }
        allowed
    }
}

/// Recognises a client that floods: of the messages that reach no other client (all but relayed
/// client events, which have their own limit) it may send [`FLOOD_BURST`] at once, then
/// [`FLOOD_PER_SECOND`].
///
/// A page needs a few hundred at its start and one every few seconds later; a client that subscribes
/// to ten times the allowed channels stays below, too. At the limit a flood takes 0.1 % of a core.
#[derive(Debug, Clone, Default)]
pub struct Flood {
    /// When the allowance is whole again.
    full_at: Option<Instant>,
}

/// Messages at once; they cost the server some 30 ms.
pub const FLOOD_BURST: u32 = 20_000;

/// Messages a second in the long run.
pub const FLOOD_PER_SECOND: u32 = 200;

impl Flood {
    /// Counts one message; false when the client floods.
    pub fn allow(&mut self, now: Instant) -> bool {
        let interval = Duration::from_secs(1) / FLOOD_PER_SECOND;
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + interval;
        let allowed = full_at - now <= interval * FLOOD_BURST;
        if allowed {
            self.full_at = Some(full_at);
        }
        allowed
    }
}

/// Reverb's fixed window over all messages.
#[derive(Debug, Clone)]
pub struct Window {
    rate: MessageRate,
    since: Option<Instant>,
    count: u32,
}

impl Window {
    /// An empty window.
    pub fn new(rate: MessageRate) -> Self {
        Self { rate, since: None, count: 0 }
    }

    /// Counts one message; false when the window is full.
    pub fn allow(&mut self, now: Instant) -> bool {
        let running = self.since.is_some_and(|since| now.duration_since(since) < self.rate.decay);
        if !running {
            self.since = Some(now);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.rate.max_attempts
    }

    /// Whether a refusal also ends the socket.
    pub fn terminates(&self) -> bool {
        self.rate.terminate_on_limit
    }
}

#[cfg(test)]
mod tests {
    use super::{FLOOD_BURST, FLOOD_PER_SECOND, Flood, PerSecond, Window};
    use crate::app::MessageRate;
    use std::time::{Duration, Instant};

    #[test]
    fn a_second_holds_exactly_its_tokens() {
        for rate in [1, 3, 7, 10, 1000] {
            let (mut limit, start) = (PerSecond::new(rate), Instant::now());
            let at_once = (0..2 * rate).filter(|_| limit.allow(start)).count();
            assert_eq!(at_once, rate as usize, "{rate} a second");
            let later = start + Duration::from_secs(1);
            assert!(limit.allow(later), "a second later there is room again");
        }
    }

    #[test]
    fn tokens_come_back_one_by_one() {
        let (mut limit, start) = (PerSecond::new(10), Instant::now());
        assert!((0..10).all(|_| limit.allow(start)));
        let soon = start + Duration::from_millis(101);
        assert!(limit.allow(soon));
        assert!(!limit.allow(soon));
    }

    #[test]
    fn a_flood_is_more_than_the_burst_and_then_more_than_the_rate() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        assert!((0..FLOOD_BURST).all(|_| flood.allow(start)));
        assert!(!flood.allow(start));
        let later = start + Duration::from_secs(1);
        assert!((0..FLOOD_PER_SECOND).all(|_| flood.allow(later)));
        assert!(!flood.allow(later));
    }

    #[test]
    fn a_window_counts_refused_messages_too_and_then_starts_anew() {
        let decay = Duration::from_secs(60);
        let rate = MessageRate { max_attempts: 3, decay, terminate_on_limit: false };
        let (mut window, start) = (Window::new(rate), Instant::now());
        let allowed: Vec<bool> = (0..5).map(|_| window.allow(start)).collect();
        assert_eq!(allowed, [true, true, true, false, false]);
        assert!(!window.allow(start + Duration::from_secs(59)));
        assert!(window.allow(start + decay));
    }
}
