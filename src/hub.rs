//! This process's sockets and channels of one app. Never waits: nothing here is async but the
//! shards' own loop, and no caller is slowed by a reader.
//!
//! Owns who is subscribed to what, rosters, last events and the way of a frame to its sockets.
//! Refuses to know the rules of who may (that is [`protocol`](crate::protocol)) and what a
//! socket is made of (an [`Outlet`]). Locks are taken in one order: channel, then shard inbox
//! or cache; never two channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::app::App;
use crate::protocol::server_message::Event;
use crate::protocol::{ChannelName, CloseCode, Frame, Member, SocketId};

mod channel;
mod event_cache;
mod outbox;
mod registry;
mod roster;
mod shard;
mod shards;
mod users;

pub use channel::PresenceFull;
pub use event_cache::{Cached, EventCache};
pub use outbox::Outlet;
pub use shard::Shard;
pub use shards::{ShardLimits, Shards};

use registry::Registry;
use users::Users;

/// The sockets and channels of one app on this node.
pub struct Hub {
    app: Arc<App>,
    shards: Arc<Shards>,
    cache: Arc<EventCache>,
    registry: Registry,
    users: Users,
    sockets: AtomicU32,
}

/// What the HTTP API may say of one occupied channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelCounts {
    /// Subscribed sockets.
    pub subscription_count: usize,
    /// Distinct members, on presence channels.
    pub user_count: Option<usize>,
}

impl Hub {
    /// An empty hub; shards and cache are shared by the apps of the process.
    pub fn new(app: Arc<App>, shards: Arc<Shards>, cache: Arc<EventCache>) -> Self {
        let sockets = AtomicU32::new(0);
        Self { app, shards, cache, registry: Registry::default(), users: Users::default(), sockets }
    }

    /// The app whose hub this is.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Counts one more socket, unless the app has all it may have.
    pub fn reserve_socket(&self) -> bool {
        let most = self.app.limits.connections.unwrap_or(u32::MAX);
        let more = |open: u32| (open < most).then_some(open + 1);
        self.sockets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives back what [`reserve_socket`](Self::reserve_socket) took.
    pub fn release_socket(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Open sockets of the app.
    pub fn socket_count(&self) -> u32 {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Says something to one socket.
    pub fn send(&self, socket: SocketId, frame: Frame) {
        self.shards.send(socket, frame);
    }

    /// Says why, then closes one socket.
    pub fn end(&self, socket: SocketId, code: CloseCode) {
        self.shards.end(socket, code);
    }

    /// Joins a channel. The answer, the cached event and the announcement to the others are
    /// queued under the channel's lock, so everybody sees them in one order.
    pub fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<(), PresenceFull> {
        let full_at = self.app.limits.presence_members;
        self.registry.with(name, &self.shards, |channel| {
            let then = || self.cached_or_miss(name, now);
            channel.join(&self.shards, socket, member, full_at, then)
        })?;
        if let Some(member) = member {
            self.users.joined(&member.user_id, socket);
        }
        Ok(())
    }

    /// Answers a second subscription like the first.
    pub fn confirm(&self, socket: SocketId, name: &ChannelName) {
        self.registry.with_occupied(name, |channel| {
            self.shards.send(socket, channel.answer());
        });
    }

    /// Leaves a channel; the last one out takes the channel with it.
    pub fn unsubscribe(&self, socket: SocketId, name: &ChannelName, user_id: Option<&Arc<str>>) {
        self.registry.with_occupied(name, |channel| {
            channel.leave(&self.shards, socket, user_id.map(|id| &**id));
        });
        if let Some(user_id) = user_id {
            self.users.left(user_id, socket);
        }
    }

    /// Delivers a client event to the channel's other subscribers.
    pub fn publish(&self, name: &ChannelName, frame: &Frame, except: SocketId) {
        self.registry.with_occupied(name, |channel| {
            channel.publish(&self.shards, frame, Some(except));
        });
    }

    /// Delivers an event of a back end, and keeps it for newcomers on cache channels. Returns
    /// the channel's subscribers.
    pub fn trigger(
        &self,
        name: &ChannelName,
        event: &Event,
        data: &str,
        except: Option<SocketId>,
        now: Instant,
    ) -> usize {
        if !name.is_cache() {
            let deliver = |channel: &mut channel::Channel| {
                channel.publish(&self.shards, &event.frame(name), except);
                channel.subscription_count()
            };
            return self.registry.with_occupied(name, deliver).unwrap_or(0);
        }
        // Under the channel's lock even when nobody is there, or a newcomer could miss the event
        // both in the cache and on the wire.
        self.registry.with(name, &self.shards, |channel| {
            let frame = event.frame(name);
            self.cache.keep(&self.app.id, name, Cached::new(frame.clone(), data), now);
            channel.publish(&self.shards, &frame, except);
            channel.subscription_count()
        })
    }

    /// Resolves once the shards have room for more frames: back-pressure for publishers.
    pub async fn room(&self) {
        self.shards.room().await;
    }

    /// The counts of one channel; `None` when it is not occupied.
    pub fn counts(&self, name: &ChannelName) -> Option<ChannelCounts> {
        self.registry.with_occupied(name, |channel| channel.counts())
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

    /// The last event of a cache channel and the seconds it has left.
    pub fn last_event(&self, name: &ChannelName, now: Instant) -> Option<(Arc<str>, u64)> {
        let (cached, left) = self.cache.find(&self.app.id, name, now)?;
        Some((cached.data, left.as_secs()))
    }

    /// Closes every socket that joined a presence channel as this user. Returns how many.
    pub fn terminate_user(&self, user_id: &str) -> usize {
        let sockets = self.users.sockets(user_id);
        for &socket in &sockets {
            self.shards.end(socket, CloseCode::Terminated);
        }
        sockets.len()
    }

    /// How many channels there are: zero when nobody is subscribed to anything.
    pub fn channel_count(&self) -> usize {
        self.registry.len()
    }

    fn cached_or_miss(&self, name: &ChannelName, now: Instant) -> Option<Frame> {
        if !name.is_cache() {
            return None;
        }
        let cached = self.cache.find(&self.app.id, name, now).map(|(cached, _)| cached.frame);
        Some(cached.unwrap_or_else(|| crate::protocol::server_message::cache_miss(name)))
    }
}
