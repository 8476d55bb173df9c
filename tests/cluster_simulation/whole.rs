//! A whole node of a simulation: its sessions, hub and shards around the cores of its partitions, without a runtime.
//!
//! Each shard runs the loop that it has in the server; the world polls it for one turn at a time, and only when it was
//! woken, so a wake-up that is lost is a client that receives nothing. What a client has is [`ClientLine`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use resound::app::{App, Apps, Webhook};
use resound::channel_rules::{WebhookDelay, WebhookEvent, WebhookSink};
use resound::cluster::{Cluster, NodeId};
use resound::config::{Config, Sources, WebSocketConfig};
use resound::hub::{EventCache, Shards};
use resound::metrics::Metrics;
use resound::node::{Arrival, Channels, ConnectionPermit, Node, PendingJoins, Socket};
use resound::protocol::{ChannelName, ClientLibrary, SocketId};

use crate::client::View;
use crate::profile::Profile;

mod wire;

pub(crate) use wire::{Sent, Wire};

/// As on a machine with three cores.
pub(crate) const SHARDS: usize = 2;

/// Leaves and misses that webhooks hold back; far more than there are.
const HELD_MAX: usize = 1000;

/// A node and its sockets.
pub(crate) struct WholeNode {
    /// Dropped before the node.
    pub(crate) sockets: BTreeMap<SocketId, OpenSocket>,
    node: Node,
    pub(crate) shards: Vec<ShardTask>,
    reported: Arc<Reported>,
    delay: WebhookDelay,
    webhooks: Vec<Webhook>,
}

/// A socket, and the way to its client.
pub(crate) struct OpenSocket {
    pub(crate) socket: Socket,
    pub(crate) wire: Arc<Wire>,
    /// The connection reads nothing before this is over; a client waits as long.
    waits: Option<PendingJoins>,
}

/// The loop of one shard.
pub(crate) struct ShardTask {
    run: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    is_planned: bool,
}

/// Whether a shard was woken since its last turn.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The webhook events of a node until they are taken.
#[derive(Default)]
struct Reported(Mutex<Vec<WebhookEvent>>);

impl WebhookSink for Reported {
    fn send(&self, event: WebhookEvent) {
        self.0.lock().push(event);
    }
}

/// What a client of a whole node has requested and received besides its subscriptions.
#[derive(Default)]
pub(crate) struct ClientLine {
    /// Subscriptions that are not answered, in order.
    pub(crate) attempts: BTreeMap<Arc<str>, VecDeque<Attempt>>,
    /// Subscriptions that it has ended, of which messages are still under way.
    pub(crate) old: BTreeMap<Arc<str>, View>,
    /// Cache channels whose next message is the cached event, or that there is none; `false` if it may be another one.
    pub(crate) awaits_cached: BTreeMap<Arc<str>, bool>,
    pub(crate) is_established: bool,
}

/// One message that subscribes.
pub(crate) struct Attempt {
    pub(crate) has_left: bool,
    /// Not sent by a client that was subscribed already.
    pub(crate) is_first: bool,
    /// Sent when the ones before were answered: of joins that are answered together only one has the cached event.
    pub(crate) is_single: bool,
}

impl ShardTask {
    fn new(shards: &Arc<Shards>, index: usize, shard: resound::hub::Shard) -> Self {
        let run = Box::pin(shards.clone().run(index, shard));
        Self { run, woken: Arc::new(Woken(AtomicBool::new(false))), is_planned: false }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Whether it is to have a turn that is not planned yet: from now on it is.
    pub(crate) fn becomes_due(&mut self) -> bool {
        let is_due = self.is_woken() && !self.is_planned;
        self.is_planned |= is_due;
        is_due
    }

    /// One turn.
    pub(crate) fn turn(&mut self) {
        self.is_planned = false;
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.woken.clone());
        let ended = self.run.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        assert!(!ended, "a shard runs for as long as its process");
    }
}

impl WholeNode {
    pub(crate) fn start(id: u64, profile: &Profile, app: &App) -> Self {
        let metrics = Arc::new(Metrics::default());
        let (inboxes, shards) = Shards::new(SHARDS, limits(), &metrics);
        let reported = Arc::new(Reported::default());
        let sink: Arc<dyn WebhookSink> = reported.clone();
        let sinks = HashMap::from([(app.id.clone(), sink)]);
        let cache = EventCache::new(Duration::from_secs(3600), 1 << 20);
        let apps = Apps::new([app.clone()]).unwrap();
        let own = (NodeId(id), profile.installation());
        let node = Node::in_cluster(&apps, &inboxes, cache, metrics, &sinks, own);
        let shards = shards.into_iter().enumerate();
        let mut shards: Vec<_> =
            shards.map(|(at, shard)| ShardTask::new(&inboxes, at, shard)).collect();
        // A task that is spawned runs once without being woken, up to its first wait.
        shards.iter_mut().for_each(ShardTask::turn);
        Self {
            sockets: BTreeMap::new(),
            shards,
            node,
            reported,
            delay: WebhookDelay::new(HELD_MAX),
            webhooks: app.webhooks.clone(),
        }
    }

    /// One for each partition.
    pub(crate) fn clusters(&self) -> &[Arc<Cluster>] {
        self.node.cluster().unwrap().all()
    }

    pub(crate) fn channels(&self) -> Arc<Channels> {
        self.node.channels_by_id("1").unwrap()
    }

    /// Sockets of this node in a channel, as its hub counts them.
    pub(crate) fn subscribers(&self, channel: &str) -> usize {
        let name = ChannelName::parse(channel, 200).unwrap();
        self.channels().hub().counts(&name).map_or(0, |counts| counts.subscription_count)
    }

    /// Sockets that its shards have.
    pub(crate) fn socket_count(&self) -> usize {
        self.node.shards().socket_count()
    }

    /// Which shard has a socket.
    pub(crate) fn shard_of(&self, socket: SocketId) -> usize {
        socket.shard(SHARDS)
    }

    pub(crate) fn open(
        &mut self,
        id: SocketId,
        permit: ConnectionPermit,
        wire: Arc<Wire>,
        now: Instant,
    ) {
        let (client, library, transport) = (None, ClientLibrary::Other, wire.clone());
        let arrival = Arrival { permit, id, client, library, transport, answer: None };
        let socket = Socket::open(arrival, now);
        self.sockets.insert(id, OpenSocket { socket, wire, waits: None });
    }

    /// The connection of a socket is gone.
    pub(crate) fn close(&mut self, id: SocketId, now: Instant) {
        if let Some(open) = self.sockets.remove(&id) {
            open.socket.close(now);
            self.node.shards().forget(id);
        }
    }

    /// A message of a client arrives.
    pub(crate) fn receive(&mut self, id: SocketId, text: &str, now: Instant) {
        let Some(open) = self.sockets.get_mut(&id) else { return };
        open.socket.receive(text, now);
        open.waits = open.socket.pending_joins().or(open.waits.take());
    }

    /// The time passes for all sessions.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.sockets.values_mut().for_each(|open| open.socket.tick(now));
    }

    /// The connection of a socket takes so many bytes more.
    pub(crate) fn writable(&self, id: SocketId, room: usize) {
        if let Some(open) = self.sockets.get(&id) {
            open.wire.has_room(room);
            self.node.shards().writable(id);
        }
    }

    /// Whether nothing is under way within it.
    pub(crate) fn is_idle(&self) -> bool {
        let is_idle = |shard: &ShardTask| !shard.is_planned && !shard.is_woken();
        self.shards.iter().all(is_idle) && self.sockets.values().all(|open| !open.wire.is_full())
    }

    /// Sockets that still wait for the decision on their joins.
    pub(crate) fn waiting(&mut self) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        for open in self.sockets.values_mut() {
            let is_over = |waits: &mut PendingJoins| {
                let decided = pin!(waits.decided());
                decided.poll(&mut context).is_ready()
            };
            drop(open.waits.take_if(is_over));
        }
        self.sockets.values().filter(|open| open.waits.is_some()).count()
    }

    /// What its endpoints are sent now: each event with the endpoints that receive it.
    pub(crate) fn take_webhooks(&mut self, now: Instant) -> Vec<(WebhookEvent, Vec<usize>)> {
        let reported = std::mem::take(&mut *self.reported.0.lock());
        reported.into_iter().for_each(|event| self.delay.push(event, now));
        let receivers = |event: &WebhookEvent| -> Vec<usize> {
            let (kind, channel) = (event.payload.kind(), event.channel.as_str());
            let all = self.webhooks.iter().enumerate();
            all.filter(|(_, one)| one.receives(kind, channel)).map(|(at, _)| at).collect()
        };
        let due = self.delay.release(now);
        let with_receivers = |event: WebhookEvent| {
            let endpoints = receivers(&event);
            (event, endpoints)
        };
        due.into_iter().map(with_receivers).collect()
    }
}

fn limits() -> WebSocketConfig {
    static SHIPPED: LazyLock<WebSocketConfig> = LazyLock::new(|| {
        Config::new(&Sources::default()).expect("the defaults are valid").websocket
    });
    *SHIPPED
}
