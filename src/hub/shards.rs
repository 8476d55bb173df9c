//! All shards of the process: which shard owns a socket, and the way of a command into its [`inbox`](super::inbox).
//!
//! Everything a socket is sent goes through its shard's inbox, so the order of pushing is the order on
//! the wire. Pushing never waits; publishers await [`Shards::ready`], which bounds the inboxes. What a
//! shard does with a command is left to [`shard`](super::shard).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::alarm::Alarm;
use super::command::{Membership, ShardCommand};
use super::ids::{ChannelId, HubId};
use super::inbox::Inbox;
use super::outbox::Transport;
use super::shard::Shard;
use super::sketch_requests::SketchRequests;
use super::socket_ends::{HubApps, SocketEnds};
use crate::config::WebSocketConfig;
use crate::metrics::Metrics;
use crate::observation::Observation;
use crate::protocol::{Broadcast, CloseCode, Frame, SocketId};

/// The inboxes of all shards.
pub struct Shards {
    inboxes: Box<[Inbox<ShardCommand>]>,
    inbox_bytes_max: usize,
    channel_ids: AtomicU64,
    pub(super) hub_apps: HubApps,
    metrics: Arc<Metrics>,
    observation: Arc<Observation>,
    alarm: Alarm,
    sketch_requests: SketchRequests,
}

impl Shards {
    /// Creates one shard for each worker. Each [`Shard`] is driven by [`run`](Self::run), in tests by [`settle`](Self::settle).
    pub fn new(
        workers: usize,
        limits: WebSocketConfig,
        metrics: &Arc<Metrics>,
    ) -> (Arc<Self>, Vec<Shard>) {
        let count = workers.max(1);
        let shards = Self {
            inboxes: (0..count).map(|_| Inbox::default()).collect(),
            inbox_bytes_max: limits.inbox_bytes,
            channel_ids: AtomicU64::new(0),
            hub_apps: HubApps::default(),
            metrics: metrics.clone(),
            observation: Arc::default(),
            alarm: Alarm::default(),
            sketch_requests: SketchRequests::default(),
        };
        let ends = |_| {
            SocketEnds::new(metrics.clone(), shards.observation.clone(), shards.hub_apps.clone())
        };
        let all = (0..count).map(ends).map(|ends| Shard::new(limits, ends)).collect();
        (Arc::new(shards), all)
    }

    /// Serves one shard for as long as the process runs: takes what its inbox holds, does a bounded
    /// amount of work, and lets other tasks run before the next turn.
    pub async fn run(self: Arc<Self>, index: usize, mut shard: Shard) {
        let mut batch = Vec::new();
        loop {
            // Yielding makes the runtime poll the kernel at once. A shard without work parks instead, where
            // the runtime polls anyway and would otherwise do so twice.
            if shard.has_work() || !self.inboxes[index].is_empty() {
                tokio::task::yield_now().await;
            } else {
                self.inboxes[index].wait().await;
            }
            self.turn(index, &mut shard, &mut batch);
        }
    }

    /// One turn of one shard: its inbox, then a bounded number of writes.
    pub(super) fn turn(&self, index: usize, shard: &mut Shard, batch: &mut Vec<ShardCommand>) {
        self.inboxes[index].take(batch);
        shard.turn(batch);
    }

    /// Turns every shard until no command and no write is left: for tests, which have no runtime.
    pub fn settle(&self, shards: &mut [Shard]) {
        let mut batch = Vec::new();
        let idle = |shards: &[Shard]| shards.iter().all(|shard| !shard.has_work());
        while !(idle(shards) && self.inboxes.iter().all(|inbox| inbox.is_empty())) {
            for (index, shard) in shards.iter_mut().enumerate() {
                self.turn(index, shard, &mut batch);
            }
        }
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What happens on this node, for those who look.
    pub fn observation(&self) -> &Arc<Observation> {
        &self.observation
    }

    /// A new id for a socket of shard number `shard`.
    pub fn new_socket_id(&self, shard: usize) -> SocketId {
        SocketId::from_random(rand::random(), shard, self.count())
    }

    /// How many shards there are.
    pub fn count(&self) -> usize {
        self.inboxes.len()
    }

    /// Sockets that were opened and not forgotten, those that are closing included. Counted when they are
    /// opened, before their shard has seen them: a drain must not take the server for empty.
    pub fn socket_count(&self) -> usize {
        self.inboxes.iter().map(|inbox| inbox.sockets.load(Ordering::Relaxed)).sum()
    }

    /// Hands the write side of a new socket of a hub to its shard.
    pub fn open(
        &self,
        hub: HubId,
        socket: SocketId,
        transport: Arc<dyn Transport>,
        client: Option<IpAddr>,
    ) {
        let shard = self.of(socket);
        self.inboxes[shard].sockets.fetch_add(1, Ordering::Relaxed);
        self.push(shard, ShardCommand::Open { hub, socket, transport, client });
    }

    /// Sends one socket a frame that others caused, to which the bound of its outbox applies.
    pub fn send(&self, socket: SocketId, frame: Frame) {
        self.push(self.of(socket), ShardCommand::Send { socket, frame });
    }

    /// Sends one socket the answer to a message of its own, which never closes it. Returns its bytes.
    pub fn answer(&self, socket: SocketId, frame: Frame) -> usize {
        let bytes = frame.len();
        self.push(self.of(socket), ShardCommand::Answer { socket, frame });
        bytes
    }

    /// A full transport takes bytes again.
    pub fn writable(&self, socket: SocketId) {
        self.push(self.of(socket), ShardCommand::Writable { socket });
    }

    /// Sends one socket the reason, then closes it.
    pub fn end(&self, socket: SocketId, code: CloseCode) {
        self.push(self.of(socket), ShardCommand::End { socket, code });
    }

    /// Answers a peer's close frame, which had this code, then ends the stream.
    pub fn finish(&self, socket: SocketId, code: Option<u16>) {
        self.push(self.of(socket), ShardCommand::Finish { socket, code });
    }

    /// Closes `count` sockets or fewer, taken from each shard by the share of sockets that it has.
    pub fn end_some(&self, count: usize, code: CloseCode) {
        let open: Vec<_> =
            self.inboxes.iter().map(|inbox| inbox.sockets.load(Ordering::Relaxed)).collect();
        let all = open.iter().sum::<usize>().max(1);
        // Rounded on the running total, so that the shares add up to the count.
        let (mut before, mut ended) = (0, 0);
        for (shard, sockets) in open.into_iter().enumerate() {
            before += sockets;
            let count = count * before / all - ended;
            ended += count;
            self.push(shard, ShardCommand::EndSome { of: None, count, code });
        }
    }

    /// Closes `count` sockets of one hub or fewer: the same number on each shard, since how many it has
    /// there is not counted. What is left over goes to shards that are drawn anew each time.
    pub(super) fn end_some_of(&self, hub: HubId, count: usize, code: CloseCode) {
        let shards = self.count();
        let first = rand::random_range(0..shards);
        for at in 0..shards {
            let count = count / shards + usize::from(at < count % shards);
            let shard = (first + at) % shards;
            self.push(shard, ShardCommand::EndSome { of: Some(hub), count, code });
        }
    }

    /// Frees so much of what waits for slow readers: closes those for which most waits, on each shard its share.
    pub fn end_slowest(&self, bytes: u64) {
        let of = self.metrics.delivery.outbox_bytes.sum();
        for shard in 0..self.count() {
            self.push(shard, ShardCommand::EndSlowest { bytes, of });
        }
    }

    /// The transport of a socket that was opened is gone; once.
    pub fn forget(&self, socket: SocketId) {
        let shard = self.of(socket);
        self.inboxes[shard].sockets.fetch_sub(1, Ordering::Relaxed);
        self.push(shard, ShardCommand::Forget { socket });
    }

    /// Resolves once every inbox is under its bound. A shard above it has more to write than its core
    /// can: publishers wait here. No publisher waits for a client that reads slowly.
    pub async fn ready(&self) {
        for inbox in &self.inboxes {
            inbox.room(self.inbox_bytes_max).await;
        }
    }

    pub(super) fn new_hub_id(&self, app_id: &str) -> HubId {
        let mut hubs = self.hub_apps.lock();
        hubs.push(app_id.to_owned());
        HubId(u32::try_from(hubs.len() - 1).expect("fewer apps than bytes of memory"))
    }

    /// Questions to the sessions of sockets.
    pub fn sketch_requests(&self) -> &SketchRequests {
        &self.sketch_requests
    }

    /// When channels with a pace have to be looked at.
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// The first of so many ids in a row.
    pub(super) fn new_channel_ids(&self, count: u32) -> ChannelId {
        ChannelId(self.channel_ids.fetch_add(count.into(), Ordering::Relaxed))
    }

    pub(super) fn new_channel_id(&self) -> ChannelId {
        ChannelId(self.channel_ids.fetch_add(1, Ordering::Relaxed))
    }

    /// The shard that owns a socket.
    pub(super) fn of(&self, socket: SocketId) -> usize {
        socket.shard(self.count())
    }

    /// Returns the bytes of the answers.
    pub(super) fn add_subscriber(
        &self,
        socket: SocketId,
        channel: ChannelId,
        first: [Option<Frame>; 2],
    ) -> usize {
        let bytes = first.iter().flatten().map(Frame::len).sum();
        self.push(self.of(socket), ShardCommand::AddSubscriber { socket, channel, first });
        bytes
    }

    pub(super) fn remove_subscriber(&self, socket: SocketId, channel: ChannelId) {
        self.push(self.of(socket), ShardCommand::RemoveSubscriber { socket, channel });
    }

    /// Whether a socket is in a channel, behind everything that is queued for its shard.
    pub(super) fn find(
        &self,
        socket: SocketId,
        channel: ChannelId,
    ) -> oneshot::Receiver<Membership> {
        let (answer, found) = oneshot::channel();
        self.push(self.of(socket), ShardCommand::Find { socket, channel, answer });
        found
    }

    /// Sockets of a channel that a shard has, behind everything that is queued for it.
    pub(super) fn list(
        &self,
        shard: usize,
        channel: ChannelId,
        most: usize,
    ) -> oneshot::Receiver<Vec<SocketId>> {
        let (answer, listed) = oneshot::channel();
        self.push(shard, ShardCommand::List { channel, most, answer });
        listed
    }

    pub(super) fn deliver(
        &self,
        shard: usize,
        channel: ChannelId,
        broadcast: Broadcast,
        except: Option<SocketId>,
    ) {
        self.push(shard, ShardCommand::Deliver { channel, broadcast, except });
    }

    /// Delivers to one socket, if it is in the channel.
    pub(super) fn deliver_to(&self, socket: SocketId, channel: ChannelId, broadcast: Broadcast) {
        self.push(self.of(socket), ShardCommand::DeliverTo { socket, channel, broadcast });
    }

    pub(super) fn push(&self, shard: usize, command: ShardCommand) {
        self.inboxes[shard].push(command);
    }
}
