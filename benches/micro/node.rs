//! A node with one app whose shards are turned by hand, and sockets whose transport takes everything
//! and stores nothing.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use resound::app::Apps;
use resound::hub::{Hub, Shard, Shards, Signal, Transport};
use resound::metrics::Metrics;
use resound::node::Node;
use resound::protocol::{ChannelName, SocketId};

use crate::fixture::{self, BYTES, app};

/// A node with one app, and the shards that are turned by hand.
pub(crate) struct BenchNode {
    pub(crate) inner: Node,
    pub(crate) hub: Arc<Hub>,
    pub(crate) shards: Arc<Shards>,
    turned: Vec<Shard>,
    /// Sockets so far; they take turns on the shards.
    opened: Cell<usize>,
}

impl BenchNode {
    pub(crate) fn new() -> Self {
        let metrics = Arc::new(Metrics::default());
        // No message is deflated: compression would hide what the other steps cost.
        let (shards, turned) = fixture::shards(&metrics, BYTES);
        let apps = Apps::new([app()]).unwrap();
        let cache = fixture::cache(Duration::from_secs(60));
        let inner = Node::new(&apps, &shards, cache, metrics, &[].into());
        let hub = inner.channels_by_id("1").unwrap().hub().clone();
        Self { inner, hub, shards, turned, opened: Cell::new(0) }
    }

    /// Everything that is queued reaches the sockets.
    pub(crate) fn settle(&mut self) {
        self.shards.settle(&mut self.turned);
    }

    /// A socket without a session.
    pub(crate) fn socket(&self) -> SocketId {
        let socket = self.shards.new_socket_id(self.opened.get() % self.shards.count());
        self.opened.set(self.opened.get() + 1);
        self.hub.open(socket, Arc::new(Null), None);
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

/// Takes everything and stores nothing.
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
