//! Subscriptions that were refused after the rules had allowed them, until their session hears of it.
//!
//! A session belongs to its connection's task; a refusal of the cluster comes from elsewhere. The
//! client has been told by then, and the session needs to know before it speaks next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::protocol::{ChannelName, SocketId};

/// Of all sockets; nearly always none.
#[derive(Default)]
pub(super) struct Refusals {
    sockets: AtomicUsize,
    channels: Mutex<HashMap<SocketId, Vec<ChannelName>>>,
}

impl Refusals {
    pub(super) fn add(&self, socket: SocketId, channel: ChannelName) {
        let mut channels = self.channels.lock();
        channels.entry(socket).or_default().push(channel);
        self.sockets.store(channels.len(), Ordering::Release);
    }

    /// What was refused to a socket since the last time.
    pub(super) fn take(&self, socket: SocketId) -> Vec<ChannelName> {
        if self.sockets.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut channels = self.channels.lock();
        let refused = channels.remove(&socket).unwrap_or_default();
        self.sockets.store(channels.len(), Ordering::Release);
        refused
    }
}
