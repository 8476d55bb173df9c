//! Ticks that come at the same times for all who wait for some: a thread wakes once for all of them.

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Ticks at every multiple of `every` since `start`; one that is missed is left out.
pub(super) fn aligned_ticks(start: Instant, every: Duration) -> Interval {
    let now = Instant::now();
    let since_last = now.saturating_duration_since(start).as_nanos() % every.as_nanos();
    let since_last = Duration::from_nanos(u64::try_from(since_last).unwrap_or_default());
    let mut ticks = interval_at((now + every - since_last).into(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, aligned_ticks};

    #[tokio::test]
    async fn ticks_of_several_come_at_the_same_times() {
        let (start, every) = (Instant::now(), Duration::from_millis(20));
        let mut one = aligned_ticks(start, every);
        let first = one.tick().await;
        let second = aligned_ticks(start, every).tick().await;
        for at in [first, second] {
            let since_start = at.into_std().duration_since(start);
            assert_eq!(since_start.as_nanos() % every.as_nanos(), 0, "{since_start:?}");
        }
    }
}
