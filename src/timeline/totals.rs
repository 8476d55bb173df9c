//! One reading of the metrics: what they count since the start, and what two readings make of a second.

use std::time::Duration;

use super::series::Series;
use crate::metrics::{AppTotals, ErrorCounts, HistogramCounts, Metrics, ProcessUsage};
use crate::protocol::CloseCode;

/// What was counted so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    apps: AppTotals,
    events_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    pub(super) errors: ErrorCounts,
    pub(super) unknown_keys: u64,
    pub(super) failed_webhooks: u64,
    pub(super) latency: HistogramCounts,
    pub(super) redis: HistogramCounts,
    usage: Option<ProcessUsage>,
}

impl Totals {
    pub(super) fn read(metrics: &Metrics) -> Self {
        let delivery = &metrics.delivery;
        Self {
            apps: metrics.apps.totals(),
            events_out: delivery.messages_delivered.total(),
            bytes_in: delivery.received_bytes.total(),
            bytes_out: delivery.sent_bytes.total(),
            errors: metrics.errors(),
            unknown_keys: metrics.sockets.handshakes(CloseCode::ApplicationDoesNotExist),
            failed_webhooks: metrics.webhooks.attempts_failed.get(),
            latency: delivery.trigger_to_write_seconds.counts(),
            redis: metrics.cluster.redis_round_trip_seconds.counts(),
            usage: ProcessUsage::take(),
        }
    }

    /// The values of all series for the time between two readings; `latency` and `redis` are those of the last minute.
    pub(super) fn values_since(
        &self,
        before: &Self,
        elapsed: Duration,
        latency: &HistogramCounts,
        redis: &HistogramCounts,
    ) -> [f32; Series::COUNT] {
        let seconds = elapsed.as_secs_f64();
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds) as f32;
        let some = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
        let cpu = self.usage.zip(before.usage);
        let cpu = cpu.map(|(now, then)| (now.cpu_seconds - then.cpu_seconds).max(0.0) / seconds);
        Series::ALL.map(|(series, _)| match series {
            Series::Sockets => self.apps.sockets as f32,
            Series::Subscriptions => self.apps.subscriptions as f32,
            Series::EventsIn => rate(self.apps.events, before.apps.events),
            Series::EventsOut => rate(self.events_out, before.events_out),
            Series::MessagesIn => rate(self.apps.messages_received, before.apps.messages_received),
            Series::BytesIn => rate(self.bytes_in, before.bytes_in),
            Series::BytesOut => rate(self.bytes_out, before.bytes_out),
            Series::LatencyP50 => some(latency.quantile_ms(0.5)),
            Series::LatencyP99 => some(latency.quantile_ms(0.99)),
            Series::Refusals => rate(self.errors.refused, before.errors.refused),
            Series::Errors => rate(self.errors.total(), before.errors.total()),
            Series::Memory => some(self.usage.map(|usage| usage.resident_bytes as f64)),
            Series::Cpu => some(cpu),
            Series::RedisP50 => some(redis.quantile_ms(0.5)),
        })
    }
}
