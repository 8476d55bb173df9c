//! `GET /internal/v1/cluster`: the nodes, their leases, the link of each to Redis, what was lost, and where nodes disagree.
//!
//! Each node answers for itself; the leases are read from Redis by the node that is asked, once for each answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::NodeScope;
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::build_info;
use crate::cluster::{Cluster, Disagreement, InvalidTopicMessage, NodeLease};
use crate::partitions::Partitions;

#[derive(Serialize)]
struct ClusterView {
    now_ms: u64,
    /// `off`, `connected` or `away`: the link of the node that is asked.
    state: &'static str,
    /// This node first; none without a cluster.
    nodes: Vec<NodeView>,
    /// `None` while Redis is away from this node, and where the others are not asked for.
    leases: Option<Vec<Lease>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

/// What a node reports of itself.
#[derive(Debug, Serialize, Deserialize)]
struct NodeView {
    node: String,
    version: String,
    up_for_ms: u64,
    sockets: u64,
    /// `cluster.prefix`, with the number of a database that is not 0.
    prefix: String,
    /// `pubsub` or `streams`.
    transport: String,
    lease_ms: u64,
    /// Since Redis confirmed the last one.
    last_heartbeat_ago_ms: Option<u64>,
    /// Over how many the channels are spread.
    partitions: u32,
    /// Over how many Redis of `cluster.urls` they are dealt out now.
    used_urls: Option<u32>,
    /// One for each partition, in their order.
    links: Vec<Link>,
    losses: Losses,
    disagreements: Vec<NamedDisagreement>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Link {
    /// The number of the partition.
    partition: u32,
    /// The place of its Redis in `cluster.urls`.
    url: usize,
    /// Nodes that its directory counts; 0 while it is away.
    live_nodes: u32,
    address: String,
    /// `connected` or `away`.
    state: String,
    /// For how long it is in this state.
    for_ms: u64,
    reconnects: u64,
    /// Why it is away, and what to change.
    cause: Option<String>,
    software: Option<String>,
    version: Option<String>,
    role: Option<String>,
    replicas: Option<u64>,
    round_trip_last_ms: Option<f64>,
    round_trip_p50_ms: Option<f64>,
    pending_requests: u64,
    queue_bytes: u64,
    losses: LinkLosses,
}

/// Of one partition, since the start of the node.
#[derive(Debug, Serialize, Deserialize)]
struct LinkLosses {
    events_missed: u64,
    possible_gaps: u64,
    events_not_replicated: u64,
    links_lost: u64,
}

/// Of all partitions, since the start of the node, as its metrics count.
#[derive(Debug, Serialize, Deserialize)]
struct Losses {
    events_missed: u64,
    possible_gaps: u64,
    events_not_replicated: u64,
    links_lost: u64,
    /// Only reasons for which a message was dropped.
    invalid_messages: Vec<DroppedMessages>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DroppedMessages {
    reason: String,
    count: u64,
    /// What happens, and what to change.
    sentence: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct NamedDisagreement {
    about: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// The other nodes.
    nodes: Vec<String>,
    sentence: String,
}

#[derive(Debug, Serialize)]
struct Lease {
    node: String,
    ends_in_ms: i64,
    held_for_ms: u64,
}

/// The answer of another node, as far as it is read here.
#[derive(Deserialize)]
struct OfOther {
    nodes: Vec<NodeView>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    let now_ms = whole_ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let Some(cluster) = api.node.cluster() else {
        let (state, nodes, leases, other_nodes) = ("off", Vec::new(), None, None);
        return Ok(json(&ClusterView { now_ms, state, nodes, leases, other_nodes }));
    };
    let state = if cluster.is_connected() { "connected" } else { "away" };
    let mut nodes = vec![api.node_view(cluster)];
    let (leases, (others, other_nodes)) = tokio::join!(
        leases(cluster.reachable(), scope),
        other_nodes::ask::<OfOther>(&api, scope, &uri)
    );
    let mut others: Vec<_> = others.into_iter().flatten().flat_map(|other| other.nodes).collect();
    others.sort_by(|one, other| one.node.cmp(&other.node));
    nodes.extend(others);
    Ok(json(&ClusterView { now_ms, state, nodes, leases, other_nodes }))
}

/// A link that breaks while the question is under way ends the wait with `None`.
async fn leases(cluster: &Cluster, scope: NodeScope) -> Option<Vec<Lease>> {
    if scope == NodeScope::This {
        return None;
    }
    let mut leases = cluster.leases().await?;
    leases.sort_unstable();
    let lease = |NodeLease { node, left_ms, held_ms }| Lease {
        node: node.to_string(),
        ends_in_ms: left_ms,
        held_for_ms: held_ms,
    };
    Some(leases.into_iter().map(lease).collect())
}

impl InternalApi {
    fn node_view(&self, partitions: &Partitions) -> NodeView {
        let cluster = partitions.first();
        let (metrics, settings) = (&self.node.metrics().cluster, cluster.settings());
        let invalid = InvalidTopicMessage::ALL.into_iter().map(|reason| DroppedMessages {
            reason: reason.label().to_owned(),
            count: metrics.dropped(reason.label()),
            sentence: reason.text().to_owned(),
        });
        NodeView {
            node: cluster.node().to_string(),
            version: build_info::VERSION.to_owned(),
            up_for_ms: whole_ms(self.started.elapsed()),
            sockets: self.node.metrics().apps.totals().sockets,
            prefix: settings.prefix.clone(),
            transport: if settings.streams.is_some() { "streams" } else { "pubsub" }.to_owned(),
            lease_ms: whole_ms(settings.beat_holds()),
            last_heartbeat_ago_ms: cluster.last_heartbeat().map(|at| whole_ms(at.elapsed())),
            partitions: cluster.partition().count,
            used_urls: partitions.used_urls(),
            links: partitions.all().iter().map(|cluster| self.link(cluster)).collect(),
            losses: Losses {
                events_missed: metrics.events_missed.get(),
                possible_gaps: metrics.possible_gaps.get(),
                events_not_replicated: metrics.events_not_replicated.get(),
                links_lost: metrics.links_lost.get(),
                invalid_messages: invalid.filter(|dropped| dropped.count > 0).collect(),
            },
            disagreements: cluster.disagreements().iter().map(named).collect(),
        }
    }

    fn link(&self, cluster: &Cluster) -> Link {
        let (facts, losses) = (cluster.link_facts(), cluster.partition_metrics());
        let (software, version, role, replicas) = match facts.peer {
            None => (None, None, None, None),
            Some(peer) => (Some(peer.software), Some(peer.version), peer.role, Some(peer.replicas)),
        };
        Link {
            partition: cluster.partition().index,
            url: facts.url,
            live_nodes: cluster.live_nodes(),
            address: facts.address,
            state: if facts.is_up { "connected" } else { "away" }.to_owned(),
            for_ms: whole_ms(facts.since.elapsed()),
            reconnects: facts.connects.saturating_sub(1),
            cause: facts.cause,
            software,
            version,
            role,
            replicas,
            round_trip_last_ms: facts.round_trip.map(|time| time.as_secs_f64() * 1e3),
            round_trip_p50_ms: self.timeline.last_minute().redis.quantile_ms(0.5),
            pending_requests: cluster.pending_requests(),
            queue_bytes: cluster.queue_bytes(),
            losses: LinkLosses {
                events_missed: losses.events_missed.get(),
                possible_gaps: losses.possible_gaps.get(),
                events_not_replicated: losses.events_not_replicated.get(),
                links_lost: losses.links_lost.get(),
            },
        }
    }
}

fn named(disagreement: &Disagreement) -> NamedDisagreement {
    NamedDisagreement {
        about: disagreement.about.name().to_owned(),
        app: disagreement.app.clone(),
        nodes: disagreement.nodes.clone(),
        sentence: disagreement.to_string(),
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
