//! What is counted of the cluster and of Redis; all of it stays zero on a single node.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::{Gauge, Label, metrics};
use super::histogram::Histogram;

metrics! {
    /// The metrics of the cluster.
    pub struct ClusterMetrics in "cluster_" {
        /// 1 while the link to Redis is up
        pub connected: Gauge,
        /// Times the link to Redis was lost
        pub links_lost: Counter,
        /// Nodes with a current heartbeat in Redis
        pub nodes: Gauge,
        /// Requests to Redis that are not answered yet
        pub pending_requests: Gauge,
        /// Bytes that wait for Redis, or for its answer
        pub queue_bytes: Gauge,
        /// The time from sending a batch of requests to Redis to its answer
        pub redis_round_trip_seconds: Histogram,
        /// Events of other nodes that were lost on the way
        pub events_missed: Counter,
        /// Times a channel may have lost events, which cannot be counted
        pub possible_gaps: Counter,
        /// Events of this node that may not have reached the others
        pub events_not_replicated: Counter,
        /// Settings in which other nodes on this Redis differ: apps, keys, secrets, transport, format
        pub disagreements: Gauge,
        /// Messages on this cluster's topics that were dropped as invalid, by reason
        invalid_messages: Family<Label<&'static str>, Counter>,
    }
}

impl ClusterMetrics {
    /// Exposes the series of a reason for which messages are dropped.
    pub fn expose_drop(&self, reason: &'static str) {
        self.invalid_messages.get_or_create_owned(&[("reason", reason)]);
    }

    /// How many messages were dropped for a reason.
    pub fn dropped(&self, reason: &'static str) -> u64 {
        self.invalid_messages.get_or_create_owned(&[("reason", reason)]).get()
    }

    /// Counts a message on a topic of the cluster that was dropped.
    pub fn message_dropped(&self, reason: &'static str) {
        self.invalid_messages.get_or_create(&[("reason", reason)]).inc();
    }
}
