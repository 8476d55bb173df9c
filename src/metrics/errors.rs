//! What counts as an error: the one definition, for the console, its timeline and its attention. Each part is a sum of
//! metrics that exist; what is normal where clients come and go (a connection without a close frame) is none.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::Metrics;

/// Errors by what failed, so far or within some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCounts {
    /// Handshakes, subscriptions, messages and requests that were refused.
    pub refused: u64,
    /// Sockets that were closed since they read too slowly.
    pub slow_sockets: u64,
    /// Deliveries that failed, since the peer was gone while writing.
    pub failed_writes: u64,
    /// Events of webhooks that were given up, or dropped from a queue that was full.
    pub lost_webhook_events: u64,
    /// Events between nodes and from Redis that were lost, and times some may have been.
    pub lost_redis_events: u64,
}

impl Metrics {
    /// The errors so far.
    pub fn errors(&self) -> ErrorCounts {
        let cluster = &self.cluster;
        let between_nodes =
            [&cluster.events_missed, &cluster.possible_gaps, &cluster.events_not_replicated];
        ErrorCounts {
            refused: self.sockets.refusals(),
            slow_sockets: self.sockets.slow_readers_closed.get(),
            failed_writes: self.delivery.write_failures.total(),
            lost_webhook_events: self.webhooks.events_lost.get(),
            lost_redis_events: between_nodes.map(|count| count.get()).iter().sum::<u64>()
                + self.redis_input.all_possible_gaps(),
        }
    }
}

impl ErrorCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.refused
            + self.slow_sockets
            + self.failed_writes
            + self.lost_webhook_events
            + self.lost_redis_events
    }

    /// What was added since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            refused: self.refused.saturating_sub(before.refused),
            slow_sockets: self.slow_sockets.saturating_sub(before.slow_sockets),
            failed_writes: self.failed_writes.saturating_sub(before.failed_writes),
            lost_webhook_events: self
                .lost_webhook_events
                .saturating_sub(before.lost_webhook_events),
            lost_redis_events: self.lost_redis_events.saturating_sub(before.lost_redis_events),
        }
    }
}

impl AddAssign for ErrorCounts {
    fn add_assign(&mut self, other: Self) {
        self.refused += other.refused;
        self.slow_sockets += other.slow_sockets;
        self.failed_writes += other.failed_writes;
        self.lost_webhook_events += other.lost_webhook_events;
        self.lost_redis_events += other.lost_redis_events;
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorCounts, Metrics};
    use crate::protocol::CloseCode;

    #[test]
    fn what_fails_is_counted_by_its_part() {
        let metrics = Metrics::default();
        metrics.sockets.handshake_refused(CloseCode::ApplicationDoesNotExist);
        let before = metrics.errors();
        metrics.sockets.slow_readers_closed.inc();
        metrics.delivery.for_shard().write_failures.inc_by(2);
        metrics.webhooks.events_lost.inc_by(3);
        metrics.cluster.events_missed.inc_by(4);
        metrics.cluster.possible_gaps.inc();
        metrics.cluster.events_not_replicated.inc();
        metrics.redis_input.of("laravel", &[]).possible_gaps.inc();
        let expected = ErrorCounts {
            refused: 0,
            slow_sockets: 1,
            failed_writes: 2,
            lost_webhook_events: 3,
            lost_redis_events: 7,
        };
        assert_eq!(metrics.errors().since(&before), expected);
        let mut sum = before;
        sum += expected;
        assert_eq!((sum, sum.total()), (metrics.errors(), 14));
    }
}
