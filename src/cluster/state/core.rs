//! The whole of the cluster's logic on one node, without a network and without a clock.
//!
//! Three kinds of methods: what the node does ([`join`](Core::join), [`publish`](Core::publish) …),
//! what comes from Redis ([`connected`](Core::connected), [`message`](Core::message),
//! [`replied`](Core::replied), [`disconnected`](Core::disconnected)) and time
//! ([`tick`](Core::tick)). Two things come out and are to be taken after every call:
//! [`requests`](Core::requests) for Redis, [`effects`](Core::effects) for this node.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio::sync::oneshot;

use super::channel::{ClusterChannel, Subscription};
use super::connection_quota::{ConnectionQuota, PermitDecision};
use super::effect::{Effect, PublishScope};
use super::health::{DirectoryHealth, RedisIdentity};
use super::publish_queue::{NewPublish, PublishQueue};
use super::watchlists::{self, Watchlists};
use crate::app::App;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::{self, InvalidTopicMessage, TopicMessage};
use crate::cluster::directory::request::{DirectoryQuery, QueryAnswer, Reply};
use crate::config::ClusterSettings;
use crate::protocol::{Frame, Member, SocketId, User};

mod duties;
mod queue;
mod view;

use queue::{QueuedRequest, SentRequest};

/// How long an event waits for Redis to come back, where events are not kept: older ones would
/// surprise more than help.
const WAITS_FOR_REDIS: Duration = Duration::from_secs(30);

/// One node's part of the cluster.
pub struct Core {
    node: NodeId,
    settings: ClusterSettings,
    apps: Vec<Arc<App>>,
    /// In an order that the same calls bring about each time.
    channels: IndexMap<Arc<str>, ClusterChannel>,
    link: LinkState,
    memory: DirectoryHealth,
    queue: VecDeque<QueuedRequest>,
    /// Channels that are to be told again.
    backlog: VecDeque<Arc<str>>,
    sent: VecDeque<SentRequest>,
    next_request: u64,
    asked: HashMap<u64, Arc<str>>,
    publishing: PublishQueue,
    connections: Vec<ConnectionQuota>,
    watchlists: Watchlists,
    beat_at: Instant,
    /// On this link.
    has_beaten: bool,
    idle: VecDeque<(Instant, Arc<str>)>,
    counts_due: IndexMap<Arc<str>, Instant>,
    /// Channels that messages of other nodes have changed, and from when on that is verified.
    unverified: VecDeque<(Instant, Arc<str>)>,
    alive: u32,
    effects: Vec<Effect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    Away,
    Up,
    /// What stands in line is still sent, and nothing more comes to stand there.
    Leaving,
}

impl Core {
    /// A node of its own, which has not met Redis yet. An outsider that cannot guess the number of its
    /// `first_request` cannot forge an answer.
    pub fn new(
        node: NodeId,
        settings: ClusterSettings,
        apps: Vec<Arc<App>>,
        first_request: u64,
        now: Instant,
    ) -> Self {
        Self {
            node,
            channels: IndexMap::new(),
            link: LinkState::Away,
            memory: DirectoryHealth::new(settings.lease),
            queue: VecDeque::new(),
            backlog: VecDeque::new(),
            sent: VecDeque::new(),
            next_request: first_request,
            asked: HashMap::new(),
            publishing: PublishQueue::new(node),
            connections: apps.iter().map(|_| ConnectionQuota::default()).collect(),
            watchlists: Watchlists::default(),
            beat_at: now,
            has_beaten: false,
            idle: VecDeque::new(),
            counts_due: IndexMap::new(),
            unverified: VecDeque::new(),
            alive: 0,
            effects: Vec::new(),
            settings,
            apps,
        }
    }

    // What the node does.

    /// A socket joins a channel. A user's own channel is joined by signing in, without an answer.
    pub fn join(&mut self, key: &ChannelKey, socket: SocketId, member: Option<&Member>) {
        let topic = self.channel(key);
        if let Some(channel) = self.channels.get_mut(&topic) {
            channel.join(socket, member);
        }
        self.changed(&topic);
    }

    /// A socket leaves a channel.
    pub fn leave(&mut self, key: &ChannelKey, socket: SocketId, user_id: Option<&str>) {
        let topic = self.topic(key);
        let Some(channel) = self.channels.get_mut(&topic) else { return };
        channel.leave(socket, user_id, &mut self.effects);
        self.changed(&topic);
    }

    /// Answers a second subscription like the first.
    pub fn confirm(&mut self, key: &ChannelKey, socket: SocketId) {
        let topic = self.topic(key);
        if let Some(channel) = self.channels.get_mut(&topic) {
            channel.confirm(socket, &mut self.effects);
        }
    }

    /// Publishes a client's message on a channel; whoever waits is told how far it went.
    pub fn publish(
        &mut self,
        key: ChannelKey,
        frame: Frame,
        except: Option<SocketId>,
        waiter: Option<oneshot::Sender<PublishScope>>,
        now: Instant,
    ) {
        let topic = self.topic(&key);
        let serial = self.publishing.add(NewPublish { key, topic, frame, except, waiter }, now);
        if self.link == LinkState::Up {
            return self.queue.push_back(QueuedRequest::Publish(serial));
        }
        let mut waiters = Vec::new();
        if let Some(delivery) = self.publishing.deliver(serial, &mut waiters) {
            self.deliver(&delivery);
        }
        self.effects.append(&mut waiters);
    }

    /// A socket belongs to a user now, and watches others.
    pub fn sign_in(&mut self, app: usize, socket: SocketId, user: &User) {
        self.join(&ChannelKey::user(app, &user.id), socket, None);
        if !self.apps[app].watchlist_events || user.watchlist.is_empty() {
            return;
        }
        let mut waiting = watchlists::PendingWatchlist {
            app,
            socket,
            watchlist: user.watchlist.clone(),
            missing: HashSet::new(),
        };
        for user_id in &user.watchlist {
            let topic = self.channel(&ChannelKey::user(app, user_id));
            let Some(channel) = self.channels.get_mut(&topic) else { continue };
            (channel.watchers, channel.idle_since) = (channel.watchers + 1, None);
            // Its own coming is under way too.
            if self.link == LinkState::Up && (!channel.current || *user_id == user.id) {
                waiting.missing.insert(topic.clone());
                self.changed(&topic);
            }
        }
        match waiting.missing.is_empty() {
            true => self.tell_watchlist(waiting),
            false => self.watchlists.add(waiting),
        }
    }

    /// A signed-in socket is gone.
    pub fn sign_out(&mut self, app: usize, socket: SocketId, user: &User, now: Instant) {
        self.watchlists.forget(socket);
        self.leave(&ChannelKey::user(app, &user.id), socket, None);
        if !self.apps[app].watchlist_events {
            return;
        }
        for user_id in &user.watchlist {
            let topic = self.topic(&ChannelKey::user(app, user_id));
            if let Some(channel) = self.channels.get_mut(&topic) {
                channel.watchers = channel.watchers.saturating_sub(1);
                self.rest(&topic, now);
            }
        }
    }

    /// Closes a user's connections on every node.
    pub fn terminate(&mut self, app: usize, user_id: &str, waiter: oneshot::Sender<PublishScope>) {
        if self.link != LinkState::Up {
            self.effects.push(Effect::Terminate { app, user_id: user_id.into() });
            return self.effects.push(Effect::Published(waiter, PublishScope::NodeOnly));
        }
        let message = message::terminate(&self.apps[app].id, user_id);
        self.queue.push_back(QueuedRequest::Broadcast(message, Some(waiter)));
    }

    /// Asks for a place among the app's sockets.
    pub fn request_permit(&mut self, app: usize) -> PermitDecision {
        let most = self.apps[app].limits.connections;
        let place = self.connections[app].take(most, self.link != LinkState::Up);
        self.count_connections(app);
        place
    }

    /// Gives one back.
    pub fn release_permit(&mut self, app: usize) {
        self.connections[app].release();
        self.count_connections(app);
    }

    /// Looks something up in the directory; `false` if Redis is away.
    pub fn query(&mut self, query: DirectoryQuery, waiter: oneshot::Sender<QueryAnswer>) -> bool {
        if self.link == LinkState::Up {
            self.queue.push_back(QueuedRequest::Query(query, waiter));
        }
        self.link == LinkState::Up
    }

    /// This node leaves: whatever it still has in the directory is taken out at once.
    pub fn depart(&mut self) {
        if self.link == LinkState::Up {
            self.queue.push_back(QueuedRequest::Reap { node: self.node, leaving: true });
            self.link = LinkState::Leaving;
        }
    }

    // What comes from Redis.

    /// The link is there, and which Redis is at its end.
    pub fn connected(&mut self, redis: RedisIdentity, now: Instant) {
        self.link = LinkState::Up;
        if self.memory.met(redis, now) {
            self.doubt_everything();
        }
        // Redis cannot tell any more what it had taken, and nobody is to hear an event twice.
        if self.memory.reliance(now).forgetful {
            self.publishing.forget_doubtful();
        }
        self.queue.push_back(QueuedRequest::Listen(self.own_topic()));
        self.queue.push_back(QueuedRequest::Listen(self.common_topic()));
        self.queue.push_back(QueuedRequest::Heartbeat(self.proof(now)));
        self.beat_at = now + self.settings.beat();
        self.tell_everything();
        self.queue.extend(self.publishing.unsent().into_iter().map(QueuedRequest::Publish));
    }

    /// The link is gone, or Redis does not answer: this node serves what it has.
    pub fn disconnected(&mut self) {
        self.link = LinkState::Away;
        (self.alive, self.has_beaten) = (0, false);
        self.queue.clear();
        self.backlog.clear();
        self.sent.clear();
        self.asked.clear();
        let mut waiters = Vec::new();
        let lost = self.publishing.lost(&mut waiters);
        lost.deliveries.iter().for_each(|delivery| self.deliver(delivery));
        for (topic, serial) in lost.unheard {
            let channel = self.channels.get_mut(&topic);
            channel.into_iter().for_each(|channel| channel.delivered_unheard(serial));
        }
        self.channels.values_mut().for_each(|channel| channel.lost(&mut self.effects));
        self.channels.retain(|_, channel| !channel.is_idle());
        self.idle.clear();
        self.unverified.clear();
        for (connections, app) in self.connections.iter_mut().zip(&self.apps) {
            connections.lost(app.limits.connections, &mut self.effects);
        }
        self.effects.append(&mut waiters);
        self.watchlists.take().into_iter().for_each(|waiting| self.tell_watchlist(waiting));
    }

    /// A topic is heard from now on.
    pub fn subscribed(&mut self, topic: &str) {
        if let Some(channel) = self.channels.get_mut(topic)
            && channel.service == Subscription::Pending
        {
            channel.service = Subscription::Active;
        }
    }

    /// A message on a topic; an error if it is dropped.
    pub fn message(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), InvalidTopicMessage> {
        match TopicMessage::read(payload) {
            Some(TopicMessage::Event(event)) => return self.event(topic, &event),
            Some(TopicMessage::Change(change)) => self.change(topic, &change, now),
            Some(TopicMessage::Outcome(request, outcome)) => {
                if !self.outcome(request, &outcome, now) {
                    return Err(InvalidTopicMessage::UnknownRequest);
                }
            }
            Some(TopicMessage::Terminate { app, user_id }) => {
                let app = self.apps.iter().position(|known| known.id == app);
                let terminate = |app| Effect::Terminate { app, user_id: user_id.into() };
                self.effects.extend(app.map(terminate));
            }
            None => return Err(InvalidTopicMessage::of(payload)),
        }
        Ok(())
    }

    /// The next answer on the side, in the order of the requests.
    pub fn replied(&mut self, reply: Reply, now: Instant) {
        match (self.sent.pop_front(), reply) {
            (Some(SentRequest::Publish(serial)), Reply::Published(number)) => {
                self.published(serial, number, now);
            }
            (_, Reply::Heartbeat(beat)) => self.beat(beat, now),
            (Some(SentRequest::Reap { node, leaving }), Reply::Reaped(Some(1..))) => {
                self.queue.push_back(QueuedRequest::Reap { node, leaving });
            }
            (_, Reply::References(all)) => self.compare_references(&all),
            (Some(SentRequest::Connections(app)), Reply::Connections { granted, .. }) => {
                self.granted(app, granted);
            }
            (Some(SentRequest::Broadcast(waiter)), _) => {
                let told = waiter.map(|waiter| Effect::Published(waiter, PublishScope::Cluster));
                self.effects.extend(told);
            }
            (Some(SentRequest::Query(waiter)), Reply::Answer(answer)) => {
                self.effects.push(Effect::Answered(waiter, answer));
            }
            _ => {}
        }
    }

    // Time.

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        let kept = self.settings.streams.map_or(WAITS_FOR_REDIS, |streams| streams.retention);
        for (topic, serial) in self.publishing.expire(kept, self.settings.queue_bytes, now) {
            let channel = self.channels.get_mut(&topic);
            channel.into_iter().for_each(|channel| channel.given_up(serial));
        }
        if self.link != LinkState::Up {
            return;
        }
        if now >= self.beat_at {
            self.beat_at = now + self.settings.beat();
            self.queue.push_back(QueuedRequest::Heartbeat(None));
        }
        for serial in self.publishing.overdue(self.settings.local_delivery_after, now) {
            let mut waiters = Vec::new();
            if let Some(delivery) = self.publishing.deliver(serial, &mut waiters) {
                self.deliver(&delivery);
            }
            self.effects.append(&mut waiters);
        }
        self.dispel_doubts(now);
        while self.counts_due.first().is_some_and(|(_, &at)| at <= now) {
            if let Some((topic, _)) = self.counts_due.shift_remove_index(0) {
                self.changed(&topic);
            }
        }
        self.verify_one(now);
        self.unsubscribe_idle(now);
    }

    // What comes out.

    /// Takes what is to be done on this node, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether requests are waiting to be taken.
    pub fn has_requests(&self) -> bool {
        !(self.queue.is_empty() && self.backlog.is_empty())
    }

    /// Whether Redis is there.
    pub fn is_connected(&self) -> bool {
        self.link != LinkState::Away
    }
}
