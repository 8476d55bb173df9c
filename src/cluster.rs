//! Talking to other nodes through Redis, which is the wire and the directory.
//!
//! Owns what the nodes have in common: one order per channel, one roster, one count, one sender of
//! each webhook. Knows no sockets but their ids and no hub: what is to be done on this node comes
//! out as [`Effect`]s. The logic is [`Core`], which has neither network nor clock; [`redis`] carries
//! its requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{ClusterSettings, RedisConfig};
use crate::log_throttle::{LogThrottle, Suppressed};
use crate::metrics::Metrics;
use crate::redis_connection::LinkError;
use directory::agreement::Claim;
use redis::{LinkEvent, LinkOwner, NodeDescription, RedisLink};

mod directory;
pub mod redis;
mod state;

pub use directory::agreement::{Disagreement, DisagreementKind};
pub use directory::key::{ChannelKey, node_topic};
pub use directory::message::{
    Count, EventMessage, InvalidTopicMessage, Outcome, RosterChange, RosterEntry, Terminate,
    TopicMessage, event_head,
};
pub use directory::reply::{
    ChannelInfo, ConnectionShare, HeartbeatReply, PendingLeave, QueryAnswer, Reply,
};
pub use directory::request::{
    ChannelRecord, ChannelState, ChannelTraits, DataProof, DirectoryQuery, PublishRequest, Request,
    StateFlags, StateRow,
};
pub use directory::{NodeId, RedisIdentity};
pub use state::{
    CachedReply, ChannelEffect, ChannelTable, Core, Effect, JoinReply, MissedEvents,
    PermitDecision, PublishScope,
};

/// The cluster as the node uses it: the [`Core`] under one lock, and the link that carries its
/// requests.
pub struct Cluster {
    core: Mutex<Core>,
    carry_out: Box<dyn Fn(Effect) + Send + Sync>,
    node: NodeId,
    settings: ClusterSettings,
    app_ids: Vec<String>,
    /// Requests wait to be taken.
    asked: Notify,
    /// Fewer bytes wait than before.
    emptied: Notify,
    /// The first attempt to connect is over.
    tried: CancellationToken,
    metrics: Arc<Metrics>,
    claim: Claim,
    disagreements: Mutex<Vec<Disagreement>>,
    foreign: Mutex<LogThrottle<InvalidTopicMessage>>,
}

/// Between two log lines about messages that are dropped for one reason.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

impl Cluster {
    /// A node that has not met Redis yet. `carry_out` does on this node what is decided here; it is
    /// called under a lock and takes no other time than a hub takes.
    pub fn new(
        node: NodeId,
        settings: ClusterSettings,
        apps: &[Arc<App>],
        metrics: Arc<Metrics>,
        carry_out: Box<dyn Fn(Effect) + Send + Sync>,
    ) -> Self {
        Self {
            app_ids: apps.iter().map(|app| app.id.clone()).collect(),
            claim: Claim::of(apps.iter().map(|app| &**app), settings.streams.is_some()),
            disagreements: Mutex::default(),
            foreign: Mutex::new(LogThrottle::new(BETWEEN_LINES)),
            node,
            core: Mutex::new(Core::new(
                node,
                settings.clone(),
                apps,
                // Half of all numbers are left to count on.
                rand::random_range(1..u64::MAX / 2),
                Instant::now(),
            )),
            settings,
            carry_out,
            asked: Notify::new(),
            emptied: Notify::new(),
            tried: CancellationToken::new(),
            metrics,
        }
    }

    /// Connects to Redis and stays connected, for as long as the future lives.
    pub fn link(
        self: &Arc<Self>,
        redis: &RedisConfig,
        timeout: Duration,
    ) -> Result<impl Future<Output = ()> + Send + use<>, LinkError> {
        let node = NodeDescription {
            node: self.node,
            settings: self.settings.clone(),
            app_ids: self.app_ids.clone(),
            claim: self.claim.clone(),
        };
        Ok(RedisLink::new(self.clone(), node, redis, timeout)?.run())
    }

    /// Does something with the core, and then what follows from it on this node, in order.
    pub fn act<R>(&self, act: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = act(&mut core);
        // Before anybody hears of it: who does, and looks then, sees what is still under way.
        self.metrics.cluster_pending_requests.set(core.pending_requests() as u64);
        for effect in core.take_effects() {
            (self.carry_out)(effect);
        }
        if core.has_requests() {
            self.asked.notify_one();
        }
        result
    }

    /// Looks something up; `None` while Redis is away.
    pub async fn query(&self, query: DirectoryQuery) -> Option<QueryAnswer> {
        let (waiter, answer) = oneshot::channel();
        if !self.act(|core| core.query(query, waiter)) {
            return None;
        }
        answer.await.ok()
    }

    /// What the nodes that live do not agree on with this one, as far as it is known.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        self.disagreements.lock().clone()
    }

    /// Whether Redis is there.
    pub fn is_connected(&self) -> bool {
        self.core.lock().is_connected()
    }

    /// Resolves once the first attempt to connect has worked or failed.
    pub async fn tried(&self) {
        self.tried.cancelled().await;
    }

    /// Resolves once there is room for more events on their way to Redis.
    pub async fn room(&self) {
        let is_full = || self.core.lock().queued_bytes() > self.settings.queue_bytes;
        while is_full() {
            let emptied = self.emptied.notified();
            if is_full() {
                emptied.await;
            }
        }
    }

    /// Resolves once nothing is under way, or Redis is away.
    pub async fn settled(&self) {
        let is_under_way = || {
            let core = self.core.lock();
            core.is_connected() && core.pending_requests() > 0
        };
        while is_under_way() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A message is counted, and logged if it is the first of its kind in a while.
    fn dropped(&self, foreign: InvalidTopicMessage, topic: &str, now: Instant) {
        let (reason, text) = (foreign.label(), foreign.text());
        self.metrics.cluster_message_dropped(reason);
        if self.foreign.lock().admit(&foreign, now) {
            tracing::warn!(reason, topic, "{text}");
        }
    }

    fn log_dropped(&self, now: Instant) {
        let suppressed = self.foreign.lock().take_suppressed(now);
        for Suppressed { kind, count } in suppressed {
            let kind = kind.unwrap_or(InvalidTopicMessage::Malformed);
            tracing::warn!(reason = kind.label(), count, "more: {}", kind.text());
        }
    }

    /// Compares what other nodes say of themselves, and logs what has changed.
    fn compare_claims(&self, others: &[(NodeId, Option<Claim>)]) {
        let found = self.claim.disagreements(others);
        let mut known = self.disagreements.lock();
        for new in found.iter().filter(|found| !known.contains(found)) {
            tracing::warn!(nodes = ?new.nodes, "nodes on this Redis do not agree with this one: {new}");
        }
        if found.is_empty() && !known.is_empty() {
            tracing::info!("all nodes agree again");
        }
        self.metrics.cluster_disagreements.set(found.len() as u64);
        *known = found;
    }

    fn connected(&self, redis: RedisIdentity) {
        self.act(|core| core.connected(redis, Instant::now()));
        self.metrics.cluster_connected.set(1);
        self.tried.cancel();
    }

    fn disconnected(&self) {
        self.act(Core::disconnected);
        self.metrics.cluster_connected.set(0);
        self.metrics.cluster_links_lost.inc();
    }

    fn tick(&self) {
        self.log_dropped(Instant::now());
        let (unshared, alive) = self.act(|core| {
            core.tick(Instant::now());
            (core.take_not_replicated(), core.live_nodes())
        });
        self.metrics.cluster_events_not_replicated.inc_by(unshared);
        self.metrics.cluster_nodes.set(alive.into());
        self.emptied.notify_waiters();
    }

    fn replied(&self, reply: Reply) {
        self.act(|core| core.replied(reply, Instant::now()));
        self.emptied.notify_waiters();
    }

    fn message(&self, topic: &str, payload: &[u8]) {
        let now = Instant::now();
        if let Err(foreign) = self.act(|core| core.message(topic, payload, now)) {
            self.dropped(foreign, topic, now);
        }
    }
}

impl LinkOwner for Cluster {
    fn take_requests(&self) -> Vec<Request> {
        self.act(Core::take_requests)
    }

    fn requests_ready(&self) -> &Notify {
        &self.asked
    }

    fn link_event(&self, event: LinkEvent<'_>) {
        match event {
            LinkEvent::Connected(redis) => self.connected(redis),
            LinkEvent::ConnectFailed => self.tried.cancel(),
            LinkEvent::Disconnected => self.disconnected(),
            LinkEvent::Subscribed { topic } => self.act(|core| core.subscribed(topic)),
            LinkEvent::Message { topic, payload } => self.message(topic, payload),
            LinkEvent::Replied(reply) => self.replied(reply),
            LinkEvent::Claims(others) => self.compare_claims(others),
            LinkEvent::Tick => self.tick(),
        }
    }
}
