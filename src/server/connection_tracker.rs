//! The open HTTP connections: how many there may be, and which is closed when there are too many.
//!
//! A pending connection, one that has sent no request yet, holds a descriptor until the header
//! time-out, a kept-alive one until the idle time-out. Above a bound an older connection is closed,
//! never the one that was just accepted. Pending connections may hold a quarter of the descriptors:
//! above that the oldest of them is closed, below it the one that has been idle longest, and one
//! whose request is being served only when there is no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::AbortHandle;

use super::timed_stream::RequestPhase;

/// The least length at which a queue is swept for connections that have ended.
const SWEEP_LEN_MIN: usize = 64;

/// Pending connections are closed first while they are more than one of this many. Fewer are about
/// to send a request, and a proxy loses less with an idle connection.
const PENDING_SHARE: usize = 4;

/// Above their bound, one of this many pending connections is closed at once.
const FLOOD_SHARE: usize = 16;

/// The HTTP connections of all workers.
pub(super) struct ConnectionTracker {
    max_pending: usize,
    max_open: usize,
    open: Arc<AtomicUsize>,
    /// Oldest first. One that has sent a request is moved to `served` at the next look.
    pending: ConnectionQueue,
    served: ConnectionQueue,
}

/// Counts one connection as open until it is dropped: when the connection ends or becomes a
/// WebSocket.
pub(super) struct ConnectionToken(Arc<AtomicUsize>);

impl Drop for ConnectionToken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct ConnectionQueue {
    /// An abort handle keeps its task's memory, so the queue is swept when it has doubled.
    sweep_len: usize,
    connections: VecDeque<TrackedConnection>,
}

struct TrackedConnection {
    phase: Arc<RequestPhase>,
    task: AbortHandle,
    /// How many requests it had sent at the last look.
    requests: u32,
}

impl ConnectionTracker {
    pub(super) fn new(max_pending: usize) -> Self {
        Self {
            max_pending: max_pending.max(1),
            max_open: usize::MAX,
            open: Arc::default(),
            pending: ConnectionQueue::new(),
            served: ConnectionQueue::new(),
        }
    }

    /// Bounds all connections together; without it only pending ones have a bound.
    pub(super) fn set_max_open(&mut self, max_open: usize) {
        self.max_open = max_open;
        self.max_pending = self.max_pending.min(max_open);
    }

    /// Counts one more connection as open.
    pub(super) fn token(&self) -> ConnectionToken {
        self.open.fetch_add(1, Ordering::Relaxed);
        ConnectionToken(self.open.clone())
    }

    pub(super) fn is_over_limit(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.max_open
    }

    /// Adds a connection that was accepted; returns how many pending ones were closed for it.
    pub(super) fn track(&mut self, phase: Arc<RequestPhase>, task: AbortHandle) -> usize {
        while self.pending.connections.front().is_some_and(|oldest| !oldest.is_pending()) {
            self.pending.connections.pop_front().into_iter().for_each(|it| self.add_served(it));
        }
        self.pending.push(TrackedConnection { phase, task, requests: 0 });
        if self.pending.connections.len() <= self.max_pending {
            return 0;
        }
        self.move_served();
        let surplus = self.pending.connections.len().saturating_sub(self.max_pending);
        if surplus == 0 {
            return 0;
        }
        // More than the surplus, so that a flood does not cause a search for each connection.
        let surplus = surplus.max(self.max_pending / FLOOD_SHARE);
        self.pending.connections.drain(..surplus).for_each(|oldest| oldest.task.abort());
        surplus
    }

    /// Closes one connection, as the module documentation orders them; returns its task, which has the
    /// descriptor until it is finished, or `None` if there is none.
    pub(super) fn evict(&mut self) -> Option<AbortHandle> {
        self.move_served();
        let too_many_pending = self.pending.connections.len() > self.max_open / PENDING_SHARE;
        let idle = if too_many_pending { None } else { self.served.pop_idle() };
        let evicted = idle.or_else(|| self.pending.connections.pop_front());
        let evicted = evicted.or_else(|| self.served.pop_idle());
        let evicted = evicted.or_else(|| self.served.connections.pop_front())?;
        evicted.task.abort();
        Some(evicted.task)
    }

    /// Moves the connections that have sent a request out of the pending ones.
    fn move_served(&mut self) {
        let pending = std::mem::take(&mut self.pending.connections);
        for connection in pending {
            if connection.is_pending() {
                self.pending.connections.push_back(connection);
            } else {
                self.add_served(connection);
            }
        }
    }

    fn add_served(&mut self, mut connection: TrackedConnection) {
        if !connection.task.is_finished() {
            connection.requests = connection.phase.request_count();
            self.served.push(connection);
        }
    }
}

impl ConnectionQueue {
    fn new() -> Self {
        Self { sweep_len: SWEEP_LEN_MIN, connections: VecDeque::new() }
    }

    fn push(&mut self, connection: TrackedConnection) {
        self.connections.push_back(connection);
        if self.connections.len() > self.sweep_len {
            self.connections.retain(|connection| !connection.task.is_finished());
            self.sweep_len = 2 * self.connections.len().max(SWEEP_LEN_MIN / 2);
        }
    }

    /// Removes the connection that has waited longest for its next request. That is approximate: one
    /// that sent a request since the last look moves to the end.
    fn pop_idle(&mut self) -> Option<TrackedConnection> {
        for _ in 0..2 * self.connections.len() {
            let mut oldest = self.connections.pop_front()?;
            if oldest.task.is_finished() {
                continue;
            }
            let requests = oldest.phase.request_count();
            let was_used = std::mem::replace(&mut oldest.requests, requests) != requests;
            if !was_used && !oldest.phase.is_busy() {
                return Some(oldest);
            }
            self.connections.push_back(oldest);
        }
        None
    }
}

impl TrackedConnection {
    fn is_pending(&self) -> bool {
        self.phase.request_count() == 0 && !self.task.is_finished()
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::{Arc, ConnectionTracker, RequestPhase};

    fn track(tracker: &mut ConnectionTracker) -> (JoinHandle<()>, Arc<RequestPhase>, usize) {
        let task = tokio::spawn(std::future::pending::<()>());
        let phase = Arc::<RequestPhase>::default();
        let closed = tracker.track(phase.clone(), task.abort_handle());
        (task, phase, closed)
    }

    fn serve_request(phase: &RequestPhase) {
        phase.start_request();
        phase.finish_request();
    }

    #[tokio::test]
    async fn above_the_bound_the_oldest_pending_connection_is_closed() {
        let mut tracker = ConnectionTracker::new(2);
        let (served, phase, _) = track(&mut tracker);
        let (pending, ..) = track(&mut tracker);
        phase.start_request();
        let (newest, _, closed) = track(&mut tracker);
        assert_eq!(closed, 0, "one of the three has sent a request");
        assert_eq!(track(&mut tracker).2, 1);
        assert!(pending.await.unwrap_err().is_cancelled());
        assert!(!served.is_finished() && !newest.is_finished());
    }

    #[tokio::test]
    async fn idle_connections_are_evicted_before_pending_ones_and_busy_ones_last() {
        let mut tracker = ConnectionTracker::new(10);
        tracker.set_max_open(4);
        let (used, used_phase, _) = track(&mut tracker);
        let (busy, busy_phase, _) = track(&mut tracker);
        let (idle, idle_phase, _) = track(&mut tracker);
        let (pending, ..) = track(&mut tracker);
        busy_phase.start_request();
        serve_request(&used_phase);
        serve_request(&idle_phase);
        tracker.move_served();
        serve_request(&used_phase);
        for task in [idle, used, pending, busy] {
            assert!(tracker.evict().is_some());
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(tracker.evict().is_none(), "none is left");
    }

    #[tokio::test]
    async fn of_many_pending_connections_the_oldest_is_evicted_before_an_idle_one() {
        let mut tracker = ConnectionTracker::new(10);
        tracker.set_max_open(4);
        let (idle, phase, _) = track(&mut tracker);
        serve_request(&phase);
        let (oldest, ..) = track(&mut tracker);
        let (newest, ..) = track(&mut tracker);
        assert!(tracker.evict().is_some());
        assert!(oldest.await.unwrap_err().is_cancelled());
        assert!(tracker.evict().is_some());
        assert!(idle.await.unwrap_err().is_cancelled());
        assert!(!newest.is_finished());
    }

    #[tokio::test]
    async fn a_connection_counts_as_open_until_its_token_is_dropped() {
        let mut tracker = ConnectionTracker::new(10);
        tracker.set_max_open(1);
        let tokens = [tracker.token(), tracker.token()];
        assert!(tracker.is_over_limit());
        drop(tokens);
        assert!(!tracker.is_over_limit());
    }
}
