//! One publisher: sends the next event when it is due, and waits as the pace of the phase requires.
//!
//! Owns the form of an event and the counters of its requests. A publisher has one event or batch under
//! way, so a phase has as many publishers as may be under way together; when the next one is due is left
//! to the schedule.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::backend::Backend;
use super::counters::{histogram, record};
use super::http_answer::Answer;
use super::load_error::LoadError;
use super::marker::Marker;
use super::phase::EventSource;
use super::run_state::Arrivals;
use super::schedule::{DueEvent, Schedule};
use super::system::sharpen_timers;
use super::wire;
use super::worker::{Command, WorkerHandle};

/// After a refusal a closed loop has nothing else that slows it down.
const PAUSE: Duration = Duration::from_millis(50);

/// A publisher, which runs on a thread of its own.
#[derive(Debug)]
pub(super) struct Publisher<'a> {
    pub(super) schedule: &'a Schedule<'a>,
    pub(super) workers: &'a [WorkerHandle],
    pub(super) number: u16,
    pub(super) backend: Backend,
}

/// What publishers counted of their requests.
#[derive(Debug)]
pub(super) struct PublisherCounters {
    pub(super) answers: Histogram<u64>,
    pub(super) lateness: Histogram<u64>,
    pub(super) refused: BTreeMap<u16, u64>,
    pub(super) unanswered: u64,
    pub(super) refusal: Option<String>,
}

impl Publisher<'_> {
    /// Publishes until the phase is over. `gate` is passed twice: when all publishers are connected, and
    /// when the time of the first event is set.
    pub(super) fn run(mut self, gate: &Barrier) -> PublisherCounters {
        sharpen_timers();
        let mut counters = PublisherCounters::default();
        let source = self.schedule.phase.source;
        if source == EventSource::BackEnd {
            // An error returns, and is counted, with the first request.
            let _ = self.backend.connect();
        }
        gate.wait();
        gate.wait();
        let mut body = String::new();
        while let Some(event) = self.schedule.next() {
            let sent_ns = self.schedule.state.now_ns();
            record(&mut counters.lateness, sent_ns.saturating_sub(event.due_ns));
            match source {
                EventSource::BackEnd => self.post(&mut counters, &mut body, event),
                EventSource::Clients => self.send_client_event(event),
            }
        }
        counters
    }

    fn post(&mut self, counters: &mut PublisherCounters, body: &mut String, event: DueEvent) {
        let schedule = self.schedule;
        let deliveries = self.write_body(body, event);
        if schedule.is_closed_loop() {
            self.arrivals().expect(deliveries);
        }
        let route = if schedule.phase.batch > 1 { "batch_events" } else { "events" };
        let start = Instant::now();
        let answer = self.backend.post(route, body);
        record(&mut counters.answers, start.elapsed().as_nanos() as u64);
        if counters.is_taken(answer) {
            schedule.count_published(schedule.batch(event.ticket), deliveries);
            self.wait_in_closed_loop();
        } else if schedule.is_closed_loop() {
            thread::sleep(PAUSE);
        }
    }

    /// Writes the body of a request; returns the deliveries it should lead to.
    fn write_body(&self, body: &mut String, DueEvent { ticket, due_ns }: DueEvent) -> u64 {
        let is_batch = self.schedule.phase.batch > 1;
        body.clear();
        if is_batch {
            body.push_str("{\"batch\":[");
        }
        let mut deliveries = 0;
        for nth in 0..self.schedule.batch(ticket) {
            if nth > 0 {
                body.push(',');
            }
            let channel = self.schedule.channel(ticket + nth).index;
            deliveries += self.schedule.state.subscribers(channel);
            body.push_str("{\"name\":\"load\",\"data\":\"");
            self.write_data(body, due_ns);
            let name = &self.schedule.state.plan.channels[channel];
            let written = if is_batch {
                write!(body, "\",\"channel\":\"{name}\"}}")
            } else {
                write!(body, "\",\"channels\":[\"{name}\"]}}")
            };
            written.expect("memory takes all");
        }
        if is_batch {
            body.push_str("]}");
        }
        deliveries
    }

    /// Has one socket of the channel send a client event to the others.
    fn send_client_event(&self, DueEvent { ticket, due_ns }: DueEvent) {
        let channel = self.schedule.channel(ticket).index;
        let deliveries = self.schedule.state.subscribers(channel).saturating_sub(1);
        let socket = self.schedule.sender(ticket);
        let mut message = String::from("{\"event\":\"client-load\",\"data\":\"");
        self.write_data(&mut message, due_ns);
        let name = &self.schedule.state.plan.channels[channel];
        write!(message, "\",\"channel\":\"{name}\"}}").expect("memory takes all");
        self.arrivals().expect(deliveries);
        let frame = wire::text_frame(message.as_bytes());
        self.workers[socket % self.workers.len()].send(Command::Send { socket, frame });
        self.schedule.count_published(1, deliveries);
        self.wait_in_closed_loop();
    }

    fn write_data(&self, out: &mut String, due_ns: u64) {
        let Schedule { state, phase, number, is_ordered, .. } = self.schedule;
        let order = if *is_ordered { self.arrivals().next_order() } else { 0 };
        let marker = Marker { phase: *number, publisher: self.number, order, due_ns };
        state.stamp.write(marker, phase.payload_bytes, out);
    }

    fn wait_in_closed_loop(&self) {
        if self.schedule.is_closed_loop() {
            // Deliveries that are missing by then are counted as lost at the end.
            self.arrivals().wait(Instant::now() + self.schedule.phase.patience);
        }
    }

    fn arrivals(&self) -> &Arrivals {
        &self.schedule.state.publishers[usize::from(self.number)]
    }
}

impl Default for PublisherCounters {
    fn default() -> Self {
        Self {
            answers: histogram(),
            lateness: histogram(),
            refused: BTreeMap::new(),
            unanswered: 0,
            refusal: None,
        }
    }
}

impl PublisherCounters {
    /// Whether the server took the event; if not, the reason is counted.
    fn is_taken(&mut self, answer: Result<Answer, LoadError>) -> bool {
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

    /// Adds the counts of another publisher.
    pub(super) fn add(&mut self, other: Self) {
        self.answers.add(&other.answers).expect("all have the same bounds");
        self.lateness.add(&other.lateness).expect("all have the same bounds");
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.refusal = self.refusal.take().or(other.refusal);
    }
}
