//! Later decisions on subscriptions, of the cluster or of an input, on their way to the sessions that requested them.
//!
//! A session belongs to the task of its connection; a decision is made elsewhere and waits here until the
//! session's next message, tick or end. The client has its answer already. `tests/interleavings` plays this file in every
//! order of threads.

use std::collections::HashMap;

use crate::hub::sync::{AtomicUsize, Mutex, Ordering};
use crate::protocol::{ChannelName, SocketId};

/// What was decided on one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The socket is in the channel.
    Granted(ChannelName),
    /// The channel is full.
    Refused(ChannelName),
}

/// The decisions for the sockets of this node; always empty on a single node without inputs.
#[derive(Default)]
pub(super) struct Decisions {
    /// The number of entries in `waiting`.
    sockets: AtomicUsize,
    pub(super) waiting: Mutex<HashMap<SocketId, Vec<Decision>>>,
}

/// Entries above which the map returns memory that a burst of joins made it take.
pub(super) const IDLE_CAPACITY: usize = 1024;

impl Decisions {
    /// Adds a decision for a socket. Called with the cluster's lock held, so a socket that has left a
    /// channel finds every decision that was made before.
    pub(super) fn push(&self, socket: SocketId, decision: Decision) {
        let mut waiting = self.waiting.lock();
        waiting.entry(socket).or_default().push(decision);
        self.sockets.store(waiting.len(), Ordering::Release);
    }

    /// Whether a refusal of a channel waits for a socket.
    pub(super) fn has_refused(&self, socket: SocketId, channel: &ChannelName) -> bool {
        let waiting = self.waiting.lock();
        let refused = Decision::Refused(channel.clone());
        waiting.get(&socket).is_some_and(|decisions| decisions.contains(&refused))
    }

    /// Takes the decisions for a socket, in order. Costs one load when none wait for any socket.
    pub(super) fn take(&self, socket: SocketId) -> Vec<Decision> {
        if self.sockets.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut waiting = self.waiting.lock();
        let decisions = waiting.remove(&socket).unwrap_or_default();
        self.sockets.store(waiting.len(), Ordering::Release);
        if waiting.capacity() > IDLE_CAPACITY && waiting.len() < waiting.capacity() / 8 {
            let capacity = waiting.len() * 2;
            waiting.shrink_to(capacity);
        }
        decisions
    }
}
