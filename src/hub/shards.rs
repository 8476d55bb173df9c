//! All shards of the process: who owns which socket, and the inboxes commands travel through.
//!
//! Everything a socket is told goes through its shard's inbox, so the order of pushing is the
//! order on the wire. Pushing never waits; publishers that care for memory await [`room`].
//!
//! [`room`]: Shards::room

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::outbox::Outlet;
use super::shard::Shard;
use crate::metrics::Metrics;
use crate::protocol::{Broadcast, CloseCode, Frame, SocketId};

/// Names a channel among all apps of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChannelId(u64);

/// What a shard is asked to do, in order.
pub(super) enum Command {
    /// A socket begins.
    Open { socket: SocketId, outlet: Arc<dyn Outlet> },
    /// Send one socket a frame that others caused.
    Send { socket: SocketId, frame: Frame },
    /// Send one socket the answer to a message of its own.
    Answer { socket: SocketId, frame: Frame },
    /// Add a socket to a channel and send it these answers first.
    Join { socket: SocketId, channel: ChannelId, first: [Option<Frame>; 2] },
    /// Take a socket out of a channel.
    Leave { socket: SocketId, channel: ChannelId },
    /// Say this to every socket of a channel but one.
    Publish { channel: ChannelId, broadcast: Broadcast, except: Option<SocketId> },
    /// A full transport takes bytes again.
    Writable { socket: SocketId },
    /// Say why, then close.
    End { socket: SocketId, code: CloseCode },
    /// Answer the peer's close frame, then end the stream.
    Finish { socket: SocketId, code: Option<u16> },
    /// Close this many sockets: one step of a paced drain.
    EndSome { count: usize, code: CloseCode },
    /// The transport is gone.
    Forget { socket: SocketId },
}

/// Bounds of the shards, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ShardLimits {
    /// How many shards: one per worker thread.
    pub shards: usize,
    /// Bytes that may wait for one socket.
    pub outbox_bytes: usize,
    /// Bytes of frames in one inbox above which publishers wait.
    pub inbox_bytes: usize,
    /// Bytes of an event's frame from which it is deflated for those who negotiated that.
    pub deflate_bytes_min: usize,
}

/// The inboxes of all shards.
pub struct Shards {
    inboxes: Box<[Inbox]>,
    inbox_bytes_max: usize,
    channel_ids: AtomicU64,
    sockets: AtomicUsize,
}

#[derive(Default)]
struct Inbox {
    commands: Mutex<Vec<Command>>,
    /// Bytes of the frames in `commands`.
    bytes: AtomicUsize,
    filled: Notify,
    emptied: Notify,
}

impl Shards {
    /// Makes the shards. Each [`Shard`] is run by [`run`](Self::run), or turned by hand in tests.
    pub fn new(limits: ShardLimits, metrics: &Arc<Metrics>) -> (Arc<Self>, Vec<Shard>) {
        let count = limits.shards.max(1);
        let shards = Self {
            inboxes: (0..count).map(|_| Inbox::default()).collect(),
            inbox_bytes_max: limits.inbox_bytes,
            channel_ids: AtomicU64::new(0),
            sockets: AtomicUsize::new(0),
        };
        let shard = |_| Shard::new(limits, metrics.clone());
        (Arc::new(shards), (0..count).map(shard).collect())
    }

    /// Serves one shard for ever: takes what its inbox holds, does a bounded piece of work, and
    /// lets other tasks run before the next.
    pub async fn run(self: Arc<Self>, index: usize, mut shard: Shard) {
        let mut batch = Vec::new();
        loop {
            // Yielding makes the runtime ask the kernel for news at once. Where there is nothing left to do
            // it asks anyway, and would do so twice.
            if shard.has_work() || !self.inboxes[index].is_empty() {
                tokio::task::yield_now().await;
            } else {
                self.inboxes[index].wait().await;
            }
            self.turn(index, &mut shard, &mut batch);
        }
    }

    /// One turn of one shard: its inbox, then a bounded number of writes.
    pub(super) fn turn(&self, index: usize, shard: &mut Shard, batch: &mut Vec<Command>) {
        self.inboxes[index].take(batch);
        shard.turn(batch);
    }

    /// Turns every shard until nothing moves: for tests, which have no runtime.
    pub fn settle(&self, shards: &mut [Shard]) {
        let mut batch = Vec::new();
        let idle = |shards: &[Shard]| shards.iter().all(|shard| !shard.has_work());
        while !(idle(shards) && self.inboxes.iter().all(|inbox| inbox.is_empty())) {
            for (index, shard) in shards.iter_mut().enumerate() {
                self.turn(index, shard, &mut batch);
            }
        }
    }

    /// A new id for a socket that shard number `shard` is to own.
    pub fn new_socket_id(&self, shard: usize) -> SocketId {
        SocketId::from_random(rand::random(), shard, self.count())
    }

    /// How many shards there are.
    pub fn count(&self) -> usize {
        self.inboxes.len()
    }

    /// Sockets that were opened and are not forgotten, those that are closing included. A client
    /// that was greeted is among them: a drain must not take the server for empty.
    pub fn socket_count(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Hands the write side of a new socket to its shard.
    pub fn open(&self, socket: SocketId, outlet: Arc<dyn Outlet>) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        self.push(self.of(socket), Command::Open { socket, outlet });
    }

    /// Sends one socket a frame that others caused: the bound of its outbox holds.
    pub fn send(&self, socket: SocketId, frame: Frame) {
        self.push(self.of(socket), Command::Send { socket, frame });
    }

    /// Sends one socket the answer to a message of its own, which never closes it. Returns its bytes.
    pub fn answer(&self, socket: SocketId, frame: Frame) -> usize {
        let bytes = frame.len();
        self.push(self.of(socket), Command::Answer { socket, frame });
        bytes
    }

    /// A full transport takes bytes again.
    pub fn writable(&self, socket: SocketId) {
        self.push(self.of(socket), Command::Writable { socket });
    }

    /// Says why, then closes one socket.
    pub fn end(&self, socket: SocketId, code: CloseCode) {
        self.push(self.of(socket), Command::End { socket, code });
    }

    /// Answers a peer's close frame, which had this code, then ends the stream.
    pub fn finish(&self, socket: SocketId, code: Option<u16>) {
        self.push(self.of(socket), Command::Finish { socket, code });
    }

    /// Closes about `count` sockets, spread over the shards.
    pub fn end_some(&self, count: usize, code: CloseCode) {
        let count = count.div_ceil(self.count());
        for shard in 0..self.count() {
            self.push(shard, Command::EndSome { count, code });
        }
    }

    /// The transport of a socket that was opened is gone; once.
    pub fn forget(&self, socket: SocketId) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
        self.push(self.of(socket), Command::Forget { socket });
    }

    /// Resolves once every inbox is under its bound. A shard that is behind has more to write
    /// than its core can: whoever adds to that waits here, whoever reads is never waited for.
    pub async fn room(&self) {
        for inbox in &self.inboxes {
            while inbox.bytes.load(Ordering::Relaxed) > self.inbox_bytes_max {
                let emptied = inbox.emptied.notified();
                if inbox.bytes.load(Ordering::Relaxed) > self.inbox_bytes_max {
                    emptied.await;
                }
            }
        }
    }

    pub(super) fn new_channel_id(&self) -> ChannelId {
        ChannelId(self.channel_ids.fetch_add(1, Ordering::Relaxed))
    }

    /// The shard that owns a socket.
    pub(super) fn of(&self, socket: SocketId) -> usize {
        socket.shard(self.count())
    }

    /// Returns the bytes of the answers.
    pub(super) fn join(
        &self,
        socket: SocketId,
        channel: ChannelId,
        first: [Option<Frame>; 2],
    ) -> usize {
        let bytes = first.iter().flatten().map(Frame::len).sum();
        self.push(self.of(socket), Command::Join { socket, channel, first });
        bytes
    }

    pub(super) fn leave(&self, socket: SocketId, channel: ChannelId) {
        self.push(self.of(socket), Command::Leave { socket, channel });
    }

    pub(super) fn publish(
        &self,
        shard: usize,
        channel: ChannelId,
        broadcast: Broadcast,
        except: Option<SocketId>,
    ) {
        self.push(shard, Command::Publish { channel, broadcast, except });
    }

    fn push(&self, shard: usize, command: Command) {
        self.inboxes[shard].push(command);
    }
}

impl Inbox {
    fn push(&self, command: Command) {
        let bytes = command.frame_bytes();
        let mut commands = self.commands.lock();
        let was_empty = commands.is_empty();
        commands.push(command);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        drop(commands);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Moves what waits into `batch`, which is empty; its memory is used for the next.
    fn take(&self, batch: &mut Vec<Command>) {
        let mut commands = self.commands.lock();
        std::mem::swap(&mut *commands, batch);
        self.bytes.store(0, Ordering::Relaxed);
        drop(commands);
        self.emptied.notify_waiters();
    }

    fn is_empty(&self) -> bool {
        self.commands.lock().is_empty()
    }

    async fn wait(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }
}

impl Command {
    fn frame_bytes(&self) -> usize {
        match self {
            Self::Send { frame, .. } | Self::Answer { frame, .. } => frame.len(),
            Self::Publish { broadcast, .. } => broadcast.plain().len(),
            Self::Join { first, .. } => first.iter().flatten().map(Frame::len).sum(),
            _ => 0,
        }
    }
}
