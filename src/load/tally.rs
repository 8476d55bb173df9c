//! What one worker has counted; all of them together are what a phase measured.
//!
//! Owns the counters and their sum. Refuses to know sockets and time.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Longer is recorded as this.
const LATENCY_NS_MAX: u64 = 120_000_000_000;

/// A histogram of nanoseconds up to two minutes, exact to a thousandth.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("bounds that were tried")
}

/// Records what may be longer than the histogram is wide.
pub(super) fn record(histogram: &mut Histogram<u64>, ns: u64) {
    histogram.saturating_record(ns.clamp(1, LATENCY_NS_MAX));
}

/// Counted in one phase by the sockets of one worker.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Markers of other phases are late, and not counted here.
    pub(super) phase: u16,
    pub(super) delivered: u64,
    pub(super) late: u64,
    pub(super) disordered: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) bytes: u64,
    /// Of `pusher:error`, with the first text.
    pub(super) errors: u64,
    pub(super) error: Option<String>,
    pub(super) closed: BTreeMap<u16, u64>,
    /// When the last delivery was read.
    pub(super) last_ns: u64,
}

impl Tally {
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

    /// Starts a phase. What went wrong since the last one was settled is part of it.
    pub(super) fn restart(&mut self, phase: u16) {
        let earlier = std::mem::replace(self, Self::new(phase));
        (self.errors, self.error, self.closed) = (earlier.errors, earlier.error, earlier.closed);
    }

    /// The counts of a phase, after which no error and no end of a socket is counted twice.
    pub(super) fn settle(&mut self) -> Self {
        let counts = self.clone();
        (self.errors, self.error, self.closed) = (0, None, BTreeMap::new());
        counts
    }

    /// Adds what another worker counted.
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
