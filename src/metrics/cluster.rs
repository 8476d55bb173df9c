//! What is counted of the cluster and of Redis; all of it stays zero on a single node.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

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
        /// Times the link of a partition was lost, by number
        partition_links_lost: Family<Label<u32>, Counter>,
        /// Bytes of a partition that wait for Redis, or for its answer, by number
        partition_queue_bytes: Family<Label<u32>, Gauge>,
        /// Events of other nodes that were lost on the way, by the number of the partition
        partition_events_missed: Family<Label<u32>, Counter>,
        /// Times a channel may have lost events, which cannot be counted, by the number of the partition
        partition_possible_gaps: Family<Label<u32>, Counter>,
        /// Events of this node that may not have reached the others, by the number of the partition
        partition_events_not_replicated: Family<Label<u32>, Counter>,
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
        /// Answers of Redis that did not arrive and may have had webhook events that this node alone sends
        pub webhook_answers_lost: Counter,
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
        self.0[partition as usize % PARTITIONS_MAX].store(nodes, Relaxed);
    }

    /// The largest number of all partitions.
    pub fn get(&self) -> u32 {
        self.0.iter().map(|nodes| nodes.load(Relaxed)).max().unwrap_or_default()
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

/// What one partition counts; each loss is counted for all of them too.
#[derive(Debug, Clone)]
pub struct PartitionMetrics {
    /// 1 while the link is up.
    pub connected: Gauge,
    /// Requests that are not answered yet.
    pub pending_requests: PartitionGauge,
    /// Bytes that wait for Redis, or for its answer.
    pub queue_bytes: PartitionGauge,
    /// Times the link was lost.
    pub links_lost: PartitionCounter,
    /// Events of other nodes that were lost on the way.
    pub events_missed: PartitionCounter,
    /// Times a channel may have lost events.
    pub possible_gaps: PartitionCounter,
    /// Events of this node that may not have reached the others.
    pub events_not_replicated: PartitionCounter,
}

/// A value of one partition, and the sum of all of them.
#[derive(Debug, Clone)]
pub struct PartitionGauge {
    of_all: Gauge,
    own: Gauge,
}

impl PartitionGauge {
    /// Shows the new value here and in the sum.
    pub fn set(&self, value: u64) {
        let before = self.own.set(value);
        match value.cmp(&before) {
            Ordering::Greater => drop(self.of_all.inc_by(value - before)),
            Ordering::Less => drop(self.of_all.dec_by(before - value)),
            Ordering::Equal => {}
        }
    }

    /// The value of this partition.
    pub fn get(&self) -> u64 {
        self.own.get()
    }
}

/// A counter of one partition, which counts for all of them too.
#[derive(Debug, Clone)]
pub struct PartitionCounter {
    of_all: Counter,
    own: Counter,
}

impl PartitionCounter {
    /// Counts so many.
    pub fn inc_by(&self, count: u64) {
        self.of_all.inc_by(count);
        self.own.inc_by(count);
    }

    /// What this partition has counted.
    pub fn get(&self) -> u64 {
        self.own.get()
    }
}

impl ClusterMetrics {
    /// Those of a partition, whose series are exposed from now on.
    pub fn of_partition(&self, partition: u32) -> PartitionMetrics {
        let label = [("partition", partition)];
        let gauge = |family: &Family<Label<u32>, Gauge>| family.get_or_create_owned(&label);
        let counter = |of_all: &Counter, family: &Family<Label<u32>, Counter>| PartitionCounter {
            of_all: of_all.clone(),
            own: family.get_or_create_owned(&label),
        };
        PartitionMetrics {
            connected: gauge(&self.partition_connected),
            pending_requests: PartitionGauge {
                of_all: self.pending_requests.clone(),
                own: Gauge::default(),
            },
            queue_bytes: PartitionGauge {
                of_all: self.queue_bytes.clone(),
                own: gauge(&self.partition_queue_bytes),
            },
            links_lost: counter(&self.links_lost, &self.partition_links_lost),
            events_missed: counter(&self.events_missed, &self.partition_events_missed),
            possible_gaps: counter(&self.possible_gaps, &self.partition_possible_gaps),
            events_not_replicated: counter(
                &self.events_not_replicated,
                &self.partition_events_not_replicated,
            ),
        }
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
    use super::{ClusterMetrics, LiveNodes};

    #[test]
    fn a_loss_of_a_partition_is_one_of_all_too() {
        let metrics = ClusterMetrics::default();
        let (one, other) = (metrics.of_partition(1), metrics.of_partition(2));
        one.links_lost.inc_by(1);
        other.links_lost.inc_by(2);
        other.events_missed.inc_by(5);
        let counted = [&one.links_lost, &other.links_lost, &one.events_missed].map(|it| it.get());
        assert_eq!(counted, [1, 2, 0]);
        assert_eq!((metrics.links_lost.get(), metrics.events_missed.get()), (3, 5));
        assert_eq!(metrics.of_partition(2).events_missed.get(), 5, "the same series");
    }

    #[test]
    fn a_value_of_a_partition_is_a_part_of_the_sum() {
        let metrics = ClusterMetrics::default();
        let (one, other) = (metrics.of_partition(1), metrics.of_partition(2));
        for (of_one, of_other) in [(5, 0), (5, 7), (2, 7), (0, 9), (0, 0)] {
            one.queue_bytes.set(of_one);
            other.queue_bytes.set(of_other);
            assert_eq!((one.queue_bytes.get(), other.queue_bytes.get()), (of_one, of_other));
            assert_eq!(metrics.queue_bytes.get(), of_one + of_other);
        }
    }

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
