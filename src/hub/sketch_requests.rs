//! Questions to the sessions of sockets: what only the connection task has, its user and its channels.
//!
//! The task is signalled and answers here; while no viewer asks, a socket costs nothing more.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::protocol::{ChannelName, SocketId};

/// What a session has.
#[derive(Debug, Clone, Default)]
pub struct SessionSketch {
    /// The user that it is signed in as.
    pub user_id: Option<Arc<str>>,
    /// Its channels, with the user id of the member, as many as are shown.
    pub channels: Vec<(ChannelName, Option<Arc<str>>)>,
    /// All of its channels.
    pub channel_count: usize,
}

/// Questions to connection tasks that are not answered yet.
#[derive(Default)]
pub struct SketchRequests(pub(super) Mutex<HashMap<SocketId, Vec<oneshot::Sender<SessionSketch>>>>);

impl SketchRequests {
    /// A connection task describes its session.
    pub fn answer(&self, socket: SocketId, sketch: &SessionSketch) {
        let waiting = self.0.lock().remove(&socket).unwrap_or_default();
        // A receiver may have given up.
        waiting.into_iter().for_each(|asker| drop(asker.send(sketch.clone())));
    }

    /// Drops the questions whose askers have given up.
    pub fn drop_abandoned(&self) {
        self.0.lock().retain(|_, askers| {
            askers.retain(|asker| !asker.is_closed());
            !askers.is_empty()
        });
    }
}
