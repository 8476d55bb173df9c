//! Looking at the sockets of this node: there is no map of them, so a question goes to each shard.
//!
//! Who asks waits; the shards do not. In which order the answers are listed is left to `node`.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::command::ShardCommand;
use super::ids::HubId;
use super::shards::Shards;
use super::sighting::ClosedSocket;
use super::sketch_requests::SessionSketch;
use super::socket_match::{Look, Looked, SocketMatch};
use crate::protocol::SocketId;

impl Shards {
    /// One step of a look at a shard, whose place is that of the step before.
    pub fn look(
        &self,
        shard: usize,
        from: usize,
        what: &Arc<SocketMatch>,
    ) -> oneshot::Receiver<Looked> {
        let (answer, looked) = oneshot::channel();
        self.push(shard, ShardCommand::Look { look: Look { from, what: what.clone() }, answer });
        looked
    }

    /// The sockets of a shard that ended last, the oldest first.
    pub fn closed(&self, shard: usize) -> oneshot::Receiver<Vec<ClosedSocket>> {
        let (answer, closed) = oneshot::channel();
        self.push(shard, ShardCommand::Closed { answer });
        closed
    }

    /// Asks the session of a socket for a sketch; one that is closing gives none.
    pub fn ask(&self, socket: SocketId) -> oneshot::Receiver<SessionSketch> {
        let (answer, sketch) = oneshot::channel();
        self.sketch_requests().0.lock().entry(socket).or_default().push(answer);
        self.push(self.of(socket), ShardCommand::Describe { socket });
        sketch
    }

    /// The id of the app of a hub.
    pub fn app_of(&self, hub: HubId) -> Option<String> {
        self.hub_apps.lock().get(hub.0 as usize).cloned()
    }
}
