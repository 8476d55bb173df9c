//! What is read of the channels and users of one app on this node: counts, names, members, cached events.
//!
//! Changes nothing. What other nodes have is left to `node`.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::Hub;
use super::channel::{Channel, ChannelCounts};
use super::command::Membership;
use super::ids::HubId;
use super::socket_match::ChannelIds;
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
        let mut all: Vec<_> = self.registry.occupied(prefix).collect();
        all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        all
    }

    /// The same in no order, each with its counts of when it is taken.
    pub fn occupied_unsorted(&self) -> impl Iterator<Item = (ChannelName, ChannelCounts)> + use<> {
        self.registry.occupied("")
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

    /// Under which number its sockets are at the shards.
    pub fn id(&self) -> HubId {
        self.id
    }

    /// Under which ids the shards have the subscribers of a channel; `None` when it is not occupied.
    pub fn channel_ids(&self, name: &ChannelName) -> Option<ChannelIds> {
        self.registry.with_occupied(name, |channel| channel.ids())
    }

    /// So many members of a presence channel with their `user_info`, in order of arrival.
    pub fn member_infos(&self, name: &ChannelName, most: usize) -> Vec<(Arc<str>, Box<str>)> {
        let infos = |channel: &mut Channel| channel.member_infos(most);
        self.registry.with_occupied(name, infos).unwrap_or_default()
    }

    /// Whether a cache channel has a cached event, which stays as old as it is.
    pub fn has_last_event(&self, name: &ChannelName, now: Instant) -> bool {
        self.cache.has(&self.app().id, name, now)
    }

    /// The sockets of this node that are signed in as a user, and with `in_presence` those that joined a presence
    /// channel as this user.
    pub fn sockets_of_user(&self, user_id: &str, in_presence: bool) -> Vec<SocketId> {
        let mut sockets = self.sign_ins.lock().sockets(user_id);
        if in_presence {
            sockets.extend(self.users.sockets(user_id));
        }
        sockets.sort_unstable();
        sockets.dedup();
        sockets
    }
}
