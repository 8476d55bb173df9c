//! One worker: a thread with a runtime of its own, for the connections it accepts and for the one
//! shard that writes to its sockets.
//!
//! No task moves between threads. With tasks that any thread may run, one connect and subscribe cost
//! twice the CPU, most of it in threads that wake each other. The kernel spreads connections over
//! the workers (`SO_REUSEPORT`), which share a unix socket; a socket's id names its worker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::acceptor::Acceptor;
use crate::hub::{Shard, Shards};
use crate::partitions::LinkTask;
use crate::stream::{Listener, StdListener};
use crate::supervision::Pulse;

pub(super) struct Worker {
    pub(super) index: usize,
    /// One for each address.
    pub(super) listeners: Vec<(StdListener, Acceptor)>,
    pub(super) shards: Arc<Shards>,
    pub(super) shard: Shard,
    /// The links to Redis that this thread keeps up: all of them if it is the only worker, a share of several partitions.
    pub(super) cluster_tasks: Vec<LinkTask>,
    /// Beats as long as the thread gets on.
    pub(super) pulse: Pulse,
}

/// The tokens that start and stop the workers of a server, in the order in which they are cancelled,
/// and what the server waits for.
#[derive(Clone, Default)]
pub(super) struct Lifecycle {
    /// Start accepting. Until then connections wait in the kernel.
    pub(super) open: CancellationToken,
    /// Stop accepting.
    pub(super) closed: CancellationToken,
    /// Abort the remaining connections.
    pub(super) aborted: CancellationToken,
    /// A worker has ended, for any reason.
    pub(super) worker_ended: CancellationToken,
    /// The connections, and the loops that accept them.
    pub(super) tasks: TaskTracker,
    pub(super) threads: TaskTracker,
}

/// Setting a timer that is due before all others makes the runtime wake its own thread through a
/// descriptor: one more write and one more poll for every connection, about 3 µs, unless a timer is
/// always nearer.
const NEAREST_TIMER: Duration = Duration::from_millis(500);

impl Worker {
    /// Starts the thread.
    pub(super) fn start(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot make the runtime of a worker")?;
        self.shards.metrics().process.worker_busy_seconds.add(runtime.metrics());
        let thread = std::thread::Builder::new().name(format!("resound-{}", self.index));
        let running = lifecycle.threads.token();
        // Taken before the thread runs: the server ends once no token is left.
        let accepting = lifecycle.tasks.token();
        let run = move || {
            let _worker_ended = lifecycle.worker_ended.clone().drop_guard();
            let _running = running;
            if let Err(error) = self.run(&runtime, &lifecycle, accepting) {
                tracing::error!(%error, "a worker cannot listen, and the server ends: the error is of the system");
            }
        };
        thread.spawn(run).context("cannot start the thread of a worker")?;
        Ok(())
    }

    fn run(
        self,
        runtime: &Runtime,
        lifecycle: &Lifecycle,
        accepting: TaskTrackerToken,
    ) -> io::Result<()> {
        runtime.block_on(async {
            for (listener, acceptor) in self.listeners {
                let listener = Listener::from_std(listener)?;
                let (open, accepting) = (lifecycle.open.clone(), accepting.clone());
                tokio::spawn(async move {
                    open.cancelled().await;
                    acceptor.run(listener).await;
                    drop(accepting);
                });
            }
            drop(accepting);
            self.cluster_tasks.into_iter().for_each(|task| drop(tokio::spawn(task)));
            let shard = tokio::spawn(self.shards.run(self.index, self.shard));
            tokio::spawn(keep_a_timer_near(self.pulse));
            tokio::select! {
                _ = shard => {}
                () = lifecycle.aborted.cancelled() => {}
            }
            Ok(())
        })
    }
}

async fn keep_a_timer_near(pulse: Pulse) {
    let mut ticks = tokio::time::interval(NEAREST_TIMER);
    loop {
        ticks.tick().await;
        pulse.beat();
    }
}
