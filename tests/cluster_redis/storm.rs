//! A thousand users, three tabs each on each of three nodes, who come, remount and go at random: 9 000
//! sockets without a transport, on a real Redis.
//!
//! Each socket checks every message: no member is added twice, none is removed that is not present. In
//! the end Redis, every node's mirror, every socket and the model agree.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use resound::cluster::{ChannelKey, NodeId};
use resound::config::{Config, WebSocketConfig};
use resound::hub::{EventCache, Shard, Shards, Signal, Transport};
use resound::metrics::Metrics;
use resound::node::{Arrival, ConnectionPermit, Node, Socket};
use resound::protocol::ChannelName;
use resound::protocol::ClientLibrary;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::task::JoinHandle;

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::{REVERB_APP, config};
use crate::harness::{TestCluster, eventually};

const NODES: usize = 3;
const USERS: usize = 1000;
const TABS: usize = 3;
/// Users of one channel: 450 sockets receive each arrival and departure.
const USERS_PER_CHANNEL: usize = 50;

/// The members in the view of a socket; `None` before its subscription was answered.
#[derive(Default)]
struct Received {
    present: Option<BTreeSet<String>>,
    wrong: Option<String>,
}

/// A socket that takes everything at once, and checks it.
#[derive(Default)]
struct Checker(Mutex<Received>);

/// A tab: its socket while it is open, and its roster.
struct Tab {
    node: usize,
    user: usize,
    open: Option<(Socket, Arc<Checker>)>,
}

/// A node without listeners.
struct StormNode {
    inner: Node,
    shards: Mutex<Vec<Shard>>,
    link: JoinHandle<()>,
}

impl Transport for Checker {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        for slice in slices {
            // One frame each: a socket that takes everything never has half of one.
            let header = match slice[1] {
                127 => 10,
                126 => 4,
                _ => 2,
            };
            if let Ok(message) = serde_json::from_slice(&slice[header..]) {
                self.0.lock().receive(&message);
            }
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn reads_deflated(&self) -> bool {
        false
    }

    fn signal(&self, _: Signal) {}

    fn finish(&self) {}
}

impl Received {
    fn receive(&mut self, message: &Value) {
        let data: Value = message["data"]
            .as_str()
            .and_then(|data| serde_json::from_str(data).ok())
            .unwrap_or_default();
        let user = data["user_id"].as_str().unwrap_or_default().to_owned();
        let is_right = match (message["event"].as_str().unwrap_or_default(), &mut self.present) {
            ("pusher_internal:subscription_succeeded", present) => {
                let ids = data["presence"]["ids"].as_array().cloned().unwrap_or_default();
                let ids = ids.iter().filter_map(|id| id.as_str().map(str::to_owned));
                present.replace(ids.collect()).is_none()
            }
            ("pusher_internal:member_added", Some(present)) => present.insert(user),
            ("pusher_internal:member_removed", Some(present)) => present.remove(&user),
            ("pusher:connection_established", _) => true,
            _ => false,
        };
        if !is_right && self.wrong.is_none() {
            self.wrong = Some(message.to_string());
        }
    }
}

impl StormNode {
    fn start(config: &Config) -> Self {
        let metrics = Arc::new(Metrics::default());
        let bytes = 1 << 28;
        let limits = WebSocketConfig {
            outbox_bytes: bytes,
            inbox_bytes: bytes,
            deflate_min_bytes: bytes,
            ..config.websocket
        };
        let (shards, turned) = Shards::new(1, limits, &metrics);
        let cluster = config.cluster.as_ref().unwrap();
        let cache = EventCache::new(Duration::from_secs(60), bytes);
        let identity = (NodeId::from_random(rand::random()), cluster.settings.clone());
        let inner =
            Node::in_cluster(&config.apps, &shards, cache, metrics, &HashMap::new(), identity);
        let mut links =
            inner.cluster().unwrap().links(&cluster.servers(), cluster.timeout).unwrap();
        let link = links.remove(0);
        Self { inner, shards: Mutex::new(turned), link: tokio::spawn(link) }
    }

    /// Everything that is queued reaches the sockets.
    fn turn(&self) {
        self.inner.shards().settle(&mut self.shards.lock());
    }

    fn is_settled(&self) -> bool {
        self.inner.cluster().unwrap().first().act(|core| core.pending_requests()) == 0
    }
}

impl Drop for StormNode {
    fn drop(&mut self) {
        self.link.abort();
    }
}

fn channel_of(user: usize) -> String {
    format!("presence-room-{}", user / USERS_PER_CHANNEL)
}

impl Tab {
    fn toggle(&mut self, nodes: &[StormNode]) {
        if self.open.take().is_some() {
            return;
        }
        let node = &nodes[self.node];
        let channels = node.inner.channels_by_id("123456").unwrap();
        let permit =
            ConnectionPermit::acquire(&channels).now_or_never().unwrap().expect("no bound");
        let checker = Arc::new(Checker::default());
        let id = node.inner.shards().new_socket_id(0);
        let now = Instant::now();
        let (library, transport) = (ClientLibrary::Other, checker.clone());
        let arrival = Arrival { permit, id, client: None, library, transport, answer: None };
        let mut socket = Socket::open(arrival, now);
        let (channel, user) = (channel_of(self.user), format!("user-{}", self.user));
        let channel_data = json!({ "user_id": user }).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"reverb-secret").unwrap();
        mac.update(format!("{id}:{channel}:{channel_data}").as_bytes());
        let auth = format!("reverb-key:{}", hex::encode(mac.finalize().into_bytes()));
        let data = json!({ "channel": channel, "auth": auth, "channel_data": channel_data });
        socket.receive(&json!({ "event": "pusher:subscribe", "data": data }).to_string(), now);
        self.open = Some((socket, checker));
    }
}

/// The members of each channel, by the tabs that are open.
fn model(tabs: &[Tab]) -> HashMap<String, BTreeSet<String>> {
    let mut rooms: HashMap<String, BTreeSet<String>> = HashMap::new();
    for tab in tabs.iter().filter(|tab| tab.open.is_some()) {
        rooms.entry(channel_of(tab.user)).or_default().insert(format!("user-{}", tab.user));
    }
    rooms
}

async fn settle(nodes: &[StormNode]) {
    eventually("the storm to settle", async || {
        nodes.iter().for_each(StormNode::turn);
        // One more round trip on each link: the answer comes behind what others published before.
        for node in nodes {
            node.inner.channels_by_id("123456").unwrap().socket_count().await;
        }
        nodes.iter().for_each(StormNode::turn);
        nodes.iter().all(StormNode::is_settled)
    })
    .await;
}

async fn assert_agreement(nodes: &[StormNode], tabs: &[Tab]) {
    let rooms = model(tabs);
    let no_room = BTreeSet::new();
    for room in 0..USERS / USERS_PER_CHANNEL {
        let channel = channel_of(room * USERS_PER_CHANNEL);
        let expected = rooms.get(&channel).unwrap_or(&no_room);
        let name = ChannelName::parse(&channel, 200).unwrap();
        for node in nodes {
            let channels = node.inner.channels_by_id("123456").unwrap();
            let in_redis = channels.members(&name).await;
            assert_eq!(
                in_redis.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
                *expected
            );
            let spot = ChannelKey::channel(0, &name);
            let here =
                node.inner.cluster().unwrap().first().act(|core| core.channels().members(&spot));
            let here: BTreeSet<_> = here.iter().map(ToString::to_string).collect();
            assert!(here.is_empty() || here == *expected, "the mirror of {channel}: {here:?}");
        }
    }
    for tab in tabs {
        let Some((_, checker)) = &tab.open else { continue };
        let received = checker.0.lock();
        assert_eq!(received.wrong, None, "a tab of user {} on node {}", tab.user, tab.node);
        let expected = rooms.get(&channel_of(tab.user)).unwrap();
        assert_eq!(received.present.as_ref(), Some(expected), "a tab of user {}", tab.user);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_nine_thousand_tabs_ends_without_a_difference() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let toml = format!("cluster.lease_seconds = 60\ncluster.timeout_ms = 20000\n{REVERB_APP}");
    let config = config(&TestCluster::empty().toml(&redis.url, &toml));
    let nodes: Vec<StormNode> = (0..NODES).map(|_| StormNode::start(&config)).collect();
    for node in &nodes {
        node.inner.cluster().unwrap().attempted().await;
    }
    let mut tabs: Vec<Tab> = (0..NODES * USERS * TABS)
        .map(|at| Tab { node: at % NODES, user: at / NODES % USERS, open: None })
        .collect();
    let mut random = StdRng::seed_from_u64(2026);
    for share in [100, 30, 30, 50] {
        let mut order: Vec<usize> =
            (0..tabs.len()).filter(|_| random.random_range(0..100) < share).collect();
        order.shuffle(&mut random);
        for chunk in order.chunks(256) {
            for &at in chunk {
                tabs[at].toggle(&nodes);
                // React mounts, unmounts and mounts again; some of it before the first answer.
                if random.random_range(0..4) == 0 {
                    tabs[at].toggle(&nodes);
                    tabs[at].toggle(&nodes);
                }
            }
            nodes.iter().for_each(StormNode::turn);
            tokio::task::yield_now().await;
        }
        settle(&nodes).await;
        assert_agreement(&nodes, &tabs).await;
    }
}
