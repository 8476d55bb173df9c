//! The channels of one app on this node, and the way of a frame to their sockets.
//!
//! Owns subscriptions, rosters, sign-ins and cached events. Never waits: only [`Shards`] and its inboxes are async, and
//! no caller waits for a client that reads slowly. Who may subscribe is left to
//! [`protocol`](crate::protocol), how bytes are written to the [`Transport`]. Locks are taken in one
//! order, channel before shard inbox or cache, and never those of two channels.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::app::App;
use crate::channel_rules::{WebhookPayload, WebhookSink};
use crate::metrics::AppMetrics;
use crate::protocol::server_message::{self, OutboundEvent};
use crate::protocol::session::Relay;
use crate::protocol::{Broadcast, ChannelName, CloseCode, Frame, Member, SocketId, User};

mod alarm;
mod channel;
mod command;
mod event_cache;
mod flush_queue;
mod history;
mod ids;
mod inbox;
mod sketch_requests;
mod looking;
mod lookup;
mod outbox;
mod paced_channel;
mod ranked_list;
mod registry;
mod replica;
mod schedule;
mod shard;
mod shards;
mod sighting;
mod sign_ins;
mod socket_ends;
mod socket_match;
mod socket_order;
mod subscriber_slots;
pub(crate) mod sync;
mod tally;
mod users;

pub use alarm::Alarm;
pub use channel::{ChannelCounts, PresenceFull};
pub use command::Membership;
pub use event_cache::{CachedEvent, EventCache, cached_event_answer};
pub use history::HubHistory;
pub use ids::HubId;
pub use outbox::{Signal, Transport};
pub use ranked_list::RankedList;
pub use shard::Shard;
pub use shards::Shards;
pub use sighting::{ClientProfile, ClosedSocket, LineFacts, SocketSighting};
pub use sketch_requests::{SessionSketch, SketchRequests};
pub use socket_match::{AnyMatch, ChannelIds, LookPlan, Looked, SocketMatch, SocketSet};
pub use socket_order::{SocketOrder, SocketRank};

use channel::{Channel, Joining};
use registry::Registry;
use sign_ins::SignIns;
use users::Users;

/// The sockets and channels of one app on this node.
pub struct Hub {
    id: HubId,
    app: Arc<ArcSwap<App>>,
    shards: Arc<Shards>,
    cache: Arc<EventCache>,
    registry: Registry,
    users: Users,
    sign_ins: Mutex<SignIns>,
    /// Channels whose subscription count was throttled, and when it is sent.
    counts_due: Mutex<IndexMap<ChannelName, Instant>>,
    sockets: AtomicU32,
    history: HubHistory,
    metrics: AppMetrics,
}

impl Hub {
    /// An empty hub; shards and cache are shared by the apps of the process. `webhooks` receives what
    /// happens on its channels.
    pub fn new(
        app: Arc<App>,
        shards: Arc<Shards>,
        cache: Arc<EventCache>,
        webhooks: Option<Arc<dyn WebhookSink>>,
    ) -> Self {
        let metrics = shards.metrics().apps.of(&app.id);
        let id = shards.new_hub_id(&app.id);
        let app = Arc::new(ArcSwap::new(app));
        Self {
            id,
            registry: Registry::new(shards.clone(), app.clone(), webhooks, metrics.clone()),
            users: Users::new(metrics.presence_members.clone()),
            app,
            shards,
            cache,
            metrics,
            sign_ins: Mutex::default(),
            counts_due: Mutex::default(),
            sockets: AtomicU32::new(0),
            history: HubHistory::new(),
        }
    }

    /// The app whose channels these are, as it is configured now. Not to be held while waiting.
    pub fn app(&self) -> Guard<Arc<App>> {
        self.app.load()
    }

    /// Replaces the settings of the app, which keeps its id. Its channels and sockets remain.
    pub fn set_app(&self, app: Arc<App>) {
        self.app.store(app);
    }

    /// Takes over the write side of a new socket.
    pub fn open(&self, socket: SocketId, transport: Arc<dyn Transport>, client: Option<IpAddr>) {
        self.shards.open(self.id, socket, transport, client);
    }

    /// Closes about `count` of its sockets, spread over the shards.
    pub fn end_some(&self, count: usize, code: CloseCode) {
        self.shards.end_some_of(self.id, count, code);
    }

    /// What is counted of the app.
    pub fn metrics(&self) -> &AppMetrics {
        &self.metrics
    }

    /// The shards of its sockets.
    pub fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// What happened of late on its channels.
    pub fn history(&self) -> &HubHistory {
        &self.history
    }

    /// Counts one more socket, unless the app has as many as its limit allows.
    pub fn reserve_socket(&self) -> bool {
        let most = self.app().limits.connections.unwrap_or(u32::MAX);
        let more = |open: u32| (open < most).then_some(open + 1);
        self.sockets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Releases what [`reserve_socket`](Self::reserve_socket) counted.
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

    fn answer_all(&self, socket: SocketId, answers: [Option<Frame>; 2]) -> usize {
        answers.into_iter().flatten().map(|frame| self.answer(socket, frame)).sum()
    }

    /// Sends one socket the reason, then closes it.
    pub fn end(&self, socket: SocketId, code: CloseCode) {
        self.shards.end(socket, code);
    }

    /// Joins a channel. The announcement to the others, the answer and the cached event are queued
    /// under the channel's lock, so all subscribers receive them in one order. Returns the bytes of
    /// the answers.
    pub fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<usize, PresenceFull> {
        let members_max = self.app().limits.presence_members;
        let bytes = self.registry.with(name, |channel| {
            let cached = name.is_cache().then(|| self.cached_event(name, now));
            let is_miss = matches!(cached, Some(None));
            let then = cached.map(|event| cached_event_answer(name, event));
            let was_vacant = channel.subscription_count() == 0;
            let bytes =
                channel.join(&self.shards, Joining { socket, member }, members_max, then)?;
            if was_vacant {
                self.history.occupied(name);
            }
            if is_miss {
                channel.report(WebhookPayload::CacheMiss);
            }
            self.send_count(channel, name, now);
            Ok(bytes)
        })?;
        self.metrics.subscribed(name);
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

    /// Leaves a channel. The channel is dropped with its last subscriber.
    pub fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    ) {
        let left = self.registry.with_occupied(name, |channel| {
            channel.leave(&self.shards, socket, user_id.map(|id| &**id));
            if channel.subscription_count() == 0 {
                self.history.vacated(name, socket);
            }
            self.send_count(channel, name, now);
        });
        if left.is_some() {
            self.metrics.unsubscribed(name);
        }
        if let Some(user_id) = user_id {
            self.users.left(user_id, socket);
        }
    }

    /// Signs a socket in: it joins the user's channel and receives the state of its watchlist, and the
    /// sockets that watch the user are notified. The answers come first. Returns their bytes.
    pub fn sign_in(&self, socket: SocketId, user: &User, answers: [Option<Frame>; 2]) -> usize {
        let bytes = answers.iter().flatten().map(Frame::len).sum();
        match self.channel_of(user) {
            Some(own) => self.add_subscriber(socket, &own, answers),
            None => drop(self.answer_all(socket, answers)),
        }
        let mut sign_ins = self.sign_ins.lock();
        let signed_in = sign_ins.sign_in(socket, user);
        if !self.app().watchlist_events {
            return bytes;
        }
        if !user.watchlist.is_empty() {
            let lists = [("online", &*signed_in.online), ("offline", &*signed_in.offline)];
            self.shards.answer(socket, server_message::watchlist_events(lists));
        }
        let online = std::slice::from_ref(&user.id);
        self.notify_watchers(&signed_in.watchers, [("online", online), ("offline", &[])]);
        bytes
    }

    /// Signs a socket out that is closed.
    pub fn sign_out(&self, socket: SocketId, user: &User) {
        if let Some(own) = self.channel_of(user) {
            self.remove_subscriber(socket, &own);
        }
        let mut sign_ins = self.sign_ins.lock();
        let watchers = sign_ins.sign_out(socket, user);
        if self.app().watchlist_events {
            let offline = std::slice::from_ref(&user.id);
            self.notify_watchers(&watchers, [("online", &[]), ("offline", offline)]);
        }
    }

    /// Delivers a client event to the channel's other subscribers. Returns the number of all.
    pub fn deliver_client_event(&self, relay: Relay, sender: SocketId) -> usize {
        let Relay { channel: name, frame, event, data, user_id } = relay;
        let deliver = |channel: &mut Channel| {
            channel.publish(&self.shards, &Broadcast::new(frame), Some(sender));
            channel.report(WebhookPayload::ClientEvent { event, data, socket_id: sender, user_id });
            channel.subscription_count()
        };
        self.registry.with_occupied(&name, deliver).unwrap_or(0)
    }

    /// Sends the throttled subscription counts that are due.
    pub fn tick(&self, now: Instant) {
        let due: Vec<ChannelName> = {
            let mut waiting = self.counts_due.lock();
            waiting.extract_if(.., |_, at| *at <= now).map(|(name, _)| name).collect()
        };
        for name in due {
            self.registry.with_occupied(&name, |channel| self.send_count(channel, &name, now));
        }
    }

    /// Delivers the events of paced channels that are due.
    pub fn release_paced(&self, now: Instant) {
        self.registry.release_paced(Some(now), now);
    }

    /// Delivers all events of paced channels that wait; after [`Alarm::end`] none waits any more.
    pub fn end_pacing(&self, now: Instant) {
        self.registry.release_paced(None, now);
    }

    /// Delivers an event that a back end triggered, and caches it on cache channels. Returns the number
    /// of the channel's subscribers.
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
                channel.publish(&self.shards, &event.broadcast(name), except);
                channel.subscription_count()
            };
            return self.registry.with_occupied(name, deliver).unwrap_or(0);
        }
        // Under the channel's lock even when it has no subscriber: a socket that joins meanwhile would
        // otherwise find the event neither in the cache nor on the wire.
        self.registry.with(name, |channel| {
            let broadcast = event.broadcast(name);
            let cached = CachedEvent::new(broadcast.plain().clone(), data);
            self.cache.insert(&self.app().id, name, cached, now);
            channel.publish(&self.shards, &broadcast, except);
            channel.subscription_count()
        })
    }

    /// Closes every socket that is signed in as this user and, if the app is configured so, every one
    /// that joined a presence channel as this user. Returns their number.
    pub fn terminate_user(&self, user_id: &str) -> usize {
        let sockets = self.sockets_of_user(user_id, self.app().terminate_presence_users);
        sockets.iter().for_each(|&socket| self.shards.end(socket, CloseCode::Terminated));
        sockets.len()
    }

    /// Sends a channel's subscription count, if the app has these events. A throttled count waits for
    /// [`tick`](Self::tick). Called under the channel's lock.
    fn send_count(&self, channel: &mut Channel, name: &ChannelName, now: Instant) {
        if !self.app().subscription_count_events {
            return;
        }
        match channel.send_count(&self.shards, now) {
            Err(at) => drop(self.counts_due.lock().insert(name.clone(), at)),
            // A count that was throttled before is superseded.
            Ok(()) => drop(self.counts_due.lock().swap_remove(name)),
        }
    }

    fn channel_of(&self, user: &User) -> Option<ChannelName> {
        ChannelName::server_to_user(&user.id, self.app().limits.channel_name_bytes)
    }

    fn notify_watchers(&self, watchers: &[SocketId], lists: [(&str, &[Arc<str>]); 2]) {
        if watchers.is_empty() {
            return;
        }
        let frame = server_message::watchlist_events(lists);
        for &watcher in watchers {
            self.shards.send(watcher, frame.clone());
        }
    }
}
