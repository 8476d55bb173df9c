//! One phase on a pool: starts the publishers, reports progress, waits for the last deliveries.
//!
//! Owns the threads of the publishers, and what the phase adds up to.

use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::phase::{Measures, Pace, Phase, Progress};
use super::publisher::{Publisher, PublisherCounters};
use super::run_state::RunState;
use super::schedule::Schedule;
use super::system;
use super::usage::Usage;
use super::worker::WorkerHandle;

/// The time between two reports of progress.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(200);
/// From when all publishers are connected to the first event.
const RUN_UP: Duration = Duration::from_millis(5);

/// A phase and the pool it runs on.
pub(super) struct PhaseRun<'a> {
    schedule: Schedule<'a>,
    workers: &'a [WorkerHandle],
}

/// The use of resources before a phase.
struct Before {
    server: Option<Usage>,
    client: Option<Usage>,
}

impl<'a> PhaseRun<'a> {
    pub(super) fn new(
        state: &'a RunState,
        workers: &'a [WorkerHandle],
        phase: &'a Phase,
        number: u16,
    ) -> Self {
        Self { schedule: Schedule::new(state, phase, number), workers }
    }

    /// Runs the phase to its end.
    pub(super) fn run(&self, mut report: impl FnMut(&Progress)) -> Measures {
        let Schedule { state, phase, number, .. } = &self.schedule;
        state.reports_arrivals.store(self.schedule.is_closed_loop(), Ordering::Relaxed);
        state.counters.iter().for_each(|counters| counters.lock().restart(*number));
        let (publishers, before) = self.publish(&mut report);
        self.wait_for_the_last(&mut report);
        let since = |now: Option<Usage>, then: Option<Usage>| Some(now? - then?);
        let server = since(system::usage_of_all(&phase.pids), before.server);
        let client = since(system::own_usage(), before.client);
        Measures { server, client, ..self.measures(publishers) }
    }

    fn publish(&self, report: &mut impl FnMut(&Progress)) -> (PublisherCounters, Before) {
        let (state, phase) = (self.schedule.state, self.schedule.phase);
        let targets = match &*phase.targets {
            [] => (0..state.plan.targets.len()).collect(),
            chosen => chosen.to_vec(),
        };
        let publishers = self.schedule.publishers();
        let gate = Barrier::new(usize::from(publishers) + 1);
        thread::scope(|scope| {
            let (done, all_done) = mpsc::channel::<()>();
            let threads: Vec<_> = (0..publishers)
                .map(|number| {
                    let backend = backend(state, targets[usize::from(number) % targets.len()]);
                    let (schedule, workers) = (&self.schedule, self.workers);
                    let publisher = Publisher { schedule, workers, number, backend };
                    let (gate, done) = (&gate, done.clone());
                    scope.spawn(move || {
                        let counters = publisher.run(gate);
                        drop(done);
                        counters
                    })
                })
                .collect();
            drop(done);
            gate.wait();
            let server = system::usage_of_all(&phase.pids);
            let before = Before { server, client: system::own_usage() };
            let start_ns = state.now_ns() + RUN_UP.as_nanos() as u64;
            self.schedule.start_ns.store(start_ns, Ordering::Relaxed);
            gate.wait();
            if phase.pace == Pace::Idle {
                self.idle(report);
            }
            while all_done.recv_timeout(REPORT_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                report(&self.progress());
            }
            let mut sum = PublisherCounters::default();
            threads.into_iter().for_each(|thread| {
                sum.add(thread.join().expect("publishers do not panic"));
            });
            (sum, before)
        })
    }

    fn progress(&self) -> Progress {
        let Schedule { state, start_ns, published, expected, .. } = &self.schedule;
        let counted = state.counted();
        let start_ns = start_ns.load(Ordering::Relaxed);
        Progress {
            elapsed: Duration::from_nanos(state.now_ns().saturating_sub(start_ns)),
            published: published.load(Ordering::Relaxed),
            expected: expected.load(Ordering::Relaxed),
            delivered: counted.delivered,
            open: state.open(),
            latency: counted.latency,
        }
    }

    fn idle(&self, report: &mut impl FnMut(&Progress)) {
        let end = Instant::now() + self.schedule.phase.duration;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::park_timeout(left.min(REPORT_INTERVAL));
            report(&self.progress());
        }
    }

    fn wait_for_the_last(&self, report: &mut impl FnMut(&Progress)) {
        let expected = self.schedule.expected.load(Ordering::Relaxed);
        let start = Instant::now();
        let mut reported = start;
        while self.schedule.state.delivered() < expected
            && start.elapsed() < self.schedule.phase.patience
        {
            // Short, since the server's use is read when this is over.
            thread::park_timeout(Duration::from_millis(1));
            if reported.elapsed() > REPORT_INTERVAL {
                reported = Instant::now();
                report(&self.progress());
            }
        }
    }

    fn measures(&self, publishers: PublisherCounters) -> Measures {
        let Schedule { state, phase, start_ns, published, expected, .. } = &self.schedule;
        let counted = state.settle();
        let start_ns = start_ns.load(Ordering::Relaxed);
        let end_ns = if phase.pace == Pace::Idle { state.now_ns() } else { counted.last_ns };
        Measures {
            elapsed: Duration::from_nanos(end_ns.saturating_sub(start_ns)),
            published: published.load(Ordering::Relaxed),
            expected: expected.load(Ordering::Relaxed),
            delivered: counted.delivered,
            disordered: counted.disordered,
            late: counted.late,
            latency: counted.latency,
            answers: publishers.answers,
            lateness: publishers.lateness,
            received_bytes: counted.bytes,
            refused: publishers.refused,
            unanswered: publishers.unanswered,
            refusal: publishers.refusal,
            errors: counted.errors,
            error: counted.error,
            closed: counted.closed,
            open: state.open(),
            server: None,
            client: None,
        }
    }
}

/// A back end of the pool's app at one of its targets.
pub(super) fn backend(state: &RunState, target: usize) -> Backend {
    let plan = &state.plan;
    Backend::new(&plan.targets[target], state.addresses[target], &plan.credentials)
}
