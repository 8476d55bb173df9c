//! How often the subscribers of a channel receive their number: Pusher's limits.
//!
//! Holds for the channel of one node. In a cluster the directory's scripts apply the same limits to
//! the channel of all nodes; they take both constants as arguments.

use std::time::{Duration, Instant};

/// Up to this many subscribers every change of their number is sent at once.
pub const UNTHROTTLED_SUBSCRIBERS: usize = 100;

/// The time between two counts of a channel with more subscribers.
pub const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// When a channel's last count was sent.
#[derive(Debug, Default)]
pub struct CountThrottle {
    sent_at: Option<Instant>,
}

impl CountThrottle {
    /// Whether a count may be sent now; an error is the time from which it may.
    pub fn take(&mut self, subscribers: usize, now: Instant) -> Result<(), Instant> {
        let next = self.sent_at.map(|at| at + COUNT_INTERVAL).filter(|&next| next > now);
        if subscribers > UNTHROTTLED_SUBSCRIBERS
            && let Some(next) = next
        {
            return Err(next);
        }
        self.sent_at = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNT_INTERVAL, CountThrottle, Instant, UNTHROTTLED_SUBSCRIBERS};

    #[test]
    fn a_small_channel_sends_every_count() {
        let (mut throttle, now) = (CountThrottle::default(), Instant::now());
        assert_eq!(throttle.take(UNTHROTTLED_SUBSCRIBERS, now), Ok(()));
        assert_eq!(throttle.take(UNTHROTTLED_SUBSCRIBERS, now), Ok(()));
    }

    #[test]
    fn a_large_channel_sends_one_count_per_interval() {
        let (mut throttle, start) = (CountThrottle::default(), Instant::now());
        let large = UNTHROTTLED_SUBSCRIBERS + 1;
        assert_eq!(throttle.take(large, start), Ok(()));
        assert_eq!(throttle.take(large, start), Err(start + COUNT_INTERVAL));
        assert_eq!(throttle.take(large, start + COUNT_INTERVAL), Ok(()));
    }
}
