//! This node as the transports use it: the channels of every app, and the sockets of clients.
//!
//! Connects the protocol's sessions with the hub, and the hub with the cluster. Whether there are other
//! nodes is decided by the [`coordinator`]; `websocket` and `http` do not depend on it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::app::{App, Apps};
use crate::channel_rules::WebhookSink;
use crate::cluster::{InvalidTopicMessage, NodeId};
use crate::config::{ClusterSettings, PayloadView};
use crate::explanation::{TriggerId, Verdict};
use crate::hub::{EventCache, Hub, Shards};
use crate::metrics::Metrics;
use crate::observation::Observation;
use crate::partitions::Partitions;
use crate::protocol::CloseCode;
use crate::redis_input::InputFacts;

mod activity;
mod app_registry;
mod beside_reverb;
mod channel_list;
mod channels;
mod cluster_node;
mod cluster_status;
mod connection_permit;
mod coordinator;
mod decisions;
mod explaining;
mod explanation_budget;
mod fed_node;
mod gentle_work;
mod inputs;
mod inquiries;
mod local_apps;
mod message_log;
mod peer_log;
mod pending_joins;
mod reached;
mod receivers;
mod recent_deliveries;
mod recent_triggers;
mod refusal_reason;
mod served_apps;
mod shortage;
mod single_node;
mod socket;
mod socket_capacity;
mod trigger_explanation;
mod socket_list;
mod socket_query;
mod socket_row;
#[cfg(test)]
mod tests;

pub use activity::{AcceptedEvent, Activity};
pub use channel_list::{ChannelFacts, ChannelList, ChannelOrder, ChannelQuery, ChannelRow};
pub use channels::Channels;
pub use cluster_status::ClusterStatus;
pub use connection_permit::ConnectionPermit;
pub use coordinator::{LastEvent, TriggerEnd, Triggered};
pub use explaining::{ChannelExplanation, ExplainedEvent};
pub use gentle_work::gently;
pub use inputs::Inputs;
pub use inquiries::{AnswerPart, AskedInquiry, MAX_PART_BYTES, NodeInquiries, OpenInquiry};
pub use message_log::readable;
pub use peer_log::PeerLog;
pub use pending_joins::PendingJoins;
pub use reached::Reached;
pub use receivers::{NodeReceivers, SoughtDelivery};
pub use socket::{Arrival, Socket};
pub use socket_capacity::{Availability, SocketCapacity};
pub use socket_query::{SocketOrder, SocketQuery};
pub use socket_row::{JoinedChannel, SocketEnd, SocketList, SocketRow};
pub use trigger_explanation::TriggerExplanation;

pub use crate::partitions::RedisAway;

use app_registry::AppRegistry;
use cluster_node::ClusterNode;
use coordinator::Coordinator;
use decisions::Decisions;
use fed_node::FedNode;
use local_apps::{LocalApp, LocalApps};
use recent_triggers::RecentTriggers;
use single_node::SingleNode;

/// All apps of this process.
pub struct Node {
    apps: AppRegistry,
    served_apps: Arc<served_apps::ServedApps>,
    shards: Arc<Shards>,
    cache: Arc<EventCache>,
    decisions: Arc<Decisions>,
    metrics: Arc<Metrics>,
    /// The cluster, and where it finds the apps.
    cluster: Option<(Arc<Partitions>, Arc<LocalApps>)>,
    capacity: SocketCapacity,
    /// The events that viewers were shown of late.
    recent: Arc<RecentTriggers>,
    looks: socket_query::SocketLooks,
    /// Set before the first app is served, if at all.
    inputs: OnceLock<Inputs>,
}

/// An app whose sockets have to be closed after a change of the configuration.
pub struct ClosedApp {
    /// Its channels.
    pub channels: Arc<Channels>,
    /// The code for its sockets.
    pub code: CloseCode,
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
        webhooks: &WebhookSinks,
    ) -> Self {
        let node = Self::empty(shards, cache, metrics);
        node.serve(apps, webhooks);
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
        let mut node = Self::empty(shards, cache, metrics);
        let local_apps = Arc::new(LocalApps::new(node.metrics.clone(), node.decisions.clone()));
        let local = local_apps.clone();
        let apply = move |effect| local.apply(effect);
        let partitions = Partitions::new(id, &settings, &[], &node.metrics, apply);
        node.cluster = Some((Arc::new(partitions), local_apps));
        node.serve(apps, webhooks);
        node
    }

    fn empty(shards: &Arc<Shards>, cache: EventCache, metrics: Arc<Metrics>) -> Self {
        for reason in InvalidTopicMessage::ALL {
            metrics.cluster.expose_drop(reason.label());
        }
        let (apps, served_apps, decisions, capacity, recent, looks, inputs) = Default::default();
        let (shards, cache) = (shards.clone(), Arc::new(cache));
        Self {
            apps,
            served_apps,
            shards,
            cache,
            decisions,
            metrics,
            cluster: None,
            capacity,
            recent,
            looks,
            inputs,
        }
    }

    /// The inputs as they are now, in the order of the configuration.
    pub fn input_facts(&self) -> Vec<InputFacts> {
        self.inputs.get().map(Inputs::facts).unwrap_or_default()
    }

    /// Feeds apps that are served from now on with these inputs. To be called once.
    pub fn set_inputs(&self, inputs: Inputs) {
        let _ = self.inputs.set(inputs);
    }

    /// Serves exactly these apps from now on: new ones are added, those that are there get their new
    /// settings, the others are found no more. `webhooks` are the sinks of new apps. Returns the apps
    /// whose sockets have to be closed, those of earlier calls included. One caller at a time.
    pub fn serve(&self, apps: &Apps, webhooks: &WebhookSinks) -> Vec<ClosedApp> {
        let (mut served, mut added) = (Vec::new(), 0);
        for app in apps.iter() {
            let (slot, channels) = match self.apps.slot(&app.id) {
                Ok((slot, channels)) => {
                    channels.hub().set_app(app.clone());
                    (slot, channels)
                }
                Err(next) => {
                    let slot = next + added;
                    added += 1;
                    (slot, self.add(app, slot, webhooks.get(&app.id).cloned()))
                }
            };
            if let Some((cluster, _)) = &self.cluster {
                cluster.put_app(slot, app);
            }
            served.push(channels);
        }
        if let Some((cluster, _)) = &self.cluster {
            cluster.claim_apps(apps);
        }
        self.apps.serve(&served);
        self.served_apps.set(apps.iter().cloned().collect());
        let removed = self.apps.removed().into_iter();
        let removed = removed.map(|channels| (channels, CloseCode::ApplicationDoesNotExist));
        let disabled = served.into_iter().filter(|channels| !channels.app().enabled);
        let disabled = disabled.map(|channels| (channels, CloseCode::ApplicationDisabled));
        removed.chain(disabled).map(|(channels, code)| ClosedApp { channels, code }).collect()
    }

    /// The channels of an app that was never served before.
    fn add(
        &self,
        app: &Arc<App>,
        slot: usize,
        webhooks: Option<Arc<dyn WebhookSink>>,
    ) -> Arc<Channels> {
        let (shards, cache) = (self.shards.clone(), self.cache.clone());
        let peer_log = Arc::new(PeerLog::new(&app.id, shards.observation().clone()));
        let (hub, coordinator): (_, Box<dyn Coordinator>) = match &self.cluster {
            None => {
                let hub = Arc::new(Hub::new(app.clone(), shards, cache, webhooks));
                (hub.clone(), Box::new(SingleNode::new(hub)))
            }
            Some((cluster, local_apps)) => {
                let hub = Arc::new(Hub::new(app.clone(), shards, cache, None));
                let (local, log) = (hub.clone(), peer_log.clone());
                local_apps.push(LocalApp {
                    hub: local,
                    webhooks: webhooks.clone(),
                    peer_log: log,
                    activity: Activity::new(hub.clone(), self.recent.clone()),
                });
                let node = ClusterNode::new(cluster.clone(), slot, hub.clone(), webhooks);
                (hub, Box::new(node))
            }
        };
        let seen = (peer_log, Activity::new(hub.clone(), self.recent.clone()));
        let inputs = self.inputs.get();
        let laravel = inputs.iter().flat_map(|inputs| &inputs.laravel);
        let of_app = laravel.filter(|input| input.app_id() == app.id);
        let coordinator = of_app.fold(coordinator, |inner, input| {
            let decides = (self.decisions.clone(), self.metrics.clone());
            let (input, hub) = (input.clone(), hub.clone());
            Box::new(FedNode::new(input, inner, hub, decides, seen.clone()))
        });
        let (decisions, metrics) = (self.decisions.clone(), self.metrics.clone());
        let served = self.served_apps.clone();
        let reverb = inputs.and_then(|inputs| inputs.reverb.clone());
        let channels = Channels::new(hub, coordinator, decisions, metrics, seen, served);
        Arc::new(channels.beside(reverb))
    }

    /// Whether an app is served.
    pub fn serves(&self, app_id: &str) -> bool {
        self.apps.by_id(app_id).is_some()
    }

    /// The channels of the app with this id, by which back ends name it.
    pub fn channels_by_id(&self, app_id: &str) -> Option<Arc<Channels>> {
        self.apps.by_id(app_id)
    }

    /// The channels of the app with this key, by which clients name it.
    pub fn channels_by_key(&self, key: &str) -> Option<Arc<Channels>> {
        self.apps.by_key(key)
    }

    /// The ids of all apps, in order.
    pub fn app_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> =
            self.served_apps.all().iter().map(|app| app.id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// The verdict on an event that was published.
    pub async fn explain(&self, channels: &Channels, event: ExplainedEvent<'_>) -> Verdict {
        explaining::explain(channels, &self.apps.served(), event).await
    }

    /// What happened of late on a channel, and what would happen with an event now.
    pub async fn explain_channel(
        &self,
        channels: &Channels,
        channel: &str,
        event: Option<&str>,
    ) -> ChannelExplanation {
        explaining::explain_channel(channels, &self.apps.served(), channel, event).await
    }

    /// What became of an event that a viewer was shown; `None` if it is not kept.
    pub async fn explain_trigger(
        &self,
        channels: &Channels,
        id: TriggerId,
        view: PayloadView,
    ) -> Option<TriggerExplanation> {
        trigger_explanation::explain_trigger(channels, &self.apps.served(), id, view).await
    }

    /// Does the work of all apps that is due by the time.
    pub fn tick(&self, now: Instant) {
        self.check_descriptors(now);
        self.apps.for_all(|channels| channels.tick(now));
    }

    /// Delivers the events of paced channels that are due.
    pub fn release_paced(&self, now: Instant) {
        self.apps.for_all(|channels| channels.hub().release_paced(now));
    }

    /// Delivers all events of paced channels that wait: the sockets are about to be closed. From then on events
    /// are delivered as they come.
    pub fn end_pacing(&self, now: Instant) {
        self.shards.alarm().end();
        self.apps.for_all(|channels| channels.hub().end_pacing(now));
    }

    /// The shards that own the sockets of all apps.
    pub fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What happens on this node, for those who look.
    pub fn observation(&self) -> &Arc<Observation> {
        self.shards.observation()
    }

    /// Its name among the nodes of its cluster; `None` without one.
    pub fn name(&self) -> Option<String> {
        self.cluster().map(|cluster| cluster.node().to_string())
    }

    /// What operators ask all nodes; `None` without a cluster.
    pub fn inquiries(&self) -> Option<NodeInquiries> {
        let (cluster, local_apps) = self.cluster.as_ref()?;
        Some(NodeInquiries::new(cluster.clone(), local_apps.inquiries().clone()))
    }

    /// The bound on the sockets of the process.
    pub fn capacity(&self) -> &SocketCapacity {
        &self.capacity
    }

    /// The node's relation to other nodes.
    pub fn cluster_status(&self) -> ClusterStatus {
        match &self.cluster {
            None => ClusterStatus::Off,
            Some((cluster, _)) if cluster.is_connected() => {
                // Before the first heartbeat is answered the core counts no node.
                let nodes = cluster.live_nodes().max(1);
                ClusterStatus::Connected { nodes, disagreements: cluster.disagreements() }
            }
            Some((cluster, _)) => {
                let (partitions, away) = (cluster.all().len(), cluster.away());
                let nodes = Some(cluster.live_nodes()).filter(|nodes| *nodes > 0);
                ClusterStatus::Degraded { partitions, away, nodes }
            }
        }
    }

    /// The partitions of the cluster, if the node is in one.
    pub fn cluster(&self) -> Option<&Arc<Partitions>> {
        self.cluster.as_ref().map(|(cluster, _)| cluster)
    }
}
