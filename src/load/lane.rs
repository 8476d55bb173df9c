//! One publisher: takes the next event when it is due, sends it, and waits for what its pace says.
//!
//! Owns the schedule and what an event looks like. A lane has one thing under way at a time, so as
//! many lanes as may be under way together share the schedule; a late lane delays no other, and
//! what was late counts from when it was due.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::backend::{Answer, Backend};
use super::board::Board;
use super::crowd::Hand;
use super::marker::Marker;
use super::speech;
use super::tally::histogram;
use super::usage::sharpen_timers;
use super::worker::Command;
use super::{Pace, Phase, Publisher};

/// After a refusal a closed loop has nothing that slows it down.
const PAUSE: Duration = Duration::from_millis(50);

/// What the lanes of a phase share.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    pub(super) board: &'a Board,
    pub(super) phase: &'a Phase,
    pub(super) number: u16,
    /// How many of them there are.
    pub(super) lanes: u16,
    /// The channels published to, with the seats that may send on each.
    pub(super) channels: Vec<(usize, Vec<usize>)>,
    /// Whether a socket hears each lane's events in order: not if it listens to several channels.
    pub(super) is_ordered: bool,
    pub(super) hands: &'a [Hand],
    /// Passed twice: when all are connected, and when the start is known.
    pub(super) gate: Barrier,
    pub(super) start_ns: AtomicU64,
    pub(super) tickets: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) expected: AtomicU64,
}

/// What comes of a request, if it is taken.
#[derive(Debug, Clone, Copy)]
struct Promise {
    lane: u16,
    events: u64,
    /// Deliveries.
    wanted: u64,
}

/// What one lane counted.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) answers: Histogram<u64>,
    pub(super) lateness: Histogram<u64>,
    pub(super) refused: BTreeMap<u16, u64>,
    pub(super) unanswered: u64,
    pub(super) refusal: Option<String>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            answers: histogram(),
            lateness: histogram(),
            refused: BTreeMap::new(),
            unanswered: 0,
            refusal: None,
        }
    }
}

impl Schedule<'_> {
    /// Publishes until the phase is over.
    pub(super) fn run(&self, lane: u16, mut backend: Backend) -> Record {
        sharpen_timers();
        let mut record = Record::new();
        if self.phase.publisher == Publisher::Http {
            // What is wrong shows again, and is counted, with the first request.
            let _ = backend.connect();
        }
        self.gate.wait();
        self.gate.wait();
        let mut body = String::new();
        while let Some((ticket, due_ns)) = self.next() {
            let sent_ns = self.board.now_ns();
            super::tally::record(&mut record.lateness, sent_ns.saturating_sub(due_ns));
            match self.phase.publisher {
                Publisher::Http => {
                    let promise = self.compose(&mut body, (lane, ticket), due_ns);
                    self.post(&mut record, &mut backend, &body, promise);
                }
                Publisher::Client => self.whisper(lane, ticket, due_ns),
            }
        }
        record
    }

    /// The next event, at its time.
    fn next(&self) -> Option<(u64, u64)> {
        let batch = self.phase.batch.max(1) as u64;
        let start_ns = self.start_ns.load(Ordering::Relaxed);
        let end_ns = start_ns.saturating_add(self.phase.duration.as_nanos() as u64);
        let ticket = self.tickets.fetch_add(batch, Ordering::Relaxed);
        if self.phase.events.is_some_and(|events| ticket >= events) {
            return None;
        }
        let due_ns = match self.phase.pace {
            Pace::Rate(rate) => start_ns + (ticket as f64 / rate * 1e9) as u64,
            Pace::InFlight(_) | Pace::Idle => self.board.now_ns().max(start_ns),
        };
        if due_ns >= end_ns {
            return None;
        }
        let wait = self.board.instant(due_ns).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        Some((ticket, due_ns))
    }

    /// Writes the body of a request.
    fn compose(&self, body: &mut String, (lane, ticket): (u16, u64), due_ns: u64) -> Promise {
        body.clear();
        let last = self.phase.events.map_or(u64::MAX, |events| events - ticket);
        let batch = (self.phase.batch.max(1) as u64).min(last);
        if self.phase.batch > 1 {
            body.push_str("{\"batch\":[");
        }
        let mut wanted = 0;
        for nth in 0..batch {
            if nth > 0 {
                body.push(',');
            }
            let (channel, _) = self.channel(ticket + nth);
            wanted += self.board.subscribers(channel);
            body.push_str("{\"name\":\"load\",\"data\":\"");
            self.mark(body, lane, due_ns);
            let name = &self.board.plan.channels[channel];
            let done = if self.phase.batch > 1 {
                write!(body, "\",\"channel\":\"{name}\"}}")
            } else {
                write!(body, "\",\"channels\":[\"{name}\"]}}")
            };
            done.expect("memory takes all");
        }
        if self.phase.batch > 1 {
            body.push_str("]}");
        }
        Promise { lane, events: batch, wanted }
    }

    fn mark(&self, out: &mut String, lane: u16, due_ns: u64) {
        let meter = &self.board.lanes[usize::from(lane)];
        let order =
            if self.is_ordered { meter.order.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        let marker = Marker { phase: self.number, lane, order, due_ns };
        self.board.stamp.write(marker, self.phase.payload_bytes, out);
    }

    fn channel(&self, ticket: u64) -> (usize, &[usize]) {
        let nth = (ticket % self.channels.len() as u64) as usize;
        let (channel, seats) = &self.channels[nth];
        (*channel, seats)
    }

    fn post(
        &self,
        record: &mut Record,
        backend: &mut Backend,
        body: &str,
        Promise { lane, events, wanted }: Promise,
    ) {
        let meter = &self.board.lanes[usize::from(lane)];
        let is_closed = matches!(self.phase.pace, Pace::InFlight(_));
        if is_closed {
            meter.want(wanted);
        }
        let start = Instant::now();
        let answer =
            backend.post(if self.phase.batch > 1 { "batch_events" } else { "events" }, body);
        super::tally::record(&mut record.answers, start.elapsed().as_nanos() as u64);
        if record.took(answer) {
            self.published.fetch_add(events, Ordering::Relaxed);
            self.expected.fetch_add(wanted, Ordering::Relaxed);
            if is_closed {
                // What has not come by then is counted as lost at the end.
                meter.has_all(Instant::now() + self.phase.patience);
            }
        } else if is_closed {
            std::thread::sleep(PAUSE);
        }
    }

    /// Has one socket of the channel send a client event to the others.
    fn whisper(&self, lane: u16, ticket: u64, due_ns: u64) {
        let (channel, seats) = self.channel(ticket);
        let wanted = self.board.subscribers(channel).saturating_sub(1);
        let nth = (ticket / self.channels.len() as u64) % seats.len() as u64;
        let socket = seats[nth as usize];
        let mut message = String::from("{\"event\":\"client-load\",\"data\":\"");
        self.mark(&mut message, lane, due_ns);
        let name = &self.board.plan.channels[channel];
        write!(message, "\",\"channel\":\"{name}\"}}").expect("memory takes all");
        let meter = &self.board.lanes[usize::from(lane)];
        meter.want(wanted);
        let message = speech::text(message.as_bytes());
        self.hands[socket % self.hands.len()].ask(Command::Send { socket, message });
        self.published.fetch_add(1, Ordering::Relaxed);
        self.expected.fetch_add(wanted, Ordering::Relaxed);
        if matches!(self.phase.pace, Pace::InFlight(_)) {
            meter.has_all(Instant::now() + self.phase.patience);
        }
    }
}

impl Record {
    /// Whether the server took it; if not, notes why.
    fn took(&mut self, answer: io::Result<Answer>) -> bool {
        let refusal = match answer {
            Ok(Answer { status: 200..=299, .. }) => return true,
            Ok(Answer { status, body }) => {
                *self.refused.entry(status).or_default() += 1;
                format!("{status}: {body}")
            }
            Err(error) => {
                self.unanswered += 1;
                error.to_string()
            }
        };
        self.refusal.get_or_insert(refusal);
        false
    }
}

/// Sums what lanes counted.
pub(super) fn sum(records: impl IntoIterator<Item = Record>) -> Record {
    let mut sum = Record::new();
    for other in records {
        sum.answers.add(&other.answers).expect("all have the same bounds");
        sum.lateness.add(&other.lateness).expect("all have the same bounds");
        for (status, count) in other.refused {
            *sum.refused.entry(status).or_default() += count;
        }
        sum.unanswered += other.unanswered;
        sum.refusal = sum.refusal.or(other.refusal);
    }
    sum
}
