//! Connections that have not finished a first request: bounded, the oldest goes first.
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
    connections: VecDeque<(Arc<Phase>, AbortHandle)>,
}

impl Pending {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), connections: VecDeque::new() }
    }

    /// One more connection; returns how many silent ones had to go.
    pub(super) fn push(&mut self, phase: Arc<Phase>, task: AbortHandle) -> usize {
        self.connections.push_back((phase, task));
        if self.connections.len() <= self.most {
            return 0;
        }
        self.connections.retain(|(phase, task)| !phase.was_heard() && !task.is_finished());
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
