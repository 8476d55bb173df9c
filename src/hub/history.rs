//! What happened of late on the channels of one app on this node, behind one lock, and its last sockets.
//!
//! An event with receivers does not come here. A subscription that makes a channel occupied costs one relaxed load
//! while no event was missed of late, a departure that vacates one costs a push. The lock is taken inside that of a
//! channel, and none inside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::explanation::{AppHistory, Miss, RecentSockets, RefusedSubscription};
use crate::protocol::{ChannelName, SocketId};

/// The history of one app on this node.
pub struct HubHistory {
    has_misses: AtomicBool,
    history: Mutex<AppHistory>,
    sockets: RecentSockets,
}

impl HubHistory {
    pub(super) fn new() -> Self {
        let history = Mutex::new(AppHistory::new(Instant::now()));
        Self { has_misses: AtomicBool::new(false), history, sockets: RecentSockets::default() }
    }

    /// No socket received an event.
    pub fn missed(&self, channel: &ChannelName, miss: Miss) {
        let mut history = self.history.lock();
        self.has_misses.store(true, Ordering::Relaxed);
        history.missed(channel, miss);
    }

    /// A subscription was refused.
    pub fn refused(&self, refused: RefusedSubscription) {
        self.history.lock().refused(refused);
    }

    /// Reads what is remembered.
    pub fn read<R>(&self, read: impl FnOnce(&AppHistory) -> R) -> R {
        read(&self.history.lock())
    }

    /// Its last sockets.
    pub fn sockets(&self) -> &RecentSockets {
        &self.sockets
    }

    /// A channel has its first subscriber. The hub calls it under the channel's lock.
    pub fn occupied(&self, channel: &ChannelName) {
        if self.has_misses.load(Ordering::Relaxed) {
            self.history.lock().occupied(channel, Instant::now());
        }
    }

    /// Called under the channel's lock.
    pub(super) fn vacated(&self, channel: &ChannelName, socket: SocketId) {
        let now = Instant::now();
        self.history.lock().vacated(channel, socket, now);
    }
}
