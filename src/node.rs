//! This node as the transports use it: the channels of every app, and the sockets of clients.
//!
//! Connects the protocol's sessions with the hub, and the hub with the cluster. Whether there are other
//! nodes is decided by the [`coordinator`]; `websocket` and `http` do not depend on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::app::{App, Apps};
use crate::channel_rules::WebhookSink;
use crate::cluster::{Cluster, Disagreement, NodeId};
use crate::config::ClusterSettings;
use crate::hub::{EventCache, Hub, Shards};
use crate::metrics::Metrics;

mod channels;
mod cluster_node;
mod connection_permit;
mod coordinator;
mod decisions;
mod local_apps;
mod message_log;
mod oversized;
mod peer_log;
mod pending_joins;
mod single_node;
mod socket;
mod socket_capacity;

pub use channels::Channels;
pub use connection_permit::ConnectionPermit;
pub use coordinator::{LastEvent, Triggered};
pub use message_log::readable;
pub use peer_log::PeerLog;
pub use pending_joins::PendingJoins;
pub use socket::{Arrival, Socket};
pub use socket_capacity::{Availability, SocketCapacity};

use cluster_node::ClusterNode;
use decisions::Decisions;
use local_apps::{LocalApp, LocalApps};
use single_node::SingleNode;

/// All apps of this process.
pub struct Node {
    by_id: HashMap<String, Arc<Channels>>,
    by_key: HashMap<String, Arc<Channels>>,
    shards: Arc<Shards>,
    metrics: Arc<Metrics>,
    cluster: Option<Arc<Cluster>>,
    capacity: SocketCapacity,
}

/// The node's relation to other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterStatus {
    /// No cluster is configured.
    Off,
    /// Redis is connected.
    Connected {
        /// The number of live nodes, this one included.
        nodes: u32,
        /// The settings in which nodes differ from this one.
        disagreements: Vec<Disagreement>,
    },
    /// Redis is away: the node serves its own sockets.
    Degraded,
}

/// Where the channels of each app report to, by the app's id; only apps that have webhooks.
pub type WebhookSinks = HashMap<String, Arc<dyn WebhookSink>>;

impl Node {
    /// A node without others: a hub for every app, on shared shards and with one cache.
    pub fn new(
        apps: &Apps,
        shards: &Arc<Shards>,
        cache: EventCache,
        metrics: Arc<Metrics>,
        mut webhooks: WebhookSinks,
    ) -> Self {
        let (cache, decisions) = (Arc::new(cache), Arc::new(Decisions::default()));
        let mut node = Self::empty(shards, metrics);
        for app in apps.iter() {
            let webhooks = webhooks.remove(&app.id);
            let hub = Arc::new(Hub::new(app.clone(), shards.clone(), cache.clone(), webhooks));
            let coordinator = Box::new(SingleNode::new(hub.clone()));
            let peer_log = Arc::new(PeerLog::new(app.clone()));
            let (decisions, metrics) = (decisions.clone(), node.metrics.clone());
            node.add(Channels::new(hub, coordinator, decisions, metrics, peer_log));
        }
        node
    }

    /// One of several nodes: `id` identifies it, `settings` are those of the cluster.
    pub fn in_cluster(
        apps: &Apps,
        shards: &Arc<Shards>,
        cache: EventCache,
        metrics: Arc<Metrics>,
        webhooks: &WebhookSinks,
        (id, settings): (NodeId, ClusterSettings),
    ) -> Self {
        let (cache, decisions) = (Arc::new(cache), Arc::new(Decisions::default()));
        let mut node = Self::empty(shards, metrics);
        let local = |app: &Arc<App>| LocalApp {
            hub: Arc::new(Hub::new(app.clone(), shards.clone(), cache.clone(), None)),
            webhooks: webhooks.get(&app.id).cloned(),
            peer_log: Arc::new(PeerLog::new(app.clone())),
        };
        let locals: Vec<LocalApp> = apps.iter().map(local).collect();
        let local_apps = LocalApps::new(locals.clone(), node.metrics.clone(), decisions.clone());
        let apply = Box::new(move |effect| local_apps.apply(effect));
        let all: Vec<_> = apps.iter().cloned().collect();
        let cluster = Arc::new(Cluster::new(id, settings, &all, node.metrics.clone(), apply));
        for (app, LocalApp { hub, webhooks, peer_log }) in locals.into_iter().enumerate() {
            let coordinator = ClusterNode::new(cluster.clone(), app, hub.clone(), webhooks);
            let (decisions, metrics) = (decisions.clone(), node.metrics.clone());
            node.add(Channels::new(hub, Box::new(coordinator), decisions, metrics, peer_log));
        }
        node.cluster = Some(cluster);
        node
    }

    fn empty(shards: &Arc<Shards>, metrics: Arc<Metrics>) -> Self {
        let (by_id, by_key, capacity) = Default::default();
        Self { by_id, by_key, shards: shards.clone(), metrics, cluster: None, capacity }
    }

    fn add(&mut self, channels: Channels) {
        let channels = Arc::new(channels);
        let app = channels.app();
        self.by_id.insert(app.id.clone(), channels.clone());
        self.by_key.insert(app.key.clone(), channels.clone());
    }

    /// The channels of the app with this id, by which back ends name it.
    pub fn channels_by_id(&self, app_id: &str) -> Option<&Arc<Channels>> {
        self.by_id.get(app_id)
    }

    /// The channels of the app with this key, by which clients name it.
    pub fn channels_by_key(&self, key: &str) -> Option<&Arc<Channels>> {
        self.by_key.get(key)
    }

    /// Does the work of all apps that is due by the time.
    pub fn tick(&self, now: Instant) {
        for channels in self.by_id.values() {
            channels.tick(now);
        }
    }

    /// The shards that own the sockets of all apps.
    pub fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The bound on the sockets of the process.
    pub fn capacity(&self) -> &SocketCapacity {
        &self.capacity
    }

    /// What is left for further sockets.
    pub fn availability(&self, now: Instant) -> Availability {
        self.capacity.availability(self.shards.socket_count(), now)
    }

    /// The node's relation to other nodes.
    pub fn cluster_status(&self) -> ClusterStatus {
        match &self.cluster {
            None => ClusterStatus::Off,
            Some(cluster) if cluster.is_connected() => {
                // Before the first heartbeat is answered the core counts no node.
                let nodes = cluster.act(|core| core.live_nodes()).max(1);
                ClusterStatus::Connected { nodes, disagreements: cluster.disagreements() }
            }
            Some(_) => ClusterStatus::Degraded,
        }
    }

    /// The cluster, if the node is in one.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }
}
