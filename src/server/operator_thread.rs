//! The thread on which everything is made that operators look at: the internal listener, metrics, answers to other nodes.
//!
//! It has a runtime of its own and a lower priority than the workers, so no number of viewers delays what clients and
//! back ends wait for: where both want the same core, the worker gets it. Threads that it starts inherit this.

use std::future::Future;

use anyhow::Context;
use tokio::runtime::Builder;

use super::acceptor::Acceptor;
use super::worker::Lifecycle;
use crate::stream::{Listener, StdListener};

/// How much nicer it is than the workers. The scheduler gives it a tenth of a core that a worker uses up, and lets a
/// worker that wakes take the core from it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Starts the thread, which ends with the workers.
pub(super) fn start(
    listeners: Vec<(StdListener, Acceptor)>,
    inquiries: impl Future<Output = ()> + Send + 'static,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot make the runtime of the internal listener")?;
    let _entered = runtime.enter();
    for (listener, acceptor) in listeners {
        // The drain neither stops it nor waits for it: metrics are scraped until the end.
        runtime.spawn(acceptor.run(Listener::from_std(listener)?));
    }
    runtime.spawn(inquiries);
    let (running, aborted) = (lifecycle.threads.token(), lifecycle.aborted.clone());
    let run = move || {
        let _running = running;
        lower_priority();
        runtime.block_on(aborted.cancelled());
        // Not to wait for a list that is being made.
        runtime.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("resound-ops".to_owned());
    thread.spawn(run).context("cannot start the thread of the internal listener")?;
    Ok(())
}

/// Of this thread alone, as Linux has it; elsewhere it would be of the process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the thread of the internal listener has the priority of the workers");
    }
}
