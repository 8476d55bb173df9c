//! How many sockets each step of a drain closes. pusher-js reconnects at once after 4200, without jitter,
//! so the pace of the closes is the rate at which sockets arrive at the other nodes.
//!
//! Pure: the number of sockets, the rate and the time come in. What closes them is left to `drain`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One step of a drain.
pub(super) const STEP: Duration = Duration::from_millis(20);

/// Within any second, no more sockets are closed than the rate.
const WINDOW: Duration = Duration::from_secs(1);

/// Late steps that one step makes up for, so that a stall is followed by no burst.
const LATE_STEPS_MAX: usize = 5;

/// Sockets closed per second, at most.
#[derive(Debug)]
pub(super) struct DrainPace {
    per_second: usize,
    begun: Option<Instant>,
    closed: usize,
    /// The steps of the last second.
    recent: VecDeque<(Instant, usize)>,
}

impl DrainPace {
    /// `per_second`, and faster where that would not close `sockets` in `time`.
    pub(super) fn new(sockets: usize, per_second: usize, time: Option<Duration>) -> Self {
        let needed = time.map_or(0, |time| {
            let milliseconds = usize::try_from(time.as_millis()).unwrap_or(usize::MAX).max(1);
            sockets.saturating_mul(1000).div_ceil(milliseconds)
        });
        let (begun, closed, recent) = Default::default();
        Self { per_second: per_second.max(needed), begun, closed, recent }
    }

    pub(super) fn per_second(&self) -> usize {
        self.per_second
    }

    /// How many sockets the step at this time closes. Steps that come late are made up for.
    pub(super) fn next_step(&mut self, now: Instant) -> usize {
        let elapsed = now.duration_since(*self.begun.get_or_insert(now)) + STEP;
        let due = self.in_time(elapsed).saturating_sub(self.closed);
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        let recently: usize = self.recent.iter().map(|(_, closed)| closed).sum();
        let most = self.in_time(STEP).max(1).saturating_mul(LATE_STEPS_MAX);
        let step = due.min(most).min(self.per_second.saturating_sub(recently));
        self.closed += step;
        self.recent.push_back((now, step));
        step
    }

    fn in_time(&self, time: Duration) -> usize {
        let milliseconds = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        self.per_second.saturating_mul(milliseconds) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::{DrainPace, Duration, Instant};

    /// What the steps at these milliseconds close.
    fn closed(pace: &mut DrainPace, milliseconds: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        milliseconds.into_iter().map(|it| pace.next_step(at(it))).collect()
    }

    fn check_rate(sockets: usize, per_second: usize, seconds: Option<u64>, rate: usize) {
        let mut pace = DrainPace::new(sockets, per_second, seconds.map(Duration::from_secs));
        assert_eq!(pace.per_second(), rate, "{sockets} sockets, {per_second}/s in {seconds:?}");
        let closed = closed(&mut pace, (0..1000).step_by(20));
        assert_eq!(closed.iter().sum::<usize>(), rate);
    }

    #[test]
    fn the_configured_rate_holds_unless_the_time_is_too_short() {
        check_rate(2000, 1000, Some(5), 1000);
        check_rate(5000, 1000, Some(5), 1000);
        check_rate(20_000, 1000, Some(5), 4000);
        check_rate(20_000, 1000, None, 1000);
        check_rate(1, 1, Some(5), 1);
        check_rate(100, 33, None, 33);
        check_rate(0, 1000, Some(0), 1000);
        check_rate(7, 1, Some(0), 7000);
    }

    #[test]
    fn late_steps_are_made_up_for_and_no_second_exceeds_the_rate() {
        let mut pace = DrainPace::new(0, 500, None);
        let times: Vec<u64> =
            (0..3000).step_by(20).filter(|time| !(1500..1700).contains(time)).collect();
        let closed = closed(&mut pace, times.iter().copied());
        assert_eq!(closed.iter().sum::<usize>(), 1500);
        let after_stall = times.iter().position(|time| *time == 1700).unwrap();
        assert_eq!(closed[after_stall..after_stall + 4], [50, 50, 30, 10]);
        for (first, begin) in times.iter().enumerate() {
            let in_second = times[first..].iter().take_while(|time| **time < begin + 1000).count();
            let most: usize = closed[first..first + in_second].iter().sum();
            assert!(most <= 500, "{most} from {begin} ms on");
        }
    }
}
