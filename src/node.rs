//! This node as the doors see it: every app's channels, and sockets as the rules see them.
//!
//! The one place where the pure rules meet the hub, and the hub the cluster; `websocket` and `http`
//! do not notice whether there are other nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::app::Apps;
use crate::channel_rules::WebhookSink;
use crate::cluster::{self, Cluster, NodeId};
use crate::config::ClusterSettings;
use crate::hub::{EventCache, Hub, Shards};
use crate::metrics::Metrics;

mod carrying;
mod channels;
mod message_log;
mod oversized;
mod peer_log;
mod pending_joins;
mod place;
mod refusals;
mod room;
mod socket;

pub use channels::{Channels, LastEvent, Triggered};
pub use message_log::readable;
pub use peer_log::PeerLog;
pub use pending_joins::PendingJoins;
pub use place::{Admission, Asked, Place};
pub use room::{Room, Vacancy};
pub use socket::{Arrival, Socket};

use carrying::{Local, Stage};
use channels::Membership;
use refusals::Refusals;

/// All apps of this process, served.
pub struct Node {
    by_id: HashMap<String, Arc<Channels>>,
    by_key: HashMap<String, Arc<Channels>>,
    shards: Arc<Shards>,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
    cluster: Option<Arc<Cluster>>,
    room: Room,
}

/// How a node stands to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There are none.
    Alone,
    /// It meets them through Redis.
    Connected {
        /// How many live, this one included.
        nodes: u32,
        /// What they do not agree on.
        disagreements: Vec<cluster::Disagreement>,
    },
    /// Redis is away: it serves its own sockets.
    Degraded,
}

/// Where the channels of each app report to, by the app's id; only apps that have webhooks.
pub type WebhookSinks = HashMap<String, Arc<dyn WebhookSink>>;

impl Node {
    /// A hub for every app, on shared shards and with one cache: a node of its own.
    pub fn new(
        apps: &Apps,
        shards: &Arc<Shards>,
        cache: EventCache,
        metrics: Arc<Metrics>,
        mut webhooks: WebhookSinks,
    ) -> Self {
        let cache = Arc::new(cache);
        let mut node = Self::empty(shards, metrics);
        for app in apps.iter() {
            let webhooks = webhooks.remove(&app.id);
            let hub = Hub::new(app.clone(), shards.clone(), cache.clone(), webhooks);
            node.add(Channels::new(Arc::new(hub), Arc::new(PeerLog::new(app.clone())), None));
        }
        node
    }

    /// The same as one of several: `id` names it, `settings` say how they meet.
    pub fn in_cluster(
        apps: &Apps,
        shards: &Arc<Shards>,
        cache: EventCache,
        metrics: Arc<Metrics>,
        webhooks: &WebhookSinks,
        (id, settings): (NodeId, ClusterSettings),
    ) -> Self {
        let cache = Arc::new(cache);
        let mut node = Self::empty(shards, metrics.clone());
        let local = |app: &Arc<_>| Local {
            hub: Arc::new(Hub::new(Arc::clone(app), shards.clone(), cache.clone(), None)),
            webhooks: webhooks.get(&app.id).cloned(),
            peer_log: Arc::new(PeerLog::new(Arc::clone(app))),
        };
        let stage = Stage {
            apps: apps.iter().map(local).collect(),
            metrics: metrics.clone(),
            refusals: node.refusals.clone(),
            loss_lines: Mutex::default(),
        };
        let locals: Vec<Local> = stage.apps.clone();
        let all: Vec<_> = apps.iter().cloned().collect();
        let carry_out = Box::new(move |effect| stage.carry_out(effect));
        let cluster = Arc::new(Cluster::new(id, settings, &all, metrics, carry_out));
        for (app, Local { hub, webhooks, peer_log }) in locals.into_iter().enumerate() {
            let membership = Membership { cluster: cluster.clone(), app, webhooks };
            node.add(Channels::new(hub, peer_log, Some(membership)));
        }
        node.cluster = Some(cluster);
        node
    }

    fn empty(shards: &Arc<Shards>, metrics: Arc<Metrics>) -> Self {
        let (by_id, by_key, refusals, room) = Default::default();
        Self { by_id, by_key, shards: shards.clone(), metrics, refusals, cluster: None, room }
    }

    fn add(&mut self, channels: Channels) {
        let channels = Arc::new(channels);
        let app = channels.app();
        self.by_id.insert(app.id.clone(), channels.clone());
        self.by_key.insert(app.key.clone(), channels.clone());
    }

    /// The channels of the app a back end names.
    pub fn channels_by_id(&self, app_id: &str) -> Option<&Arc<Channels>> {
        self.by_id.get(app_id)
    }

    /// The channels of the app a client names.
    pub fn channels_by_key(&self, key: &str) -> Option<&Arc<Channels>> {
        self.by_key.get(key)
    }

    /// Does what was put off until now, on every hub.
    pub fn tick(&self, now: Instant) {
        for channels in self.by_id.values() {
            channels.tick(now);
        }
    }

    /// The shards that own the sockets of all apps.
    pub fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// What the node counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The bound on its sockets.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Whether one more socket has a place.
    pub fn vacancy(&self, now: Instant) -> Vacancy {
        self.room.vacancy(self.shards.socket_count(), now)
    }

    /// How it stands to the others.
    pub fn standing(&self) -> Standing {
        match &self.cluster {
            None => Standing::Alone,
            Some(cluster) if cluster.is_connected() => {
                // Before the first beat is answered it knows of itself.
                let nodes = cluster.act(|core| core.live_nodes()).max(1);
                Standing::Connected { nodes, disagreements: cluster.disagreements() }
            }
            Some(_) => Standing::Degraded,
        }
    }

    /// What connects it to other nodes.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }
}
