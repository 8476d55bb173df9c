//! Several nodes with one order per channel, one roster, one count and one sender of each webhook event, through
//! Redis, which is their transport and their directory.
//!
//! [`Core`] decides, without a network or a clock; [`redis`] sends its requests; what is to be done on this node
//! comes out as [`Effect`]s. Sockets are known by their ids only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Apps};
use crate::config::{ClusterSettings, RedisConfig};
use crate::metrics::{Condition, Metrics, PartitionMetrics};
use crate::redis_connection::{LinkError, LinkFacts, LinkStatus};
use directory::agreement::Claim;
use redis::{LinkEvent, LinkOwner, NodeDescription, RedisLink};

mod directory;
pub mod redis;
mod state;

pub use directory::agreement::{Disagreement, DisagreementKind};
pub use directory::key::{ChannelKey, node_topic};
pub use directory::message::{
    Count, EventMessage, Inquiry, InquiryAnswer, InvalidTopicMessage, Outcome, RosterChange,
    RosterEntry, Terminate, TopicMessage, event_head,
};
pub use directory::reply::{
    ChannelInfo, ConnectionShare, HeartbeatReply, NodeLease, PendingLeave, PublishReply,
    QueryAnswer, Reply,
};
pub use directory::request::{
    ChannelRecord, ChannelState, ChannelTraits, DataProof, DirectoryQuery, PublishRequest, Request,
    StateFlags, StateRow,
};
pub use directory::{NodeId, Partition, PartitionPlace, RedisIdentity};
pub use state::{
    CachedReply, ChannelEffect, ChannelTable, Core, Effect, JoinReply, MissedEvents,
    PermitDecision, PublishScope,
};

/// The cluster as the node uses it: the [`Core`] under one lock, and the link that carries its
/// requests.
pub struct Cluster {
    core: Mutex<Core>,
    apply: Box<dyn Fn(Effect) + Send + Sync>,
    node: NodeId,
    partition: Partition,
    settings: ClusterSettings,
    /// Of every slot.
    app_ids: Arc<ArcSwap<Vec<String>>>,
    /// Notified when requests wait to be taken.
    requests_ready: Notify,
    /// Notified when fewer bytes wait for Redis than before.
    queue_shrunk: Notify,
    /// The first attempt to connect is over.
    attempted: CancellationToken,
    of_partition: PartitionMetrics,
    metrics: Arc<Metrics>,
    claim: Mutex<Claim>,
    link: LinkStatus,
    /// When Redis confirmed the last heartbeat.
    last_heartbeat: Mutex<Option<Instant>>,
    disagreements: Mutex<Vec<Disagreement>>,
}

/// New disagreements that one comparison logs. Any user of that Redis can write claims; a mistake of an
/// operator makes one or two, and `GET /ready` lists all.
const DISAGREEMENTS_LOGGED: usize = 8;

impl Cluster {
    /// A node that is not connected. `apply` applies an effect to this node's hubs; it is called under the lock
    /// of the core, and waits for nothing but a hub's lock.
    pub fn new(
        (node, partition): (NodeId, Partition),
        settings: ClusterSettings,
        apps: &[Arc<App>],
        metrics: Arc<Metrics>,
        apply: Box<dyn Fn(Effect) + Send + Sync>,
    ) -> Self {
        metrics.process.condition.raise(Condition::RedisAway);
        Self {
            app_ids: Arc::new(ArcSwap::from_pointee(
                apps.iter().map(|app| app.id.clone()).collect(),
            )),
            claim: Mutex::new(Claim::of(apps.iter().map(|app| &**app), settings.streams.is_some())),
            disagreements: Mutex::default(),
            link: LinkStatus::new(Instant::now()),
            last_heartbeat: Mutex::default(),
            node,
            of_partition: metrics.cluster.of_partition(partition.index),
            partition,
            core: Mutex::new(Core::new(
                node,
                settings.clone(),
                apps,
                // Half of all numbers are left to count from there.
                rand::random_range(1..u64::MAX / 2),
                Instant::now(),
            )),
            settings,
            apply,
            requests_ready: Notify::new(),
            queue_shrunk: Notify::new(),
            attempted: CancellationToken::new(),
            metrics,
        }
    }

    /// Connects to the Redis of its place and stays connected, for as long as the future lives.
    pub fn link(
        self: &Arc<Self>,
        servers: &[RedisConfig],
        places: watch::Receiver<PartitionPlace>,
        timeout: Duration,
    ) -> Result<impl Future<Output = ()> + Send + use<>, LinkError> {
        let node = NodeDescription {
            node: self.node,
            partition: self.partition.clone(),
            settings: self.settings.clone(),
            app_ids: self.app_ids.clone(),
            places,
        };
        Ok(RedisLink::new(self.clone(), node, servers, timeout)?.run())
    }

    /// An app is added at the next slot, or the app of a slot has new settings. The app of a slot keeps
    /// its id.
    pub fn put_app(&self, slot: usize, app: &Arc<App>) {
        let mut ids = Vec::clone(&self.app_ids.load());
        if slot == ids.len() {
            ids.push(app.id.clone());
            self.app_ids.store(Arc::new(ids));
        }
        self.act(|core| core.put_app(slot, app));
    }

    /// This node serves these apps: the other nodes compare them with their own.
    pub fn claim_apps(&self, apps: &Apps) {
        let claim = Claim::of(apps.iter().map(|app| &**app), self.settings.streams.is_some());
        *self.claim.lock() = claim;
    }

    /// Calls the core, and applies the effects on this node in order.
    pub fn act<R>(&self, act: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = act(&mut core);
        // Set before the effects: a test that waits for an effect reads what is still under way.
        self.of_partition.pending_requests.set(core.pending_requests() as u64);
        self.of_partition.queue_bytes.set(core.queued_bytes() as u64);
        for effect in core.take_effects() {
            self.count_missed(&effect);
            (self.apply)(effect);
        }
        if core.has_requests() {
            self.requests_ready.notify_one();
        }
        result
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Queries the directory; `None` while Redis is away.
    pub async fn query(&self, query: DirectoryQuery) -> Option<QueryAnswer> {
        let (waiter, answer) = oneshot::channel();
        if !self.act(|core| core.query(query, waiter)) {
            return None;
        }
        answer.await.ok()
    }

    /// Where the configuration of other live nodes differs from that of this one, as last compared.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        self.disagreements.lock().clone()
    }

    /// The leases of all nodes, as Redis has them now; `None` while it is away.
    pub async fn leases(&self) -> Option<Vec<NodeLease>> {
        match self.query(DirectoryQuery::Leases).await? {
            QueryAnswer::Leases(leases) => Some(leases),
            _ => None,
        }
    }

    /// The link as it is now.
    pub fn link_facts(&self) -> LinkFacts {
        self.link.facts()
    }

    /// Its number, and how many there are.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Live nodes, as the last heartbeat counted them; 0 while the link is down.
    pub fn live_nodes(&self) -> u32 {
        self.core.lock().live_nodes()
    }

    /// Requests to Redis that are not answered yet.
    pub fn pending_requests(&self) -> u64 {
        self.of_partition.pending_requests.get()
    }

    /// Bytes that wait for Redis, or for its answer.
    pub fn queue_bytes(&self) -> u64 {
        self.of_partition.queue_bytes.get()
    }

    /// What this partition counts.
    pub fn partition_metrics(&self) -> &PartitionMetrics {
        &self.of_partition
    }

    /// When Redis confirmed the last heartbeat of this node.
    pub fn last_heartbeat(&self) -> Option<Instant> {
        *self.last_heartbeat.lock()
    }

    /// What all nodes of the cluster are to have in common.
    pub fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// Whether the link is up.
    pub fn is_connected(&self) -> bool {
        self.core.lock().is_connected()
    }

    /// Resolves once the first attempt to connect has succeeded or failed.
    pub async fn attempted(&self) {
        self.attempted.cancelled().await;
    }

    /// Whether no more than `cluster.queue_bytes` wait for Redis.
    pub fn is_ready(&self) -> bool {
        self.core.lock().queued_bytes() <= self.settings.queue_bytes
    }

    /// Resolves once no more than `cluster.queue_bytes` wait for Redis.
    pub async fn ready(&self) {
        while !self.is_ready() {
            let queue_shrunk = self.queue_shrunk.notified();
            if !self.is_ready() {
                queue_shrunk.await;
            }
        }
    }

    /// Resolves once no request is pending, or Redis is away.
    pub async fn settled(&self) {
        let is_under_way = || {
            let core = self.core.lock();
            core.is_connected() && core.pending_requests() > 0
        };
        while is_under_way() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Counts and logs answers that will not arrive and may have had events that this node sends to webhooks.
    pub fn count_reports_lost(&self) {
        let answers = self.core.lock().take_reports_lost();
        if answers > 0 {
            self.metrics.cluster.webhook_answers_lost.inc_by(answers);
            let partition = self.partition.shown();
            tracing::warn!(
                partition,
                answers,
                "answers of Redis did not arrive, which may have had webhook events that no other node sends: check the network to Redis, or raise cluster.timeout_ms"
            );
        }
    }

    /// Counts and logs a dropped message. Any user of that Redis can send them without end.
    fn report_dropped(&self, invalid: InvalidTopicMessage, topic: &str) {
        let (reason, text) = (invalid.label(), invalid.text());
        self.metrics.cluster.message_dropped(reason);
        tracing::warn!(reason, topic, "{text}");
    }

    /// Compares the claims of other nodes with that of this one, and logs what has changed.
    fn compare_claims(&self, others: &[(NodeId, Option<Claim>)]) {
        // They are the same in all partitions.
        if self.partition.index > 0 {
            return;
        }
        let found = self.claim.lock().disagreements(others);
        let mut known = self.disagreements.lock();
        let new = found.iter().filter(|found| !known.contains(found));
        for new in new.take(DISAGREEMENTS_LOGGED) {
            tracing::warn!(nodes = ?new.nodes, "nodes on this Redis do not agree with this one: {new}");
        }
        if found.is_empty() && !known.is_empty() {
            tracing::info!("all nodes agree again");
        }
        self.metrics.cluster.disagreements.set(found.len() as u64);
        let conditions = &self.metrics.process.condition;
        conditions.set(Condition::ClusterDisagreements, !found.is_empty());
        *known = found;
    }

    fn connected(&self, redis: RedisIdentity) {
        self.act(|core| core.connected(redis, Instant::now()));
        self.metrics.process.condition.clear(Condition::RedisAway);
        self.show_connected(true);
        self.attempted.cancel();
    }

    fn count_missed(&self, effect: &Effect) {
        let Effect::Channel { action: ChannelEffect::Missed(missed), .. } = effect else { return };
        match missed {
            MissedEvents::Events(events) => self.of_partition.events_missed.inc_by(*events),
            MissedEvents::Unknown => self.of_partition.possible_gaps.inc_by(1),
        }
    }

    fn show_connected(&self, is_connected: bool) {
        self.of_partition.connected.set(is_connected.into());
        let is_away = self.metrics.process.condition.holds(Condition::RedisAway);
        self.metrics.cluster.connected.set(u64::from(!is_away));
    }

    fn disconnected(&self) {
        self.act(Core::disconnected);
        self.count_reports_lost();
        self.metrics.process.condition.raise(Condition::RedisAway);
        self.show_connected(false);
        self.of_partition.links_lost.inc_by(1);
    }

    fn tick(&self) {
        let (not_replicated, live_nodes) = self.act(|core| {
            core.tick(Instant::now());
            (core.take_not_replicated(), core.live_nodes())
        });
        self.of_partition.events_not_replicated.inc_by(not_replicated);
        self.metrics.cluster.nodes.set(self.partition.index, live_nodes);
        self.queue_shrunk.notify_waiters();
    }

    fn replied(&self, reply: Reply) {
        if matches!(reply, Reply::Heartbeat(_)) {
            *self.last_heartbeat.lock() = Some(Instant::now());
        }
        self.act(|core| core.replied(reply, Instant::now()));
        self.queue_shrunk.notify_waiters();
    }

    fn message(&self, topic: &str, payload: &[u8]) {
        let now = Instant::now();
        if let Err(invalid) = self.act(|core| core.message(topic, payload, now)) {
            self.report_dropped(invalid, topic);
        }
    }
}

impl LinkOwner for Cluster {
    fn take_requests(&self) -> Vec<Request> {
        self.act(Core::take_requests)
    }

    fn requests_ready(&self) -> &Notify {
        &self.requests_ready
    }

    fn claim(&self) -> Claim {
        self.claim.lock().clone()
    }

    fn status(&self) -> &LinkStatus {
        &self.link
    }

    fn link_event(&self, event: LinkEvent<'_>) {
        match event {
            LinkEvent::Connected(redis) => self.connected(redis),
            LinkEvent::ConnectFailed => self.attempted.cancel(),
            LinkEvent::Disconnected => self.disconnected(),
            LinkEvent::Subscribed { topic } => self.act(|core| core.subscribed(topic)),
            LinkEvent::Message { topic, payload } => self.message(topic, payload),
            LinkEvent::Replied(reply) => self.replied(reply),
            LinkEvent::Claims(others) => self.compare_claims(others),
            LinkEvent::RoundTrip(time) => {
                self.metrics.cluster.redis_round_trip_seconds.observe(time);
                self.link.answered(time);
            }
            LinkEvent::Tick => self.tick(),
        }
    }
}
