//! What is counted of the link to the other nodes.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Counters and gauges of the cluster; all zero on a node of its own.
#[derive(Default)]
pub struct ClusterMetrics {
    connected: Gauge,
    lost: Counter,
    nodes: Gauge,
    unsettled: Gauge<i64, AtomicI64>,
    missed: Counter,
    doubtful: Counter,
    unshared: Counter,
    foreign: Family<Reason, Counter>,
    disagreements: Gauge,
}

impl ClusterMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        let r = r.sub_registry_with_prefix("cluster");
        r.register("connected", "1 while the link to Redis is up", self.connected.clone());
        r.register("links_lost", "Times the link to Redis was lost", self.lost.clone());
        r.register("nodes", "Nodes that live, as Redis knows them", self.nodes.clone());
        let unsettled = self.unsettled.clone();
        r.register("unsettled", "Requests to Redis that are not done", unsettled);
        let missed = self.missed.clone();
        r.register("events_missed", "Events of other nodes that were lost on the way", missed);
        let doubtful = self.doubtful.clone();
        r.register("gaps_unknown", "Times a channel may have lost events, nobody knows", doubtful);
        let unshared = self.unshared.clone();
        r.register("events_unshared", "Events of this node that others may not have got", unshared);
        let disagreements = self.disagreements.clone();
        r.register(
            "disagreements",
            "Settings in which other nodes on this Redis differ: apps, keys, secrets, wire, format",
            disagreements,
        );
        let foreign = self.foreign.clone();
        r.register(
            "messages_foreign",
            "Messages on the topics of this cluster that were dropped, by reason",
            foreign,
        );
    }

    /// The link is up, or gone.
    pub fn connected(&self, is_so: bool) {
        self.connected.set(i64::from(is_so));
        if !is_so {
            self.lost.inc();
        }
    }

    /// So many nodes live.
    pub fn alive(&self, nodes: u32) {
        self.nodes.set(i64::from(nodes));
    }

    /// So many requests are not done.
    pub fn unsettled(&self, requests: usize) {
        self.unsettled.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    /// So many events did not reach this node.
    pub fn missed(&self, events: u64) {
        self.missed.inc_by(events);
    }

    /// Events of a channel may not have reached this node.
    pub fn may_have_missed(&self) {
        self.doubtful.inc();
    }

    /// So many events of this node did not reach others.
    pub fn unshared(&self, events: u64) {
        self.unshared.inc_by(events);
    }

    /// So many settings differ between the nodes.
    pub fn disagreements(&self, count: usize) {
        self.disagreements.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A message on a topic of the cluster was dropped.
    pub fn foreign(&self, reason: &'static str) {
        self.foreign.get_or_create(&Reason { reason }).inc();
    }
}
