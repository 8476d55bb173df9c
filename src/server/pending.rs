//! Connections that have not finished a first request: bounded over all workers, the oldest goes
//! first.
//!
//! Whoever opens connections and says nothing holds a descriptor for the head time-out; beyond
//! the bound, it is the silent ones that are cut off, not the newcomers.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::pace::Phase;

/// The newest connections, oldest first; those that were heard are dropped when met.
pub(super) struct Pending {
    most: usize,
    /// The length at which the whole list is looked through again.
    sweep_at: usize,
    connections: VecDeque<(Arc<Phase>, AbortHandle)>,
}

impl Pending {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), sweep_at: 64, connections: VecDeque::new() }
    }

    /// One more connection; returns how many silent ones had to go.
    pub(super) fn push(&mut self, phase: Arc<Phase>, task: AbortHandle) -> usize {
        // An abort handle keeps its task's memory: what is no longer silent goes at once, what is
        // stuck behind a silent one when the list has doubled.
        let silent =
            |(phase, task): &(Arc<Phase>, AbortHandle)| !phase.was_heard() && !task.is_finished();
        while self.connections.front().is_some_and(|oldest| !silent(oldest)) {
            self.connections.pop_front();
        }
        self.connections.push_back((phase, task));
        if self.connections.len() > self.sweep_at.min(self.most) {
            self.connections.retain(silent);
            self.sweep_at = 2 * self.connections.len().max(32);
        }
        let surplus = self.connections.len().saturating_sub(self.most);
        for (_, task) in self.connections.drain(..surplus) {
            task.abort();
        }
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Pending, Phase};

    #[tokio::test]
    async fn the_oldest_silent_connection_goes() {
        let mut pending = Pending::new(2);
        let task = || tokio::spawn(std::future::pending::<()>());
        let (heard, silent, newest) = (task(), task(), task());
        let phase = Arc::new(Phase::default());
        assert_eq!(pending.push(phase.clone(), heard.abort_handle()), 0);
        assert_eq!(pending.push(Arc::default(), silent.abort_handle()), 0);
        phase.busy();
        assert_eq!(
            pending.push(Arc::default(), newest.abort_handle()),
            0,
            "one of the three was heard"
        );
        assert_eq!(pending.push(Arc::default(), task().abort_handle()), 1);
        assert!(silent.await.unwrap_err().is_cancelled());
        assert!(!heard.is_finished() && !newest.is_finished());
    }
}
