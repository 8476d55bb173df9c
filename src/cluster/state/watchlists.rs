//! Sockets that signed in with a watchlist and wait to hear who of it is there.
//!
//! Pure. Each waits until this node hears all the channels of the users it watches.

use std::collections::HashSet;
use std::sync::Arc;

use crate::protocol::SocketId;

/// All sockets that wait.
#[derive(Default)]
pub(super) struct Watchlists(Vec<PendingWatchlist>);

/// One of them.
pub(super) struct PendingWatchlist {
    pub(super) app: usize,
    pub(super) socket: SocketId,
    pub(super) watchlist: Vec<Arc<str>>,
    /// The channels that are not known yet.
    pub(super) missing: HashSet<Arc<str>>,
}

impl Watchlists {
    pub(super) fn add(&mut self, waiting: PendingWatchlist) {
        self.0.push(waiting);
    }

    /// A channel became known: those that waited for nothing else.
    pub(super) fn known(&mut self, topic: &str) -> Vec<PendingWatchlist> {
        for waiting in &mut self.0 {
            waiting.missing.remove(topic);
        }
        self.0.extract_if(.., |waiting| waiting.missing.is_empty()).collect()
    }

    /// Nothing more will become known.
    pub(super) fn take(&mut self) -> Vec<PendingWatchlist> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn forget(&mut self, socket: SocketId) {
        self.0.retain(|waiting| waiting.socket != socket);
    }
}
