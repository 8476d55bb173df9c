//! The values of a phase: its load, its progress and what was measured in it.
//!
//! How a phase runs is left to `phase_run`.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::usage::Usage;

/// When the next event is published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Open loop: so many events a second in all, each at its time, whatever has been answered
    /// before. Latency counts from the time an event was due, so the wait behind a server that stalls
    /// is part of it.
    Rate(f64),
    /// Closed loop: so many under way at once; the next one follows when an earlier one has
    /// reached all its subscribers.
    InFlight(usize),
    /// Nothing is published.
    Idle,
}

/// Where events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSource {
    /// A back end, through the signed HTTP API.
    BackEnd,
    /// The sockets of the channel in turn, with client events: private and presence channels only.
    Clients,
}

/// One stretch of load.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// When events are published.
    pub pace: Pace,
    /// Where they come from.
    pub source: EventSource,
    /// The end: no event is due later than this.
    pub duration: Duration,
    /// The end, if it comes earlier: no more events than this.
    pub events: Option<u64>,
    /// Bytes of an event's `data`; a marker is the least.
    pub payload_bytes: usize,
    /// Events of one request; above 1 they go to `/batch_events`. HTTP only.
    pub batch: usize,
    /// The channels published to in turn, as indexes into the plan; empty is all.
    pub channels: Vec<usize>,
    /// The nodes that requests go to in turn, as indexes into the plan; empty is all. HTTP only.
    pub targets: Vec<usize>,
    /// How long to wait for the last deliveries.
    pub patience: Duration,
    /// Processes of the server, whose use is measured.
    pub pids: Vec<u32>,
}

impl Phase {
    /// So many events a second, for so long: one a request, over HTTP, 128 bytes.
    pub fn open(rate: f64, duration: Duration) -> Self {
        Self::new(Pace::Rate(rate), duration)
    }

    /// So many under way, for so long.
    pub fn closed(in_flight: usize, duration: Duration) -> Self {
        Self::new(Pace::InFlight(in_flight), duration)
    }

    /// Nothing, for so long.
    pub fn idle(duration: Duration) -> Self {
        Self::new(Pace::Idle, duration)
    }

    fn new(pace: Pace, duration: Duration) -> Self {
        Self {
            pace,
            source: EventSource::BackEnd,
            duration,
            events: None,
            payload_bytes: 128,
            batch: 1,
            channels: Vec::new(),
            targets: Vec::new(),
            patience: Duration::from_secs(10),
            pids: Vec::new(),
        }
    }
}

/// What was measured in one phase.
#[derive(Debug, Clone)]
pub struct Measures {
    /// From the first due time to the last delivery, or to the end of an idle phase.
    pub elapsed: Duration,
    /// Events the server took.
    pub published: u64,
    /// Deliveries that should have followed: one for each subscriber.
    pub expected: u64,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Deliveries out of the order their publisher gave them, or doubled.
    pub disordered: u64,
    /// Deliveries of an earlier phase.
    pub late: u64,
    /// From when an event was due to when it was read, in nanoseconds.
    pub latency: Histogram<u64>,
    /// From when a request was sent to its answer, in nanoseconds.
    pub answers: Histogram<u64>,
    /// From when an event was due to when it was sent, in nanoseconds: the generator's own part.
    pub lateness: Histogram<u64>,
    /// Bytes read by the sockets, frames and all, as they were on the wire.
    pub received_bytes: u64,
    /// Requests refused, by HTTP status.
    pub refused: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub unanswered: u64,
    /// The first refusal in the server's words, or why there was no answer.
    pub refusal: Option<String>,
    /// `pusher:error` messages received, and the text of the first.
    pub errors: u64,
    /// See `errors`.
    pub error: Option<String>,
    /// Sockets closed in this phase or since the one before, by close code; 1006 is an end without a close frame.
    pub closed: BTreeMap<u16, u64>,
    /// Sockets open at the end.
    pub open: usize,
    /// CPU used by the server in this phase, and its memory at the end.
    pub server: Option<Usage>,
    /// CPU used by this process, its other pools included.
    pub client: Option<Usage>,
}

impl Measures {
    /// Deliveries that did not come in time.
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.delivered)
    }

    /// Deliveries a second.
    pub fn rate(&self) -> f64 {
        if self.elapsed.is_zero() {
            0.0
        } else {
            self.delivered as f64 / self.elapsed.as_secs_f64()
        }
    }

    /// The server's CPU time for one delivery, its share of the publishing included.
    pub fn server_cpu_per_delivery(&self) -> Option<Duration> {
        per(self.server?.cpu(), self.delivered)
    }

    /// This process's CPU time for one delivery.
    pub fn client_cpu_per_delivery(&self) -> Option<Duration> {
        per(self.client?.cpu(), self.delivered)
    }
}

fn per(cpu: Duration, count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs_f64(cpu.as_secs_f64() / count as f64))
}

/// The state of a phase that runs.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Since its start.
    pub elapsed: Duration,
    /// Events the server took so far.
    pub published: u64,
    /// Deliveries that should follow, some of which are under way.
    pub expected: u64,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Sockets open.
    pub open: usize,
    /// Latencies so far, in nanoseconds.
    pub latency: Histogram<u64>,
}
