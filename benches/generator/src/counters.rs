//! The counters of one worker in one phase, and their sum.
//!
//! Owns the bounds of the histograms. Which delivery is counted is left to the socket.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Longer latencies are recorded as this.
const LATENCY_NS_MAX: u64 = 120_000_000_000;

/// A histogram of nanoseconds up to two minutes, exact to a thousandth.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are valid")
}

/// Records a duration; one beyond the bounds counts as the bound.
pub(super) fn record(histogram: &mut Histogram<u64>, ns: u64) {
    histogram.saturating_record(ns.clamp(1, LATENCY_NS_MAX));
}

/// Counted by the sockets of one worker in one phase.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    /// Deliveries of other phases are counted as late.
    pub(super) phase: u16,
    pub(super) delivered: u64,
    pub(super) late: u64,
    pub(super) disordered: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) bytes: u64,
    /// `pusher:error` messages, with the text of the first.
    pub(super) errors: u64,
    pub(super) error: Option<String>,
    pub(super) closed: BTreeMap<u16, u64>,
    /// The time of the last delivery.
    pub(super) last_ns: u64,
}

impl Counters {
    pub(super) fn new(phase: u16) -> Self {
        Self {
            phase,
            delivered: 0,
            late: 0,
            disordered: 0,
            latency: histogram(),
            bytes: 0,
            errors: 0,
            error: None,
            closed: BTreeMap::new(),
            last_ns: 0,
        }
    }

    /// Starts a phase. Errors and closes since the last one was settled are part of it.
    pub(super) fn restart(&mut self, phase: u16) {
        let earlier = std::mem::replace(self, Self::new(phase));
        (self.errors, self.error, self.closed) = (earlier.errors, earlier.error, earlier.closed);
    }

    /// The counts of a phase. Errors and closes start again, so that none is counted twice.
    pub(super) fn settle(&mut self) -> Self {
        let counts = self.clone();
        (self.errors, self.error, self.closed) = (0, None, BTreeMap::new());
        counts
    }

    /// Adds the counts of another worker.
    pub(super) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.late += other.late;
        self.disordered += other.disordered;
        self.latency.add(&other.latency).expect("all have the same bounds");
        self.bytes += other.bytes;
        self.errors += other.errors;
        if self.error.is_none() {
            self.error.clone_from(&other.error);
        }
        for (code, count) in &other.closed {
            *self.closed.entry(*code).or_default() += count;
        }
        self.last_ns = self.last_ns.max(other.last_ns);
    }
}
