//! The tasks that fetch and ask for several requests at once, so that none of them ends with the request that
//! began it.
//!
//! Each task has a bound of its own; what is left when the server ends is aborted.

use std::future::Future;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Tasks on the runtime of the process, not on that of a worker: answers of a back end delay no delivery.
#[derive(Debug)]
pub(super) struct Tasks {
    runtime: Handle,
    running: Mutex<JoinSet<()>>,
}

impl Tasks {
    /// On the runtime of the caller.
    pub(super) fn here() -> Self {
        Self { runtime: Handle::current(), running: Mutex::default() }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock();
        while running.try_join_next().is_some() {}
        running.spawn_on(task, &self.runtime);
    }
}
