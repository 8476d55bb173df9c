//! What is short on this node, and what new sockets are refused with then.
//!
//! The bound on descriptors is in `socket_capacity`; when memory is short is decided by `server`, which raises the condition.

use std::time::Instant;

use super::{Availability, Node};
use crate::metrics::Condition;
use crate::protocol::CloseCode;

/// Memory of a socket for which nothing waits, its subscription included (README.md).
const SOCKET_BYTES: u64 = 1930;

impl Node {
    /// What is left for further sockets.
    pub fn availability(&self, now: Instant) -> Availability {
        self.capacity.availability(self.shards.socket_count(), now)
    }

    /// Records whether descriptors for further sockets are short.
    pub fn check_descriptors(&self, now: Instant) {
        let (availability, conditions) = (self.availability(now), &self.metrics.process.condition);
        let is_exhausted = availability == Availability::Exhausted;
        conditions.set(Condition::DescriptorsExhausted, is_exhausted);
        conditions.set(Condition::DescriptorsLow, availability == Availability::Low);
    }

    /// Whether the process uses as much memory as it may.
    pub fn is_short_of_memory(&self) -> bool {
        self.metrics.process.condition.holds(Condition::MemoryShort)
    }

    /// The code that a new socket is refused with now, if it is, where so many are open or about to open.
    pub fn refusal(&self, sockets: usize, now: Instant) -> Option<CloseCode> {
        if self.is_short_of_memory() {
            return Some(CloseCode::OverMemoryLimit);
        }
        let is_full = self.capacity.availability(sockets, now) == Availability::Exhausted;
        is_full.then_some(CloseCode::OverServerLimit)
    }

    /// Bytes of what the server counts at any time: outboxes, sockets, the events of cache channels.
    pub fn counted_bytes(&self) -> u64 {
        let outboxes = self.metrics.delivery.outbox_bytes.sum();
        let sockets = self.shards.socket_count() as u64 * SOCKET_BYTES;
        outboxes + sockets + self.cache.bytes() as u64
    }
}
