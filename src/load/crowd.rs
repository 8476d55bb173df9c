//! The sockets of a plan, connected, and the phases that are run on them.
//!
//! Owns the threads: workers for as long as the crowd lives, lanes for one phase. Refuses to know
//! what is reported of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::Waker;

use super::backend::Backend;
use super::board::{Board, LANES_MAX};
use super::lane::{self, Record, Schedule};
use super::worker::{Command, Worker};
use super::{Live, Measures, Pace, Phase, Plan, Publisher, Refusal, Usage};

/// How often the caller is told how a phase is getting on.
const WATCH: Duration = Duration::from_millis(200);
/// Requests under way at most in an open loop; beyond, events are sent late, and counted so.
const OPEN_LANES_MAX: u64 = 64;
/// From when all lanes are ready to the first event.
const RUN_UP: Duration = Duration::from_millis(5);

/// Connected sockets. Dropping it closes them.
#[derive(Debug)]
pub struct Crowd {
    board: Arc<Board>,
    hands: Vec<Hand>,
    threads: Vec<JoinHandle<()>>,
    connected_in: Duration,
    phases: u16,
}

/// The way to a worker.
#[derive(Debug)]
pub(super) struct Hand {
    commands: Sender<Command>,
    waker: Waker,
}

impl Hand {
    pub(super) fn ask(&self, command: Command) {
        // A worker that is gone has said why; then nothing is delivered, which is counted.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

impl Crowd {
    /// Connects and subscribes every socket of the plan, at most 128 at a time; `progress` is told
    /// how many are ready. The first failure is the end of it.
    pub fn connect(plan: Plan, mut progress: impl FnMut(usize)) -> Result<Self, Refusal> {
        // If the limit stays as it is, the first socket too many says so.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        let start = Instant::now();
        let addresses = plan.targets.iter().map(|target| {
            target.resolve().map_err(|cause| Refusal::Unreachable { target: target.clone(), cause })
        });
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = if plan.threads > 0 { plan.threads } else { (cores / 4).clamp(1, 4) };
        let board = Board::new(plan, addresses, workers);
        let (hands, threads) = (Vec::new(), Vec::new());
        let mut crowd = Self { board, hands, threads, connected_in: Duration::ZERO, phases: 0 };
        for index in 0..workers {
            crowd.start_worker(index, workers).map_err(Refusal::Start)?;
        }
        let board = &crowd.board;
        loop {
            if let Some(refusal) = board.take_refusal() {
                return Err(refusal);
            }
            let ready = board.ready.load(Ordering::Relaxed);
            progress(ready);
            if ready == board.plan.seats.len() {
                break;
            }
            thread::park_timeout(WATCH);
        }
        crowd.connected_in = start.elapsed();
        Ok(crowd)
    }

    fn start_worker(&mut self, index: usize, workers: usize) -> std::io::Result<()> {
        let (commands, received) = mpsc::channel();
        let (worker, waker) = Worker::new(self.board.clone(), index, workers, received)?;
        let thread = thread::Builder::new().name(format!("load-{index}"));
        self.threads.push(thread.spawn(move || worker.run())?);
        self.hands.push(Hand { commands, waker });
        Ok(())
    }

    /// Sockets that are open.
    pub fn open(&self) -> usize {
        self.board.open()
    }

    /// Sockets whose messages the server agreed to deflate.
    pub fn deflated(&self) -> usize {
        self.board.deflated.load(Ordering::Relaxed)
    }

    /// How long all of it took.
    pub fn connected_in(&self) -> Duration {
        self.connected_in
    }

    /// For each socket, nanoseconds from its start to its last subscription.
    pub fn connects(&self) -> Histogram<u64> {
        self.board.connects.lock().clone()
    }

    /// Stops reading one socket, which is not expected to hear anything from now on. That it is
    /// closed is noticed when the system says so.
    pub fn stall(&self, socket: usize) {
        self.hands[socket % self.hands.len()].ask(Command::Stall { socket, stalled: true });
    }

    /// Reads a stalled socket again; what it hears is still not counted, but its end is.
    pub fn resume(&self, socket: usize) {
        self.hands[socket % self.hands.len()].ask(Command::Stall { socket, stalled: false });
    }

    /// Publishes one event nobody listens to, on every target, to learn whether it may; if not,
    /// why.
    pub fn try_publish(&self) -> Result<(), Refusal> {
        for index in 0..self.board.plan.targets.len() {
            let mut backend = self.backend(index);
            let target = self.board.plan.targets[index].clone();
            let body = "{\"name\":\"load-check\",\"data\":\"{}\",\"channels\":[\"load-check\"]}";
            let answer = match backend.post("events", body) {
                Ok(answer) => answer,
                Err(cause) => return Err(Refusal::Unanswered { target, cause: cause.into() }),
            };
            if !(200..300).contains(&answer.status) {
                let (status, answer) = (answer.status, answer.body);
                return Err(Refusal::Unconfirmed { target, status, answer });
            }
        }
        Ok(())
    }

    /// Runs a phase to its end, and tells `watch` several times a second how it is getting on.
    pub fn run(&mut self, phase: &Phase, mut watch: impl FnMut(&Live)) -> Measures {
        self.phases = self.phases.wrapping_add(1);
        let board = &*self.board;
        let is_closed = matches!(phase.pace, Pace::InFlight(_));
        board.echoes.store(is_closed, Ordering::Relaxed);
        board.tallies.iter().for_each(|tally| tally.lock().restart(self.phases));
        let schedule = self.schedule(phase);
        let (record, before) = thread::scope(|scope| {
            let (done, all_done) = mpsc::channel::<()>();
            let targets = self.targets(phase);
            let lanes: Vec<_> = (0..schedule.lanes)
                .map(|lane| {
                    let backend = self.backend(targets[usize::from(lane) % targets.len()]);
                    let (schedule, done) = (&schedule, done.clone());
                    scope.spawn(move || {
                        let record = schedule.run(lane, backend);
                        drop(done);
                        record
                    })
                })
                .collect();
            drop(done);
            schedule.gate.wait();
            let before = (Usage::of_all(&phase.pids), Usage::of_self());
            let start_ns = board.now_ns() + RUN_UP.as_nanos() as u64;
            schedule.start_ns.store(start_ns, Ordering::Relaxed);
            schedule.gate.wait();
            if phase.pace == Pace::Idle {
                schedule.idle(&mut watch);
            }
            while all_done.recv_timeout(WATCH) == Err(RecvTimeoutError::Timeout) {
                watch(&schedule.live());
            }
            let records = lanes.into_iter().map(|lane| lane.join().expect("lanes do not panic"));
            (lane::sum(records), before)
        });
        schedule.wait_for_the_last(&mut watch);
        let since = |now: Option<Usage>, then: Option<Usage>| Some(now? - then?);
        let server = since(Usage::of_all(&phase.pids), before.0);
        let client = since(Usage::of_self(), before.1);
        schedule.measures(record, (server, client))
    }

    /// Where requests go.
    fn targets(&self, phase: &Phase) -> Vec<usize> {
        match &*phase.targets {
            [] => (0..self.board.plan.targets.len()).collect(),
            chosen => chosen.to_vec(),
        }
    }

    fn backend(&self, target: usize) -> Backend {
        let plan = &self.board.plan;
        Backend::new(&plan.targets[target], self.board.addresses[target], &plan.credentials)
    }

    fn schedule<'a>(&'a self, phase: &'a Phase) -> Schedule<'a> {
        let plan = &self.board.plan;
        let chosen: BTreeSet<usize> = if phase.channels.is_empty() {
            (0..plan.channels.len()).collect()
        } else {
            phase.channels.iter().copied().collect()
        };
        let members = |channel: usize| {
            let seats = plan.seats.iter().enumerate();
            seats
                .filter(|(_, seat)| seat.channels.contains(&channel))
                .map(|(seat, _)| seat)
                .collect()
        };
        let is_client = phase.publisher == Publisher::Client;
        let channels: Vec<(usize, Vec<usize>)> = chosen
            .into_iter()
            .map(|channel| (channel, if is_client { members(channel) } else { Vec::new() }))
            .filter(|(_, seats)| !is_client || !seats.is_empty())
            .collect();
        // Channels without sockets have nobody who could say anything.
        let lanes = if channels.is_empty() { 0 } else { lanes(phase) };
        Schedule {
            board: &self.board,
            phase,
            lanes,
            number: self.phases,
            channels,
            is_ordered: !is_client && plan.seats.iter().all(|seat| seat.channels.len() <= 1),
            hands: &self.hands,
            gate: Barrier::new(usize::from(lanes) + 1),
            start_ns: AtomicU64::new(0),
            tickets: AtomicU64::new(0),
            published: AtomicU64::new(0),
            expected: AtomicU64::new(0),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.hands.iter().for_each(|hand| hand.ask(Command::Stop));
        for thread in self.threads.drain(..) {
            // A panic has been printed by its thread.
            let _ = thread.join();
        }
    }
}

/// As many as may be under way: in an open loop, what is due within a second.
fn lanes(phase: &Phase) -> u16 {
    let lanes = match (phase.pace, phase.publisher) {
        (Pace::Idle, _) => 0,
        (Pace::Rate(_), Publisher::Client) => 1,
        (Pace::Rate(rate), Publisher::Http) => (rate as u64).clamp(4, OPEN_LANES_MAX),
        (Pace::InFlight(count), _) => count.clamp(1, LANES_MAX) as u64,
    };
    lanes as u16
}

impl Schedule<'_> {
    fn live(&self) -> Live {
        let tally = self.board.sum();
        let start_ns = self.start_ns.load(Ordering::Relaxed);
        Live {
            elapsed: Duration::from_nanos(self.board.now_ns().saturating_sub(start_ns)),
            published: self.published.load(Ordering::Relaxed),
            expected: self.expected.load(Ordering::Relaxed),
            delivered: tally.delivered,
            open: self.board.open(),
            latency: tally.latency,
        }
    }

    fn idle(&self, watch: &mut impl FnMut(&Live)) {
        let end = Instant::now() + self.phase.duration;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::park_timeout(left.min(WATCH));
            watch(&self.live());
        }
    }

    fn wait_for_the_last(&self, watch: &mut impl FnMut(&Live)) {
        let expected = self.expected.load(Ordering::Relaxed);
        let start = Instant::now();
        let mut told = start;
        while self.board.delivered() < expected && start.elapsed() < self.phase.patience {
            // Short, since the server's use is read when this is over.
            thread::park_timeout(Duration::from_millis(1));
            if told.elapsed() > WATCH {
                told = Instant::now();
                watch(&self.live());
            }
        }
    }

    fn measures(
        &self,
        record: Record,
        (server, client): (Option<Usage>, Option<Usage>),
    ) -> Measures {
        let tally = self.board.settle();
        let start_ns = self.start_ns.load(Ordering::Relaxed);
        let end_ns =
            if self.phase.pace == Pace::Idle { self.board.now_ns() } else { tally.last_ns };
        Measures {
            elapsed: Duration::from_nanos(end_ns.saturating_sub(start_ns)),
            published: self.published.load(Ordering::Relaxed),
            expected: self.expected.load(Ordering::Relaxed),
            delivered: tally.delivered,
            disordered: tally.disordered,
            late: tally.late,
            latency: tally.latency,
            answers: record.answers,
            lateness: record.lateness,
            received_bytes: tally.bytes,
            refused: record.refused,
            unanswered: record.unanswered,
            refusal: record.refusal,
            errors: tally.errors,
            error: tally.error,
            closed: tally.closed,
            open: self.board.open(),
            server,
            client,
        }
    }
}
