//! The sockets that joined presence channels as a user, for `terminate_connections`.
//!
//! Sockets that signed in are in [`sign_ins`](super::sign_ins).

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;

use crate::metrics::Gauge;
use crate::protocol::SocketId;

/// Each user's sockets, with the number of presence channels that a socket joined as that user.
pub(super) struct Users {
    sockets: DashMap<Arc<str>, HashMap<SocketId, u32>>,
    /// Their number.
    members: Gauge,
}

impl Users {
    pub(super) fn new(members: Gauge) -> Self {
        Self { sockets: DashMap::new(), members }
    }

    /// Counts a channel that a socket joined as this user.
    pub(super) fn joined(&self, user_id: &Arc<str>, socket: SocketId) {
        let mut sockets = self.sockets.entry(user_id.clone()).or_default();
        if sockets.is_empty() {
            self.members.inc();
        }
        *sockets.entry(socket).or_default() += 1;
    }

    /// Counts a channel that a socket left as this user.
    pub(super) fn left(&self, user_id: &Arc<str>, socket: SocketId) {
        let dashmap::Entry::Occupied(mut user) = self.sockets.entry(user_id.clone()) else {
            return;
        };
        if let Some(channels) = user.get_mut().get_mut(&socket) {
            *channels -= 1;
            if *channels == 0 {
                user.get_mut().remove(&socket);
            }
        }
        if user.get().is_empty() {
            user.remove();
            self.members.dec();
        }
    }

    /// The user's sockets on this node.
    pub(super) fn sockets(&self, user_id: &str) -> Vec<SocketId> {
        self.sockets.get(user_id).map(|user| user.keys().copied().collect()).unwrap_or_default()
    }
}
