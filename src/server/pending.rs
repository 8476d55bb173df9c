//! The connections that are HTTP: how many there may be, and which goes when there are too many.
//!
//! A connection without a request holds a descriptor for the head time-out, a kept-alive one for
//! the idle time-out. Beyond the bounds the oldest goes, never the newcomer. Those that have sent no
//! request may hold a quarter of the places: above that one of them goes, below it one that waits
//! for its next request, and only in the end one whose request is being served.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::AbortHandle;

use super::pace::Phase;

/// The length at which a list is looked through for connections that have ended, at first.
const SWEEP_AT: usize = 64;

/// Connections without a request go first while they hold more than one of so many places. Fewer
/// are on their way to a request, and a proxy's idle connection is the lesser loss.
const SILENT_SHARE: usize = 4;

/// Beyond their bound, one of so many silent connections goes at once.
const FLOOD_STEP: usize = 16;

/// The connections of all workers that are HTTP.
pub(super) struct Pending {
    most_silent: usize,
    most: usize,
    open: Arc<AtomicUsize>,
    /// Without a request so far, oldest first; those that sent one are moved when met.
    silent: Queue,
    /// Those that sent one.
    kept: Queue,
}

/// What one connection counts for until it is no longer HTTP.
pub(super) struct Ticket(Arc<AtomicUsize>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Queue {
    /// An abort handle keeps its task's memory, so the list is swept when it has doubled.
    sweep_at: usize,
    connections: VecDeque<Connection>,
}

struct Connection {
    phase: Arc<Phase>,
    task: AbortHandle,
    /// The number of its requests when it was last met.
    requests: u32,
}

impl Pending {
    /// At most `most_silent` that have sent no request.
    pub(super) fn new(most_silent: usize) -> Self {
        Self {
            most_silent: most_silent.max(1),
            most: usize::MAX,
            open: Arc::default(),
            silent: Queue::new(),
            kept: Queue::new(),
        }
    }

    /// From now on at most `most` in all.
    pub(super) fn bound(&mut self, most: usize) {
        self.most = most;
        self.most_silent = self.most_silent.min(most);
    }

    /// Counts one more connection from its beginning.
    pub(super) fn ticket(&self) -> Ticket {
        self.open.fetch_add(1, Ordering::Relaxed);
        Ticket(self.open.clone())
    }

    /// Whether there are more than there may be.
    pub(super) fn is_overfull(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.most
    }

    /// Adds a connection that was accepted; returns how many silent ones had to go.
    pub(super) fn push(&mut self, phase: Arc<Phase>, task: AbortHandle) -> usize {
        while self.silent.connections.front().is_some_and(|oldest| !oldest.is_silent()) {
            self.silent.connections.pop_front().into_iter().for_each(|oldest| self.keep(oldest));
        }
        self.silent.push(Connection { phase, task, requests: 0 });
        if self.silent.connections.len() <= self.most_silent {
            return 0;
        }
        self.sort();
        let surplus = self.silent.connections.len().saturating_sub(self.most_silent);
        if surplus == 0 {
            return 0;
        }
        // Some more than that, so that a flood does not look through the list for each connection.
        let surplus = surplus.max(self.most_silent / FLOOD_STEP);
        self.silent.connections.drain(..surplus).for_each(|oldest| oldest.task.abort());
        surplus
    }

    /// Ends the connection that has the least claim to its place; whether there was one.
    pub(super) fn evict(&mut self) -> bool {
        self.sort();
        let too_silent = self.silent.connections.len() > self.most / SILENT_SHARE;
        let idle = if too_silent { None } else { self.kept.oldest_idle() };
        let oldest = idle.or_else(|| self.silent.connections.pop_front());
        let oldest = oldest.or_else(|| self.kept.oldest_idle());
        let Some(oldest) = oldest.or_else(|| self.kept.connections.pop_front()) else {
            return false;
        };
        oldest.task.abort();
        true
    }

    /// Moves those that are no longer silent out of the way.
    fn sort(&mut self) {
        let silent = std::mem::take(&mut self.silent.connections);
        for connection in silent {
            if connection.is_silent() {
                self.silent.connections.push_back(connection);
            } else {
                self.keep(connection);
            }
        }
    }

    fn keep(&mut self, mut connection: Connection) {
        if !connection.task.is_finished() {
            connection.requests = connection.phase.requests();
            self.kept.push(connection);
        }
    }
}

impl Queue {
    fn new() -> Self {
        Self { sweep_at: SWEEP_AT, connections: VecDeque::new() }
    }

    fn push(&mut self, connection: Connection) {
        self.connections.push_back(connection);
        if self.connections.len() > self.sweep_at {
            self.connections.retain(|connection| !connection.task.is_finished());
            self.sweep_at = 2 * self.connections.len().max(SWEEP_AT / 2);
        }
    }

    /// The connection that has waited longest for its next request, as nearly as one look at each
    /// can tell: one that was used since the last look goes to the end.
    fn oldest_idle(&mut self) -> Option<Connection> {
        for _ in 0..2 * self.connections.len() {
            let mut oldest = self.connections.pop_front()?;
            if oldest.task.is_finished() {
                continue;
            }
            let requests = oldest.phase.requests();
            let used = std::mem::replace(&mut oldest.requests, requests) != requests;
            if !used && !oldest.phase.is_busy() {
                return Some(oldest);
            }
            self.connections.push_back(oldest);
        }
        None
    }
}

impl Connection {
    fn is_silent(&self) -> bool {
        !self.phase.was_heard() && !self.task.is_finished()
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::{Arc, Pending, Phase};

    fn push(pending: &mut Pending) -> (JoinHandle<()>, Arc<Phase>, usize) {
        let (task, phase) = (tokio::spawn(std::future::pending::<()>()), Arc::<Phase>::default());
        let gone = pending.push(phase.clone(), task.abort_handle());
        (task, phase, gone)
    }

    #[tokio::test]
    async fn the_oldest_silent_connection_goes() {
        let mut pending = Pending::new(2);
        let (heard, phase, _) = push(&mut pending);
        let (silent, ..) = push(&mut pending);
        phase.busy();
        let (newest, _, gone) = push(&mut pending);
        assert_eq!(gone, 0, "one of the three was heard");
        assert_eq!(push(&mut pending).2, 1);
        assert!(silent.await.unwrap_err().is_cancelled());
        assert!(!heard.is_finished() && !newest.is_finished());
    }

    #[tokio::test]
    async fn idle_ones_go_before_silent_ones_and_busy_ones_last() {
        let mut pending = Pending::new(10);
        pending.bound(4);
        let (used, used_phase, _) = push(&mut pending);
        let (busy, busy_phase, _) = push(&mut pending);
        let (idle, idle_phase, _) = push(&mut pending);
        let (silent, ..) = push(&mut pending);
        for phase in [&used_phase, &busy_phase, &idle_phase] {
            phase.busy();
        }
        used_phase.idle();
        idle_phase.idle();
        pending.sort();
        used_phase.busy();
        used_phase.idle();
        for task in [idle, used, silent, busy] {
            assert!(pending.evict());
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(!pending.evict(), "none is left");
    }

    #[tokio::test]
    async fn of_many_silent_ones_the_oldest_goes_before_any_idle_one() {
        let mut pending = Pending::new(10);
        pending.bound(4);
        let (idle, phase, _) = push(&mut pending);
        phase.busy();
        phase.idle();
        let (oldest, ..) = push(&mut pending);
        let (newest, ..) = push(&mut pending);
        assert!(pending.evict());
        assert!(oldest.await.unwrap_err().is_cancelled());
        assert!(pending.evict());
        assert!(idle.await.unwrap_err().is_cancelled());
        assert!(!newest.is_finished());
    }

    #[tokio::test]
    async fn a_connection_counts_until_its_ticket_is_gone() {
        let mut pending = Pending::new(10);
        pending.bound(1);
        let tickets = [pending.ticket(), pending.ticket()];
        assert!(pending.is_overfull());
        drop(tickets);
        assert!(!pending.is_overfull());
    }
}
