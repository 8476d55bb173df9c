//! The sockets of a plan, connected and subscribed.
//!
//! Owns the workers, which live as long as the pool. What is published on it is left to the phases.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::load_error::LoadError;
use super::phase::{Measures, Phase, Progress};
use super::phase_run::{PhaseRun, REPORT_INTERVAL, backend};
use super::plan::Plan;
use super::run_state::RunState;
use super::worker::{Command, Worker, WorkerHandle};

/// Connected sockets. Dropping the pool closes them.
#[derive(Debug)]
pub struct ClientPool {
    state: Arc<RunState>,
    workers: Vec<WorkerHandle>,
    threads: Vec<JoinHandle<()>>,
    connected_in: Duration,
    phases: u16,
}

impl ClientPool {
    /// Connects and subscribes every socket of the plan, at most 128 at a time, and reports to
    /// `progress` how many are ready. The first failure ends it.
    pub fn connect(plan: Plan, mut progress: impl FnMut(usize)) -> Result<Self, LoadError> {
        // If the limit stays as it is, the first socket beyond it fails with the reason.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        let start = Instant::now();
        let addresses = plan.targets.iter().map(|target| {
            target
                .resolve()
                .map_err(|cause| LoadError::Unreachable { target: target.clone(), cause })
        });
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = if plan.threads > 0 { plan.threads } else { (cores / 4).clamp(1, 4) };
        let state = RunState::new(plan, addresses, workers);
        let (handles, threads) = (Vec::new(), Vec::new());
        let connected_in = Duration::ZERO;
        let mut pool = Self { state, workers: handles, threads, connected_in, phases: 0 };
        for index in 0..workers {
            pool.start_worker(index, workers).map_err(LoadError::Start)?;
        }
        let state = &pool.state;
        loop {
            if let Some(error) = state.take_error() {
                return Err(error);
            }
            let ready = state.ready.load(Ordering::Relaxed);
            progress(ready);
            if ready == state.plan.sockets.len() {
                break;
            }
            thread::park_timeout(REPORT_INTERVAL);
        }
        pool.connected_in = start.elapsed();
        Ok(pool)
    }

    fn start_worker(&mut self, index: usize, workers: usize) -> io::Result<()> {
        let (worker, handle) = Worker::new(self.state.clone(), index, workers)?;
        let thread = thread::Builder::new().name(format!("load-{index}"));
        self.threads.push(thread.spawn(move || worker.run())?);
        self.workers.push(handle);
        Ok(())
    }

    /// Sockets that are open.
    pub fn open(&self) -> usize {
        self.state.open()
    }

    /// Sockets whose messages the server agreed to deflate.
    pub fn deflated(&self) -> usize {
        self.state.deflated.load(Ordering::Relaxed)
    }

    /// The time in which all sockets connected and subscribed.
    pub fn connected_in(&self) -> Duration {
        self.connected_in
    }

    /// For each socket, nanoseconds from its start to its last subscription.
    pub fn connects(&self) -> Histogram<u64> {
        self.state.connects.lock().clone()
    }

    /// Stops reading one socket, which from now on counts as a receiver of no event. Its end is noticed
    /// when the system reports it.
    pub fn stall(&self, socket: usize) {
        self.command(socket, Command::Stall { socket });
    }

    /// Reads a stalled socket again; its deliveries are still not counted, its end is.
    pub fn resume(&self, socket: usize) {
        self.command(socket, Command::Resume { socket });
    }

    fn command(&self, socket: usize, command: Command) {
        self.workers[socket % self.workers.len()].send(command);
    }

    /// Publishes one event on a channel without subscribers through every target, to find out whether
    /// the credentials are accepted.
    pub fn try_publish(&self) -> Result<(), LoadError> {
        let body = "{\"name\":\"load-check\",\"data\":\"{}\",\"channels\":[\"load-check\"]}";
        for (index, target) in self.state.plan.targets.iter().enumerate() {
            let answer = backend(&self.state, index).post("events", body)?;
            if !(200..300).contains(&answer.status) {
                let (target, status, answer) = (target.clone(), answer.status, answer.body);
                let target = target.to_string();
                return Err(LoadError::Unconfirmed { target, status, answer });
            }
        }
        Ok(())
    }

    /// Runs a phase to its end, and reports its progress several times a second.
    pub fn run(&mut self, phase: &Phase, report: impl FnMut(&Progress)) -> Measures {
        self.phases = self.phases.wrapping_add(1);
        PhaseRun::new(&self.state, &self.workers, phase, self.phases).run(report)
    }
}

impl Drop for ClientPool {
    fn drop(&mut self) {
        self.workers.iter().for_each(|worker| worker.send(Command::Stop));
        for thread in self.threads.drain(..) {
            // A panic has been printed by its thread.
            let _ = thread.join();
        }
    }
}
