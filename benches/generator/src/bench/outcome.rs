//! The outcome of a run, and whether the assertions hold.
//!
//! Owns the value of each metric. How values are shown is left to the report and the figures.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::assertion::Assertion;
use super::metric::Metric;
use super::options::BenchOptions;
use crate::phase::Measures;
use crate::usage::Usage;

/// All that one run measured.
#[derive(Debug)]
pub struct Outcome {
    pub(super) targets: Vec<String>,
    pub(super) options: BenchOptions,
    /// Sockets that may be sent deflated messages.
    pub(super) deflated: usize,
    pub(super) connects: Histogram<u64>,
    pub(super) connected_in: Duration,
    /// The usage of the server before the first socket and after the last.
    pub(super) connecting: Option<(Usage, Usage)>,
    /// That of this process, likewise.
    pub(super) client_connecting: Option<(Usage, Usage)>,
    pub(super) measures: Measures,
    pub(super) assertions: Vec<Assertion>,
}

impl Outcome {
    /// In the metric's unit: nanoseconds, bytes, parts of one, or a count. `None` if there was
    /// nothing to measure.
    pub(super) fn value(&self, metric: Metric) -> Option<f64> {
        let measures = &self.measures;
        let latency = |value| at(&measures.latency, value);
        match metric {
            Metric::P50 => latency(0.5),
            Metric::P90 => latency(0.9),
            Metric::P99 => latency(0.99),
            Metric::P999 => latency(0.999),
            Metric::Max => latency(1.0),
            Metric::AnswerP99 => at(&measures.answers, 0.99),
            Metric::ConnectP99 => at(&self.connects, 0.99),
            Metric::Loss => part(measures.lost() as f64, measures.expected as f64),
            Metric::Disordered => Some(measures.disordered as f64),
            Metric::Errors => Some(self.errors() as f64),
            Metric::Closed => Some(measures.closed.values().sum::<u64>() as f64),
            Metric::Rate => Some(measures.rate()),
            Metric::ClientCpu => {
                part(measures.client?.cpu().as_secs_f64(), measures.elapsed.as_secs_f64())
            }
            Metric::CpuPerDelivery => Some(measures.server_cpu_per_delivery()?.as_nanos() as f64),
            Metric::CpuPerConnect => {
                let (before, after) = self.connecting?;
                part((after - before).cpu().as_nanos() as f64, self.options.connections as f64)
            }
            Metric::MemoryPerSocket => {
                let (before, after) = self.connecting?;
                let grown = after.rss_bytes.saturating_sub(before.rss_bytes);
                part(grown as f64, self.options.connections as f64)
            }
        }
    }

    /// CPU that this process spent for each socket until it had its subscriptions.
    pub(super) fn client_cpu_per_connect(&self) -> Option<Duration> {
        let (before, after) = self.client_connecting?;
        (after - before).cpu().checked_div(u32::try_from(self.options.connections).ok()?)
    }

    /// Requests refused or unanswered, and errors sent to sockets.
    pub(super) fn errors(&self) -> u64 {
        let measures = &self.measures;
        measures.refused.values().sum::<u64>() + measures.unanswered + measures.errors
    }

    /// The assertions that do not hold, or whose value was not measured; `None` if all hold.
    pub fn broken_assertions(&self) -> Option<String> {
        let broken = self.assertions.iter().filter_map(|assertion| {
            let Assertion { expression, metric, .. } = assertion;
            match self.value(*metric) {
                Some(value) if assertion.holds(value) => None,
                Some(value) => Some(format!("{expression}: it was {}", metric.unit().show(value))),
                None => Some(format!("{expression}: it was not measured")),
            }
        });
        let broken = broken.collect::<Vec<_>>();
        (!broken.is_empty()).then(|| broken.join("; "))
    }
}

fn at(histogram: &Histogram<u64>, value: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(value) as f64)
}

fn part(value: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| value / whole)
}
