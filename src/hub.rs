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

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::app::App;
use crate::protocol::server_message::{self, OutboundEvent};
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, CloseCode, Frame, Member, SocketId, User};

mod channel;
mod directed;
mod event_cache;
mod occurrence;
mod outbox;
mod registry;
mod roster;
mod shard;
mod shards;
mod sign_ins;
mod users;

pub use channel::PresenceFull;
pub use event_cache::{Cached, EventCache};
pub use occurrence::{Occurrence, What, Witness};
pub use outbox::{Outlet, Signal};
pub use shard::Shard;
pub use shards::{ShardLimits, Shards};

use channel::{Channel, Joining};
use registry::Registry;
use sign_ins::SignIns;
use users::Users;

/// The sockets and channels of one app on this node.
pub struct Hub {
    app: Arc<App>,
    shards: Arc<Shards>,
    cache: Arc<EventCache>,
    registry: Registry,
    users: Users,
    sign_ins: Mutex<SignIns>,
    /// Channels whose subscribers are to be told their number, and when; each once.
    counts_due: Mutex<IndexMap<ChannelName, Instant>>,
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
    /// An empty hub; shards and cache are shared by the apps of the process. `witness` is told
    /// what happens on its channels.
    pub fn new(
        app: Arc<App>,
        shards: Arc<Shards>,
        cache: Arc<EventCache>,
        witness: Option<Arc<dyn Witness>>,
    ) -> Self {
        Self {
            registry: Registry::new(shards.clone(), witness),
            app,
            shards,
            cache,
            users: Users::default(),
            sign_ins: Mutex::default(),
            counts_due: Mutex::default(),
            sockets: AtomicU32::new(0),
        }
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

    /// Sends one socket the answer to a message of its own. Returns its bytes.
    pub fn answer(&self, socket: SocketId, frame: Frame) -> usize {
        self.shards.answer(socket, frame)
    }

    /// Says why, then closes one socket.
    pub fn end(&self, socket: SocketId, code: CloseCode) {
        self.shards.end(socket, code);
    }

    /// Joins a channel. The answer, the cached event and the announcement to the others are
    /// queued under the channel's lock, so all subscribers get them in one order. Returns the bytes
    /// of the answers.
    pub fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<usize, PresenceFull> {
        let full_at = self.app.limits.presence_members;
        let bytes = self.registry.with(name, |channel| {
            let cached = name.is_cache().then(|| self.cache.find(&self.app.id, name, now));
            let missed = matches!(cached, Some(None));
            let miss = || server_message::cache_miss(name);
            let then = cached.map(|cached| cached.map_or_else(miss, |(cached, _)| cached.frame));
            let bytes = channel.join(&self.shards, Joining { socket, member }, full_at, then)?;
            if missed {
                channel.tell(What::CacheMiss);
            }
            self.tell_count(channel, name, now);
            Ok(bytes)
        })?;
        if let Some(member) = member {
            self.users.joined(&member.user_id, socket);
        }
        Ok(bytes)
    }

    /// Answers a second subscription like the first. Returns the bytes of the answer.
    pub fn confirm(&self, socket: SocketId, name: &ChannelName) -> usize {
        let answer = |channel: &mut Channel| self.shards.answer(socket, channel.answer());
        self.registry.with_occupied(name, answer).unwrap_or(0)
    }

    /// Leaves a channel; the last one out takes the channel with it.
    pub fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    ) {
        self.registry.with_occupied(name, |channel| {
            channel.leave(&self.shards, socket, user_id.map(|id| &**id));
            self.tell_count(channel, name, now);
        });
        if let Some(user_id) = user_id {
            self.users.left(user_id, socket);
        }
    }

    /// A socket belongs to a user now: joins the user's channel, is told who of its watchlist is
    /// there, and those who watch the user are told.
    pub fn sign_in(&self, socket: SocketId, user: &User) {
        if let Some(own) = self.channel_of(user) {
            self.registry.with(&own, |channel| channel.seat(&self.shards, socket, [None, None]));
        }
        let mut sign_ins = self.sign_ins.lock();
        let signed_in = sign_ins.sign_in(socket, user);
        if !self.app.watchlist_events {
            return;
        }
        if !user.watchlist.is_empty() {
            let lists = [("online", &*signed_in.online), ("offline", &*signed_in.offline)];
            self.shards.answer(socket, server_message::watchlist_events(lists));
        }
        let online = std::slice::from_ref(&user.id);
        self.tell_watchers(&signed_in.tell, [("online", online), ("offline", &[])]);
    }

    /// A signed-in socket is gone.
    pub fn sign_out(&self, socket: SocketId, user: &User) {
        if let Some(own) = self.channel_of(user) {
            self.registry.with_occupied(&own, |channel| channel.leave(&self.shards, socket, None));
        }
        let mut sign_ins = self.sign_ins.lock();
        let tell = sign_ins.sign_out(socket, user);
        if self.app.watchlist_events {
            let offline = std::slice::from_ref(&user.id);
            self.tell_watchers(&tell, [("online", &[]), ("offline", offline)]);
        }
    }

    /// Delivers a client event to the channel's other subscribers.
    pub fn publish(&self, relay: Relay, except: SocketId) {
        let Relay { channel: name, frame, event, data, user_id } = relay;
        self.registry.with_occupied(&name, |channel| {
            channel.publish(&self.shards, &frame, Some(except));
            channel.tell(What::ClientEvent { event, data, socket_id: except, user_id });
        });
    }

    /// Does what was put off until now: counts that are told only every few seconds.
    pub fn tick(&self, now: Instant) {
        let due: Vec<ChannelName> = {
            let mut waiting = self.counts_due.lock();
            waiting.extract_if(.., |_, at| *at <= now).map(|(name, _)| name).collect()
        };
        for name in due {
            self.registry.with_occupied(&name, |channel| self.tell_count(channel, &name, now));
        }
    }

    /// Delivers an event of a back end, and keeps it for newcomers on cache channels. Returns
    /// the channel's subscribers.
    pub fn trigger(
        &self,
        name: &ChannelName,
        event: &OutboundEvent<'_>,
        data: &str,
        except: Option<SocketId>,
        now: Instant,
    ) -> usize {
        if !name.is_cache() {
            let deliver = |channel: &mut Channel| {
                channel.publish(&self.shards, &event.frame(name), except);
                channel.subscription_count()
            };
            return self.registry.with_occupied(name, deliver).unwrap_or(0);
        }
        // Under the channel's lock even when nobody is there, or a newcomer could miss the event
        // both in the cache and on the wire.
        self.registry.with(name, |channel| {
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

    /// Closes every socket signed in as this user, and, if the app wants that, every one that
    /// joined a presence channel as this user. Returns how many.
    pub fn terminate_user(&self, user_id: &str) -> usize {
        let mut sockets = self.sign_ins.lock().sockets(user_id);
        if self.app.terminate_presence_users {
            sockets.extend(self.users.sockets(user_id));
        }
        sockets.sort_unstable();
        sockets.dedup();
        for &socket in &sockets {
            self.shards.end(socket, CloseCode::Terminated);
        }
        sockets.len()
    }

    /// How many channels there are: zero when nobody is subscribed to anything.
    pub fn channel_count(&self) -> usize {
        self.registry.len()
    }

    /// Under the channel's lock, if the app wants it; a count that comes too soon waits for a tick.
    fn tell_count(&self, channel: &mut Channel, name: &ChannelName, now: Instant) {
        if !self.app.subscription_count_events {
            return;
        }
        match channel.tell_count(&self.shards, now) {
            Some(at) => drop(self.counts_due.lock().insert(name.clone(), at)),
            // What was put off is told with this.
            None => drop(self.counts_due.lock().swap_remove(name)),
        }
    }

    fn channel_of(&self, user: &User) -> Option<ChannelName> {
        ChannelName::server_to_user(&user.id, self.app.limits.channel_name_bytes)
    }

    fn tell_watchers(&self, watchers: &[SocketId], lists: [(&str, &[Arc<str>]); 2]) {
        if watchers.is_empty() {
            return;
        }
        let frame = server_message::watchlist_events(lists);
        for &watcher in watchers {
            self.shards.send(watcher, frame.clone());
        }
    }
}
