//! What is counted of bytes and messages on their way through the workers, and how long they take.
//!
//! Each worker has parts of its own: what a shard writes ([`ShardMetrics`]) and what the connections of a
//! worker read ([`ReadMetrics`]).

use prometheus_client::metrics::counter::Counter;

use super::declare::{Gauge, metrics};
use super::histogram::Histogram;
use super::per_worker::PerWorker;

metrics! {
    /// The metrics of delivery.
    pub struct DeliveryMetrics in "" {
        /// Channel messages handed to sockets
        pub messages_delivered: PerWorker<Counter>,
        /// Bytes of channel messages handed to sockets, deflated where the socket negotiated it
        delivered_bytes: PerWorker<Counter>,
        /// Bytes of channel messages handed to sockets, before deflating
        delivered_uncompressed_bytes: PerWorker<Counter>,
        /// Bytes written to sockets: messages of channels, answers, pings, close frames
        pub sent_bytes: PerWorker<Counter>,
        /// Bytes read from sockets
        pub received_bytes: PerWorker<Counter>,
        /// Bytes of the text messages read from sockets, after inflating
        received_uncompressed_bytes: PerWorker<Counter>,
        /// Bytes of memory that wait in outboxes for sockets to take them
        pub outbox_bytes: PerWorker<Gauge>,
        /// Sockets whose peer was gone while writing
        pub write_failures: PerWorker<Counter>,
        /// The time from a trigger's arrival until a worker has offered its event to the last of its
        /// sockets in that channel; once per event, channel and worker of the node that was triggered
        pub trigger_to_write_seconds: PerWorker<Histogram>,
    }
}

/// What one shard counts.
#[derive(Debug)]
pub struct ShardMetrics {
    /// Channel messages handed to sockets.
    pub messages_delivered: Counter,
    /// Their bytes.
    pub delivered_bytes: Counter,
    /// Their bytes before deflating.
    pub delivered_uncompressed_bytes: Counter,
    /// Bytes that were written.
    pub sent_bytes: Counter,
    /// Memory that waits in outboxes.
    pub outbox_bytes: Gauge,
    /// Sockets whose peer was gone while writing.
    pub write_failures: Counter,
    /// From a trigger's arrival to the last write of its event.
    pub trigger_to_write: Histogram,
}

/// What the connections of one worker count.
#[derive(Debug)]
pub struct ReadMetrics {
    /// Bytes that were read.
    pub received_bytes: Counter,
    /// Bytes of text messages, after inflating.
    pub received_uncompressed_bytes: Counter,
}

impl DeliveryMetrics {
    /// The parts of one more shard.
    pub fn for_shard(&self) -> ShardMetrics {
        ShardMetrics {
            messages_delivered: self.messages_delivered.part(),
            delivered_bytes: self.delivered_bytes.part(),
            delivered_uncompressed_bytes: self.delivered_uncompressed_bytes.part(),
            sent_bytes: self.sent_bytes.part(),
            outbox_bytes: self.outbox_bytes.part(),
            write_failures: self.write_failures.part(),
            trigger_to_write: self.trigger_to_write_seconds.part(),
        }
    }

    /// The parts of the connections of one more worker.
    pub fn for_connections(&self) -> ReadMetrics {
        ReadMetrics {
            received_bytes: self.received_bytes.part(),
            received_uncompressed_bytes: self.received_uncompressed_bytes.part(),
        }
    }
}
