//! How many sockets each step of a drain closes. pusher-js reconnects at once after 4200, without jitter,
//! so the pace of the closes is the rate at which sockets arrive at the other nodes.
//!
//! Pure: the number of sockets, the rate and the time come in. What closes them is left to `drain`.

use std::time::Duration;

/// One step of a drain.
pub(super) const STEP: Duration = Duration::from_millis(20);

/// Sockets closed per second, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DrainPace {
    per_second: usize,
    /// What steps so far have left over, in thousandths of a socket.
    rest: usize,
}

impl DrainPace {
    /// `per_second`, and faster where that would not close `sockets` in `time`.
    pub(super) fn new(sockets: usize, per_second: usize, time: Option<Duration>) -> Self {
        let needed = time.map_or(0, |time| {
            let milliseconds = usize::try_from(time.as_millis()).unwrap_or(usize::MAX).max(1);
            sockets.saturating_mul(1000).div_ceil(milliseconds)
        });
        Self { per_second: per_second.max(needed), rest: 0 }
    }

    pub(super) fn per_second(&self) -> usize {
        self.per_second
    }

    /// How many sockets the next step closes. Steps are [`STEP`] apart or further, so no second has
    /// more of them than `per_second`.
    pub(super) fn next_step(&mut self) -> usize {
        let due = self.per_second.saturating_mul(STEP.as_millis() as usize) + self.rest;
        self.rest = due % 1000;
        due / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::{DrainPace, Duration};

    /// The rate, and what a second of steps closes.
    fn check(sockets: usize, per_second: usize, seconds: Option<u64>, rate: usize) {
        let mut pace = DrainPace::new(sockets, per_second, seconds.map(Duration::from_secs));
        assert_eq!(pace.per_second(), rate, "{sockets} sockets, {per_second}/s in {seconds:?}");
        let closed: usize = (0..50).map(|_| pace.next_step()).sum();
        assert_eq!(closed, rate);
    }

    #[test]
    fn the_configured_rate_holds_unless_the_time_is_too_short() {
        check(2000, 1000, Some(5), 1000);
        check(5000, 1000, Some(5), 1000);
        check(20_000, 1000, Some(5), 4000);
        check(20_000, 1000, None, 1000);
        check(1, 1, Some(5), 1);
        check(100, 33, None, 33);
        check(0, 1000, Some(0), 1000);
        check(7, 1, Some(0), 7000);
    }
}
