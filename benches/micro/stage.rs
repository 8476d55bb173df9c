//! What every micro bench stands on: an app as shipped, a hub on two shards turned by hand, and
//! sockets whose transport takes everything and keeps nothing.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use resound::app::{App, Apps};
use resound::config::{Config, ConfigFile, Sources, WebSocketConfig};
use resound::hub::{EventCache, Hub, Shard, Shards, Signal, Transport};
use resound::metrics::Metrics;
use resound::node::Node;
use resound::protocol::{ChannelName, SocketId};

const APP: &str = "[[apps]]\nid = \"1\"\nkey = \"key\"\nsecret = \"secret\"\n";

/// Far more than waits for a transport that takes everything.
const BYTES: usize = 1 << 24;

/// Two shards, as on two cores; a publish costs one push for each.
const SHARDS: usize = 2;

/// An app as the configuration has it if nothing is said, but for the rates: a bench is a flood.
pub(crate) fn app() -> App {
    static SHIPPED: LazyLock<App> = LazyLock::new(|| {
        let file = ConfigFile { name: "micro.toml".to_owned(), text: APP.to_owned() };
        let sources = Sources { file: Some(file), ..Sources::default() };
        let apps = Config::new(&sources).expect("a valid configuration").apps;
        let mut app = (**apps.by_id("1").unwrap()).clone();
        app.limits.client_events_per_second = None;
        app
    });
    SHIPPED.clone()
}

/// A node with one app, and the shards that are turned by hand.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Arc<Shards>,
    turned: Vec<Shard>,
    /// Sockets so far; they take turns on the shards.
    opened: Cell<usize>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let metrics = Arc::new(Metrics::default());
        let limits = Config::new(&Sources::default()).unwrap().websocket;
        let limits = WebSocketConfig {
            outbox_bytes: BYTES,
            inbox_bytes: BYTES,
            deflate_min_bytes: BYTES,
            ..limits
        };
        let (shards, turned) = Shards::new(SHARDS, limits, &metrics);
        let apps = Apps::new([app()]).unwrap();
        let cache = EventCache::new(Duration::from_secs(60), BYTES);
        let node = Node::new(&apps, &shards, cache, metrics, [].into());
        let hub = node.channels_by_id("1").unwrap().hub().clone();
        Self { node, hub, shards, turned, opened: Cell::new(0) }
    }

    /// Everything that is queued reaches the sockets.
    pub(crate) fn settle(&mut self) {
        self.shards.settle(&mut self.turned);
    }

    /// A socket without a session.
    pub(crate) fn socket(&self) -> SocketId {
        let socket = self.shards.new_socket_id(self.opened.get() % SHARDS);
        self.opened.set(self.opened.get() + 1);
        self.shards.open(socket, Arc::new(Null));
        socket
    }

    /// Subscribes so many new sockets to a channel.
    pub(crate) fn subscribe_many(&mut self, channel: &ChannelName, count: usize) {
        for _ in 0..count {
            self.hub.subscribe(self.socket(), channel, None, Instant::now()).unwrap();
        }
        self.settle();
    }
}

/// A valid channel name.
pub(crate) fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}

/// Takes everything and keeps nothing.
pub(crate) struct Null;

impl Transport for Null {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(bytes.iter().map(|slice| slice.len()).sum())
    }
    fn reads_deflated(&self) -> bool {
        false
    }
    fn signal(&self, _: Signal) {}
    fn finish(&self) {}
}
