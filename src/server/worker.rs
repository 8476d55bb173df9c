//! One worker: a thread with a runtime of its own, for the connections it accepts and the one
//! shard that owns their write side.
//!
//! No task moves between threads. With tasks that any thread may run, one connect and subscribe
//! cost twice the CPU, most of it in threads waking each other up. The kernel spreads connections
//! over the workers (`SO_REUSEPORT`); a socket's id then says whose it is.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::accept::Entrance;
use super::membership::Link;
use crate::hub::{Shard, Shards};

/// What a worker serves.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) listener: TcpListener,
    pub(super) entrance: Arc<Entrance>,
    pub(super) shards: Arc<Shards>,
    pub(super) shard: Shard,
    /// What else runs on this thread.
    pub(super) link: Option<Link>,
}

/// How the workers of a server end.
#[derive(Clone, Default)]
pub(super) struct Life {
    /// The connections, and the loops that accept them.
    pub(super) tasks: TaskTracker,
    /// The first is taken: until then they wait in the kernel.
    pub(super) open: CancellationToken,
    /// Nobody new is taken.
    pub(super) closed: CancellationToken,
    /// What is left is dropped.
    pub(super) over: CancellationToken,
    /// A worker has ended, for whatever reason.
    pub(super) ended: CancellationToken,
    /// The threads.
    pub(super) threads: TaskTracker,
}

/// Setting a timer that is nearer than all others makes the runtime wake its own thread through a
/// descriptor: one more write and one more poll for every connection, about 3 µs, unless one is
/// always nearer.
const NEAR: Duration = Duration::from_millis(500);

impl Worker {
    /// Starts the thread.
    pub(super) fn start(self, life: Life) -> anyhow::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot make the runtime of a worker")?;
        let thread = std::thread::Builder::new().name(format!("resound-{}", self.index));
        let alive = life.threads.token();
        // From now on, not from when the thread gets that far: the server waits for none to be left.
        let accepting = life.tasks.token();
        let run = move || {
            let _ended = life.ended.clone().drop_guard();
            let _alive = alive;
            if let Err(error) = self.run(&runtime, &life, accepting) {
                tracing::error!(%error, "a worker cannot listen");
            }
        };
        thread.spawn(run).context("cannot start the thread of a worker")?;
        Ok(())
    }

    fn run(self, runtime: &Runtime, life: &Life, accepting: TaskTrackerToken) -> io::Result<()> {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let accept = self.entrance.accept(listener, life.tasks.clone(), life.closed.clone());
            let open = life.open.clone();
            tokio::spawn(async move {
                open.cancelled().await;
                accept.await;
                drop(accepting);
            });
            self.link.map(tokio::spawn);
            let shard = tokio::spawn(self.shards.run(self.index, self.shard));
            tokio::spawn(keep_a_timer_near());
            tokio::select! {
                _ = shard => {}
                () = life.over.cancelled() => {}
            }
            Ok(())
        })
    }
}

async fn keep_a_timer_near() {
    let mut ticks = tokio::time::interval(NEAR);
    loop {
        ticks.tick().await;
    }
}
