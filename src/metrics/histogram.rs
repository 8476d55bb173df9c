//! A histogram of durations without a lock: one atomic per bucket.
//!
//! `prometheus_client`'s own histogram takes a lock for each observation, which the threads that deliver
//! would share. Classic buckets, since stock Prometheus reads them without a feature flag.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The upper bounds in microseconds: from a delivery on an idle machine to the time-out of a webhook call,
/// with two or three steps in each decade.
const BOUNDS_MICROS: [u64; 17] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// The buckets of [`BOUNDS_MICROS`], and one for what is above all of them.
const BUCKETS: usize = BOUNDS_MICROS.len() + 1;

/// Durations by size. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
}

/// What a histogram has counted at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramCounts {
    counts: [u64; BUCKETS],
}

impl HistogramCounts {
    /// Adds those of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
    }

    /// What was counted since an earlier time.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        counts.iter_mut().zip(earlier.counts).for_each(|(now, then)| *now -= then.min(*now));
        Self { counts }
    }

    /// The duration in milliseconds that this share of all stays below, as Prometheus estimates it: along a line
    /// within its bucket. `None` without any.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let all: u64 = self.counts.iter().sum();
        let rank = share * all as f64;
        let mut below = 0.0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            let count = count as f64;
            if count > 0.0 && below + count >= rank {
                let last = BOUNDS_MICROS[BOUNDS_MICROS.len() - 1];
                let end = BOUNDS_MICROS.get(bucket).copied().unwrap_or(last) as f64;
                let start = if bucket == 0 { 0 } else { BOUNDS_MICROS[bucket - 1] } as f64;
                return Some((start + (end - start) * (rank - below) / count) / 1e3);
            }
            below += count;
        }
        None
    }
}

impl Histogram {
    /// What was counted so far.
    pub fn counts(&self) -> HistogramCounts {
        let counts = std::array::from_fn(|at| self.0.counts[at].load(Ordering::Relaxed));
        HistogramCounts { counts }
    }

    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let micros = duration.as_micros();
        let bucket = BOUNDS_MICROS.partition_point(|&bound| u128::from(bound) < micros);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Writes the sum of several histograms as one.
    pub(super) fn encode_sum(parts: &[Self], mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let sum = |of: &dyn Fn(&Buckets) -> u64| parts.iter().map(|part| of(&part.0)).sum::<u64>();
        let bounds = BOUNDS_MICROS.iter().map(|&micros| micros as f64 / 1e6);
        let buckets: Vec<(f64, u64)> = bounds
            .chain([f64::INFINITY])
            .enumerate()
            .map(|(at, bound)| (bound, sum(&|part| part.counts[at].load(Ordering::Relaxed))))
            .collect();
        let seconds = sum(&|part| part.nanoseconds.load(Ordering::Relaxed)) as f64 / 1e9;
        // Of the same reading as the buckets, or a scrape could show more in one than in all.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        Self::encode_sum(std::slice::from_ref(self), encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::{Duration, Histogram};

    #[test]
    fn a_quantile_lies_on_a_line_within_its_bucket() {
        let histogram = Histogram::default();
        let before = histogram.counts();
        assert_eq!(before.quantile_ms(0.5), None);
        (0..99).for_each(|_| histogram.observe(Duration::from_micros(400)));
        histogram.observe(Duration::from_millis(40));
        let counts = histogram.counts().since(&before);
        let p50 = counts.quantile_ms(0.5).unwrap();
        assert!((0.25..0.5).contains(&p50), "{p50}");
        assert_eq!(counts.quantile_ms(0.99), Some(0.5));
        assert_eq!(counts.quantile_ms(1.0), Some(50.0));
        histogram.observe(Duration::from_secs(100));
        let last = histogram.counts().since(&counts);
        assert_eq!(last.quantile_ms(0.99), Some(30_000.0), "above all bounds");
        let mut both = counts;
        both.add(&last);
        assert_eq!(both, histogram.counts());
    }

    #[test]
    fn a_duration_is_counted_in_every_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for micros in [100, 101, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("wait", "Waits", histogram);
        text::encode(&mut text, &registry).unwrap();
        for line in [
            "wait_bucket{le=\"0.0001\"} 1\n",
            "wait_bucket{le=\"0.00025\"} 2\n",
            "wait_bucket{le=\"10.0\"} 2\n",
            "wait_bucket{le=\"30.0\"} 3\n",
            "wait_bucket{le=\"+Inf\"} 4\n",
            "wait_count 4\n",
            "wait_sum 60.000202\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
