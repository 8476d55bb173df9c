//! What happened within the last sixty samples: few counts, and the durations of two histograms.

use std::collections::VecDeque;

use super::totals::Totals;
use crate::metrics::{ErrorCounts, HistogramCounts};

/// How many samples a minute has.
const SAMPLES: usize = 60;

/// What happened within the last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastMinute {
    /// Handshakes with a key that no app has.
    pub unknown_keys: u64,
    /// Calls of webhooks that failed.
    pub failed_webhooks: u64,
    /// What failed.
    pub errors: ErrorCounts,
    /// From trigger to write.
    pub latency: HistogramCounts,
    /// From a batch of requests to the answer of Redis.
    pub redis: HistogramCounts,
}

/// The samples of the last minute, each with what it added.
#[derive(Debug, Default)]
pub(super) struct MinuteCounts(VecDeque<LastMinute>);

impl MinuteCounts {
    pub(super) fn push(&mut self, now: &Totals, before: &Totals) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(LastMinute {
            unknown_keys: now.unknown_keys.saturating_sub(before.unknown_keys),
            failed_webhooks: now.failed_webhooks.saturating_sub(before.failed_webhooks),
            errors: now.errors.since(&before.errors),
            latency: now.latency.since(&before.latency),
            redis: now.redis.since(&before.redis),
        });
    }

    pub(super) fn sums(&self) -> LastMinute {
        let mut sums = LastMinute::default();
        for sample in &self.0 {
            sums.unknown_keys += sample.unknown_keys;
            sums.failed_webhooks += sample.failed_webhooks;
            sums.errors += sample.errors;
            sums.latency.add(&sample.latency);
            sums.redis.add(&sample.redis);
        }
        sums
    }
}
