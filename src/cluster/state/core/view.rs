//! What a node can say without asking anybody: all there is to be said while Redis is away, and what
//! is counted.

use std::sync::Arc;

use super::Core;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::state::channel::ClusterChannel;
use crate::cluster::state::connection_quota::ConnectionQuota;

impl Core {
    /// Sockets and users of a channel as far as this node knows.
    pub fn counts_here(&self, key: &ChannelKey) -> (u32, u32) {
        self.channels.get(&self.topic(key)).map(ClusterChannel::counts).unwrap_or_default()
    }

    /// Members of a channel as far as this node knows.
    pub fn members_here(&self, key: &ChannelKey) -> Vec<Arc<str>> {
        let channel = self.channels.get(&self.topic(key));
        channel.map(|channel| channel.user_ids().map(Arc::from).collect()).unwrap_or_default()
    }

    /// Occupied channels as far as this node knows: name, sockets, users; in order of name.
    pub fn occupied_here(&self, app: usize, prefix: &str) -> Vec<(String, u32, u32)> {
        let matches = |channel: &&ClusterChannel| {
            let name_matches = channel.key.text.starts_with(prefix);
            channel.key.app == app && channel.facts.listed && channel.is_occupied() && name_matches
        };
        let mut all: Vec<_> = self
            .channels
            .values()
            .filter(matches)
            .map(|channel| {
                let (sockets, users) = channel.counts();
                (channel.key.text.to_string(), sockets, users)
            })
            .collect();
        all.sort();
        all
    }

    /// Nodes that live, this one included; 0 without Redis.
    pub fn alive(&self) -> u32 {
        self.alive
    }

    /// Bytes of events that wait for Redis.
    pub fn waiting_bytes(&self) -> usize {
        self.publishing.bytes()
    }

    /// Events that other nodes did not get, since the last time it was asked.
    pub fn take_unshared(&mut self) -> u64 {
        self.publishing.take_unshared()
    }

    /// What was asked of Redis and is not done: 0 when nothing is under way.
    pub fn unsettled(&self) -> usize {
        let waiting: usize = self.connections.iter().map(ConnectionQuota::waiting).sum();
        self.queue.len()
            + self.backlog.len()
            + self.sent.len()
            + self.asked.len()
            + self.publishing.len()
            + waiting
    }

    /// Sockets of an app on this node.
    pub fn open(&self, app: usize) -> u32 {
        self.connections[app].open()
    }

    /// Channels this node hears or has.
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }
}
