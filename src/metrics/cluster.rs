//! What is counted of the cluster and of Redis; all of it stays zero on a single node.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::{Gauge, Label, metrics};
use super::histogram::Histogram;

metrics! {
    /// The metrics of the cluster.
    pub struct ClusterMetrics in "cluster_" {
        /// 1 while every link to Redis is up
        pub connected: Gauge,
        /// 1 while the link of a partition is up, by number
        partition_connected: Family<Label<u32>, Gauge>,
        /// Times the link to Redis was lost
        pub links_lost: Counter,
        /// Nodes with a current heartbeat in Redis, of several partitions in the one that has most
        pub nodes: LiveNodes,
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

/// As many as an installation may have; `config` checks it.
const PARTITIONS_MAX: usize = 64;

/// The live nodes that each partition counts. A partition whose link is down counts none, so the largest number is
/// that of a partition that is up. Clones share the numbers.
#[derive(Debug, Clone)]
pub struct LiveNodes(Arc<[AtomicU32; PARTITIONS_MAX]>);

impl Default for LiveNodes {
    fn default() -> Self {
        Self(Arc::new([const { AtomicU32::new(0) }; PARTITIONS_MAX]))
    }
}

impl LiveNodes {
    /// A partition counts so many.
    pub fn set(&self, partition: u32, nodes: u32) {
        self.0[partition as usize % PARTITIONS_MAX].store(nodes, Ordering::Relaxed);
    }

    /// The largest number of all partitions.
    pub fn get(&self) -> u32 {
        self.0.iter().map(|nodes| nodes.load(Ordering::Relaxed)).max().unwrap_or_default()
    }
}

impl EncodeMetric for LiveNodes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&u64::from(self.get()))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl ClusterMetrics {
    /// Shows whether the link of a partition is up.
    pub fn show_partition(&self, partition: u32, is_connected: bool) {
        let of_partition =
            self.partition_connected.get_or_create_owned(&[("partition", partition)]);
        of_partition.set(is_connected.into());
    }

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

#[cfg(test)]
mod tests {
    use super::LiveNodes;

    #[test]
    fn the_nodes_are_those_of_the_partition_that_counts_most() {
        let nodes = LiveNodes::default();
        nodes.set(0, 3);
        nodes.set(1, 3);
        assert_eq!(nodes.get(), 3);
        nodes.set(0, 0);
        assert_eq!(nodes.get(), 3, "the Redis of one partition is away");
        nodes.set(1, 2);
        assert_eq!(nodes.get(), 2);
    }
}
