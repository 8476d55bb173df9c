//! What a hub has at this moment: counts, names, members, cached events, the sockets of a channel.
//!
//! Changes nothing. What a shard has to look up comes behind everything that is queued for it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::Hub;
use super::channel::{Channel, ChannelCounts};
use super::command::Membership;
use crate::protocol::{ChannelName, SocketId};

impl Hub {
    /// The counts of one channel; `None` when it is not occupied.
    pub fn counts(&self, name: &ChannelName) -> Option<ChannelCounts> {
        self.registry.with_occupied(name, |channel| channel.counts())
    }

    /// Whether a socket is in a channel; `None` if the channel is not occupied.
    pub fn find(
        &self,
        name: &ChannelName,
        socket: SocketId,
    ) -> Option<oneshot::Receiver<Membership>> {
        self.registry.with_occupied(name, |channel| channel.find(&self.shards, socket))
    }

    /// The subscribers of a channel, as each shard lists them, so many of each at most; none of a channel with a
    /// pace.
    pub fn list(&self, name: &ChannelName, most: usize) -> Vec<oneshot::Receiver<Vec<SocketId>>> {
        let list = |channel: &mut Channel| channel.list(&self.shards, most);
        self.registry.with_occupied(name, list).unwrap_or_default()
    }

    /// Names of occupied channels that begin with one of `prefixes`, so many of each at most and in no order.
    pub fn names(&self, prefixes: &[String], most: usize) -> Vec<ChannelName> {
        self.registry.names(prefixes, most)
    }

    /// Every occupied channel whose name starts with `prefix`, sorted by name.
    pub fn occupied(&self, prefix: &str) -> Vec<(ChannelName, ChannelCounts)> {
        let mut all = self.registry.occupied(prefix);
        all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        all
    }

    /// The distinct members of a presence channel, in order of arrival.
    pub fn members(&self, name: &ChannelName) -> Vec<Arc<str>> {
        self.registry.with_occupied(name, |channel| channel.user_ids()).unwrap_or_default()
    }

    /// The data of a channel's cached event, and the seconds until it expires.
    pub fn last_event(&self, name: &ChannelName, now: Instant) -> Option<(Arc<str>, u64)> {
        let (cached, left) = self.cache.get(&self.app().id, name, now)?;
        Some((cached.data, left.as_secs()))
    }

    /// The number of occupied channels.
    pub fn channel_count(&self) -> usize {
        self.registry.len()
    }
}
