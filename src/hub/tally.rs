//! What one turn of a shard has counted: plain numbers, so that a receiver costs no atomic operation.
//!
//! Brought to the metrics twice a turn. When sockets are written to is left to the shard.

use crate::metrics::{Histogram, ShardMetrics};

/// The numbers of a turn.
pub(super) struct Tally {
    messages: u64,
    bytes: usize,
    uncompressed_bytes: usize,
    pub(super) sent_bytes: usize,
    /// The memory that waits in all outboxes, over all turns.
    pub(super) outbox_bytes: usize,
    metrics: ShardMetrics,
}

impl Tally {
    pub(super) fn new(metrics: ShardMetrics) -> Self {
        let (messages, bytes, uncompressed_bytes, sent_bytes, outbox_bytes) = Default::default();
        Self { messages, bytes, uncompressed_bytes, sent_bytes, outbox_bytes, metrics }
    }

    /// A channel message was handed to so many sockets, with so many bytes in all.
    pub(super) fn delivered(&mut self, receivers: u64, bytes: usize, uncompressed_bytes: usize) {
        self.messages += receivers;
        self.bytes += bytes;
        self.uncompressed_bytes += uncompressed_bytes;
    }

    /// Counts a socket whose peer was gone while writing.
    pub(super) fn write_failed(&self) {
        self.metrics.write_failures.inc();
    }

    /// The time from a trigger to the last write of its event.
    pub(super) fn trigger_to_write(&self) -> &Histogram {
        &self.metrics.trigger_to_write
    }

    /// Counts what was delivered. Before the writes: a client that has an event finds it counted.
    pub(super) fn count_deliveries(&mut self) {
        if self.messages == 0 {
            return;
        }
        self.metrics.messages_delivered.inc_by(std::mem::take(&mut self.messages));
        self.metrics.delivered_bytes.inc_by(std::mem::take(&mut self.bytes) as u64);
        let uncompressed_bytes = std::mem::take(&mut self.uncompressed_bytes);
        self.metrics.delivered_uncompressed_bytes.inc_by(uncompressed_bytes as u64);
    }

    /// Counts what was written, and what still waits.
    pub(super) fn count_writes(&mut self) {
        self.metrics.sent_bytes.inc_by(std::mem::take(&mut self.sent_bytes) as u64);
        self.metrics.outbox_bytes.set(self.outbox_bytes as u64);
    }
}
