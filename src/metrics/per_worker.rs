//! A metric of which each worker has a part of its own, summed when it is scraped.
//!
//! Threads that deliver would otherwise write to one cache line, which each write takes from the others.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;

use super::declare::Gauge;
use super::histogram::{Histogram, HistogramCounts};

/// The parts of all workers.
#[derive(Debug, Clone, Default)]
pub struct PerWorker<M>(Arc<Mutex<Vec<M>>>);

impl<M: Summed> PerWorker<M> {
    /// The part of one more worker, at zero.
    pub fn part(&self) -> M {
        let part = M::default();
        self.0.lock().push(part.clone());
        part
    }
}

impl PerWorker<Counter> {
    /// The sum of the parts.
    pub fn total(&self) -> u64 {
        self.0.lock().iter().map(|part| part.get()).sum()
    }
}

impl PerWorker<Gauge> {
    /// The sum of the parts.
    pub fn sum(&self) -> u64 {
        self.0.lock().iter().map(|part| part.get()).sum()
    }
}

impl PerWorker<Histogram> {
    /// What all parts have counted so far.
    pub fn counts(&self) -> HistogramCounts {
        let mut all = HistogramCounts::default();
        self.0.lock().iter().for_each(|part| all.add(&part.counts()));
        all
    }
}

/// A metric that can be summed. Clones share their value.
pub trait Summed: Clone + Default + fmt::Debug + Send + Sync + 'static {
    /// How it is exposed.
    const TYPE: MetricType;

    /// Writes the sum of the parts.
    fn encode_sum(parts: &[Self], encoder: MetricEncoder<'_>) -> fmt::Result;
}

impl Summed for Counter {
    const TYPE: MetricType = MetricType::Counter;

    fn encode_sum(parts: &[Self], mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let sum: u64 = parts.iter().map(|part| part.get()).sum();
        encoder.encode_counter::<NoLabelSet, u64, u64>(&sum, None)
    }
}

impl Summed for Gauge {
    const TYPE: MetricType = MetricType::Gauge;

    fn encode_sum(parts: &[Self], mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let sum: u64 = parts.iter().map(|part| part.get()).sum();
        encoder.encode_gauge(&sum)
    }
}

impl Summed for Histogram {
    const TYPE: MetricType = MetricType::Histogram;

    fn encode_sum(parts: &[Self], encoder: MetricEncoder<'_>) -> fmt::Result {
        Self::encode_sum(parts, encoder)
    }
}

impl<M: Summed> EncodeMetric for PerWorker<M> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        M::encode_sum(&self.0.lock(), encoder)
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}
