//! Talking to other nodes through Redis, which is the wire and the directory.
//!
//! Owns what the nodes have in common: one order per channel, one roster, one count, one sender of
//! each webhook. Knows no sockets but their ids and no hub: what is to be done on this node comes
//! out as [`Effect`]s. The logic is [`Core`], which has neither network nor clock; [`redis`] carries
//! its requests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::redis::PushInfo;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::RedisConfig;
use crate::metrics::Metrics;
use crate::repeats::{Repeated, Repeats};
use agreement::Claim;
use redis::{Broken, Heard, Link};

mod agreement;
mod channel;
mod connections;
mod core;
mod effect;
mod message;
mod newcomers;
mod numbers;
mod outcome;
mod publishing;
pub mod redis;
mod request;
mod roster;
mod rows;
mod spot;
mod watchlists;

pub use agreement::{About, Disagreement};
pub use connections::Place;
pub use core::{Core, Identity};
pub use effect::{Action, Cached, Effect, Missed, Newcomer, Shared, Told};
pub use message::{Change, Event, Foreign, Message};
pub use outcome::{Count, Outcome, Present};
pub use request::{Answer, Asked, Beat, Facts, Look, Proof, Publish, Query, Reply, Request, State};
pub use spot::Spot;

/// Names one process among all that ever were: drawn at its start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl NodeId {
    /// A new one. 0 is nobody.
    pub fn random() -> Self {
        Self(rand::random_range(1..=u64::MAX))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the cluster is told at the start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What every key and topic begins with.
    pub prefix: String,
    /// A node that says nothing for so long is gone.
    pub lease: Duration,
    /// How long an event waits for Redis before this node's sockets get it anyway.
    pub patience: Duration,
    /// Bytes of events that may wait for Redis.
    pub queue_bytes: usize,
    /// Events are kept, so that a node that was cut off gets what it missed.
    pub streams: Option<Streams>,
    /// How long cache channels remember their last event.
    pub cache_ttl: Duration,
}

/// How much is kept of each channel.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// For how long after the last event.
    pub retention: Duration,
    /// How many events.
    pub events: usize,
}

impl Settings {
    /// How often a node says that it lives: often enough that a dead one is found, and its channels
    /// are cleaned up, within the lease.
    pub fn beat(&self) -> Duration {
        self.lease / 10
    }

    /// For how long Redis remembers at least which event of a node was its last.
    pub fn taken_holds(&self) -> Duration {
        self.streams.map_or(Duration::from_secs(60), |streams| streams.retention) * 8 / 10
    }

    /// For how long one beat holds.
    pub fn beat_holds(&self) -> Duration {
        self.lease * 8 / 10
    }
}

/// The cluster as the node uses it: the [`Core`] under one lock, and the link that carries its
/// requests.
pub struct Cluster {
    core: Mutex<Core>,
    carry_out: Box<dyn Fn(Effect) + Send + Sync>,
    node: NodeId,
    settings: Settings,
    app_ids: Vec<String>,
    /// Requests wait to be taken.
    asked: Notify,
    /// Fewer bytes wait than before.
    emptied: Notify,
    /// The link that is listened to.
    link: AtomicU64,
    broken: AtomicBool,
    /// The first attempt to connect is over.
    tried: CancellationToken,
    metrics: Arc<Metrics>,
    claim: Claim,
    disagreements: Mutex<Vec<Disagreement>>,
    foreign: Mutex<Repeats<Foreign>>,
}

/// Between two log lines about messages that are dropped for one reason.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

impl Cluster {
    /// A node that has not met Redis yet. `carry_out` does on this node what is decided here; it is
    /// called under a lock and takes no other time than a hub takes.
    pub fn new(
        node: NodeId,
        settings: Settings,
        apps: Vec<Arc<App>>,
        metrics: Arc<Metrics>,
        carry_out: Box<dyn Fn(Effect) + Send + Sync>,
    ) -> Self {
        Self {
            app_ids: apps.iter().map(|app| app.id.clone()).collect(),
            claim: Claim::of(apps.iter().map(|app| &**app), settings.streams.is_some()),
            disagreements: Mutex::default(),
            foreign: Mutex::new(Repeats::new(BETWEEN_LINES)),
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
            link: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            tried: CancellationToken::new(),
            metrics,
        }
    }

    /// Connects to Redis and stays connected, for as long as the future lives.
    pub fn link(
        self: &Arc<Self>,
        redis: &RedisConfig,
        timeout: Duration,
    ) -> Result<impl Future<Output = ()> + Send + use<>, Broken> {
        Ok(Link::new(self.clone(), redis, timeout)?.run())
    }

    /// Does something with the core, and then what follows from it on this node, in order.
    pub fn act<R>(&self, act: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = act(&mut core);
        // Before anybody hears of it: who does, and looks then, sees what is still under way.
        self.metrics.cluster.unsettled(core.unsettled());
        for effect in core.effects() {
            (self.carry_out)(effect);
        }
        if core.has_requests() {
            self.asked.notify_one();
        }
        result
    }

    /// Looks something up; `None` while Redis is away.
    pub async fn query(&self, query: Query) -> Option<Answer> {
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
        let is_full = || self.core.lock().waiting_bytes() > self.settings.queue_bytes;
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
            core.is_connected() && core.unsettled() > 0
        };
        while is_under_way() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A message is counted, and logged if it is the first of its kind in a while.
    fn dropped(&self, foreign: Foreign, topic: &str, now: Instant) {
        let (reason, text) = (foreign.label(), foreign.text());
        self.metrics.cluster.foreign(reason);
        if self.foreign.lock().note(&foreign, now) {
            tracing::warn!(reason, topic, "{text}");
        }
    }

    fn log_dropped(&self, now: Instant) {
        let ended = self.foreign.lock().ended(now);
        for Repeated { kind, count } in ended {
            let kind = kind.unwrap_or(Foreign::Malformed);
            tracing::warn!(reason = kind.label(), count, "more: {}", kind.text());
        }
    }

    fn claim(&self) -> &Claim {
        &self.claim
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
        self.metrics.cluster.disagreements(found.len());
        *known = found;
    }

    fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    fn next_link(&self) -> u64 {
        self.broken.store(false, Ordering::Relaxed);
        self.link.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn connected(&self, redis: Identity) {
        self.act(|core| core.connected(redis, Instant::now()));
        self.metrics.cluster.connected(true);
        self.tried.cancel();
    }

    fn disconnected(&self) {
        self.link.fetch_add(1, Ordering::Relaxed);
        self.act(Core::disconnected);
        self.metrics.cluster.connected(false);
    }

    fn failed(&self) {
        self.tried.cancel();
    }

    fn tick(&self) {
        self.log_dropped(Instant::now());
        let (unshared, alive) = self.act(|core| {
            core.tick(Instant::now());
            (core.take_unshared(), core.alive())
        });
        self.metrics.cluster.unshared(unshared);
        self.metrics.cluster.alive(alive);
        self.emptied.notify_waiters();
    }

    fn requests(&self) -> Vec<Request> {
        self.act(Core::requests)
    }

    async fn has_requests(&self) {
        self.asked.notified().await;
    }

    fn replied(&self, reply: Reply) {
        self.act(|core| core.replied(reply, Instant::now()));
        self.emptied.notify_waiters();
    }

    fn hear(&self, link: u64, push: &PushInfo) {
        if self.link.load(Ordering::Relaxed) != link {
            return;
        }
        match Heard::read(push) {
            Heard::Message { topic, payload } => {
                let now = Instant::now();
                if let Err(foreign) = self.act(|core| core.message(topic, payload, now)) {
                    self.dropped(foreign, topic, now);
                }
            }
            Heard::Subscribed { topic } => self.act(|core| core.subscribed(topic)),
            Heard::Gone => {
                self.broken.store(true, Ordering::Relaxed);
                self.asked.notify_one();
            }
            Heard::Other => {}
        }
    }
}
