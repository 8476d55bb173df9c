//! The cluster's logic on one node, without a network and without a clock.
//!
//! Three kinds of calls come in: what the node does ([`join`](Core::join), [`publish`](Core::publish) …), what
//! comes from Redis ([`connected`](Core::connected), [`message`](Core::message), [`replied`](Core::replied),
//! [`disconnected`](Core::disconnected)) and the time ([`tick`](Core::tick)). After every call two things are to
//! be taken: [`take_requests`](Core::take_requests) for Redis and [`take_effects`](Core::take_effects) for this
//! node. The rules are in the other files of this folder; here they meet.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::directory::key::{ChannelKey, common_topic, node_topic};
use super::directory::message::{self, InvalidTopicMessage, Terminate, TopicMessage};
use super::directory::reply::{HeartbeatReply, QueryAnswer, Reply};
use super::directory::request::{DataProof, DirectoryQuery, Request};
use super::directory::{NodeId, RedisIdentity};
use crate::app::App;
use crate::config::ClusterSettings;
use crate::protocol::{Frame, Member, SocketId, User};

mod announcer;
mod beside_channels;
mod channel;
mod channel_table;
mod connection_quota;
mod effect;
mod exchange;
mod health;
mod members;
mod sockets;
mod publish_queue;
mod request_queue;
mod sequence;
mod topic_sync;
mod watchlists;

pub use channel_table::ChannelTable;
pub use connection_quota::PermitDecision;
pub use effect::{CachedReply, ChannelEffect, Effect, JoinReply, MissedEvents, PublishScope};

use connection_quota::ConnectionQuota;
use exchange::Exchange;
use health::{DirectoryHealth, Heartbeat};
use publish_queue::NewPublish;
use request_queue::{Batch, QueuedRequest, Reap, RequestQueue, SentRequest};
use topic_sync::{LinkState, Subscription};
use watchlists::Watchlists;

/// One node's part of the cluster.
pub struct Core {
    node: NodeId,
    settings: ClusterSettings,
    /// Some app has webhooks.
    sends_webhooks: bool,
    exchange: Exchange,
    quotas: Vec<ConnectionQuota>,
    watchlists: Watchlists,
    health: DirectoryHealth,
    heartbeat: Heartbeat,
}

impl Core {
    /// A node that is not connected. `first_request` is drawn at random by the caller, so that another user of the
    /// Redis cannot forge an outcome.
    pub fn new(
        node: NodeId,
        settings: ClusterSettings,
        apps: &[Arc<App>],
        first_request: u64,
        now: Instant,
    ) -> Self {
        let channels = ChannelTable::new(&settings.prefix, apps);
        let requests = RequestQueue::new(first_request, settings.streams.is_none());
        Self {
            node,
            exchange: Exchange::new(node, channels, requests, settings.streams.is_some()),
            quotas: apps.iter().cloned().map(ConnectionQuota::new).collect(),
            watchlists: Watchlists::default(),
            health: DirectoryHealth::new(settings.lease),
            heartbeat: Heartbeat::new(settings.beat(), now),
            sends_webhooks: apps.iter().any(|app| !app.webhooks.is_empty()),
            settings,
        }
    }

    // What the node does.

    /// A socket joins a channel. A user's own channel is joined by signing in, without an answer.
    pub fn join(&mut self, key: &ChannelKey, socket: SocketId, member: Option<&Member>) {
        let (topic, channel) = self.exchange.channels.entry(key);
        channel.join(socket, member);
        self.exchange.changed(&topic);
    }

    /// A socket leaves a channel.
    pub fn leave(&mut self, key: &ChannelKey, socket: SocketId, user_id: Option<&str>) {
        let topic = self.exchange.channels.topic(key);
        let Some(channel) = self.exchange.channels.get_mut(&topic) else { return };
        channel.leave(socket, user_id, &mut self.exchange.effects);
        self.exchange.changed(&topic);
    }

    /// Answers a second subscription like the first.
    pub fn confirm(&mut self, key: &ChannelKey, socket: SocketId) {
        let topic = self.exchange.channels.topic(key);
        if let Some(channel) = self.exchange.channels.get_mut(&topic) {
            channel.confirm(socket, &mut self.exchange.effects);
        }
    }

    /// Publishes an event of a back end, which waits until Redis has it, or a client event, which is held back
    /// while the join of its socket (`except`) is undecided.
    pub fn publish(
        &mut self,
        key: ChannelKey,
        frame: Frame,
        except: Option<SocketId>,
        waiter: Option<oneshot::Sender<PublishScope>>,
        now: Instant,
    ) {
        let topic = self.exchange.channels.topic(&key);
        self.exchange.publish(NewPublish { key, topic, frame, except, waiter }, now);
    }

    /// Caches the last event of a cache channel, which each node delivers itself: in the directory, or without
    /// Redis on this node.
    pub fn cache(&mut self, key: &ChannelKey, frame: Frame) {
        if self.exchange.is_up() {
            let (topic, ttl) = (self.exchange.channels.topic(key), self.settings.cache_ttl);
            self.exchange.requests.push_plain(Request::Cache { topic, frame, ttl });
        } else if let Some(channel) = key.name.clone() {
            let action = ChannelEffect::CacheEvent(frame);
            self.exchange.effects.push(Effect::Channel { app: key.app, channel, action });
        }
    }

    /// A socket signs in as a user, and watches the users on its watchlist.
    pub fn sign_in(&mut self, app: usize, socket: SocketId, user: &User) {
        self.join(&ChannelKey::user(app, &user.id), socket, None);
        self.watchlists.watch(&mut self.exchange, app, (socket, user));
    }

    /// A socket that had signed in is gone.
    pub fn sign_out(&mut self, app: usize, socket: SocketId, user: &User, now: Instant) {
        self.leave(&ChannelKey::user(app, &user.id), socket, None);
        self.watchlists.unwatch(&mut self.exchange, app, (socket, user), now);
    }

    /// Closes a user's connections on every node.
    pub fn terminate(&mut self, app: usize, user_id: &str, waiter: oneshot::Sender<PublishScope>) {
        if !self.exchange.is_up() {
            let effects = &mut self.exchange.effects;
            effects.push(Effect::Terminate { app, user_id: user_id.into() });
            return effects.push(Effect::Published(waiter, PublishScope::NodeOnly));
        }
        let message = message::terminate(&self.exchange.channels.app(app).id, user_id);
        self.exchange.requests.push_broadcast(message, waiter);
    }

    /// Queries the directory. Returns false if Redis is away.
    pub fn query(&mut self, query: DirectoryQuery, waiter: oneshot::Sender<QueryAnswer>) -> bool {
        if self.exchange.is_up() {
            self.exchange.requests.push_query(query, waiter);
        }
        self.exchange.is_up()
    }

    /// This node leaves the cluster: the directory drops what it holds of it.
    pub fn depart(&mut self) {
        if self.exchange.is_up() {
            self.exchange.requests.release_held();
            self.exchange.requests.push_reap(Reap { node: self.node, leaving: true });
            self.exchange.link = LinkState::Leaving;
        }
    }

    // What comes from Redis.

    /// The link is up.
    pub fn connected(&mut self, redis: RedisIdentity, now: Instant) {
        self.exchange.link = LinkState::Up;
        if self.health.connected(redis, now) {
            self.exchange.data_lost();
        }
        self.exchange.drop_forgotten();
        let prefix = &self.settings.prefix;
        for topic in [node_topic(prefix, self.node), common_topic(prefix)] {
            self.exchange.requests.push_plain(Request::Subscribe(topic));
        }
        let epoch = self.health.unproven_epoch();
        let proof = epoch.and_then(|epoch| {
            self.exchange.publishes.proof(epoch, self.settings.taken_holds(), now)
        });
        self.send_heartbeat(proof, now);
        self.compare_all();
        for unsent in self.exchange.publishes.unsent() {
            self.exchange.requests.push_again(unsent, now);
        }
    }

    /// The link is lost, or Redis does not answer: this node serves what it has.
    pub fn disconnected(&mut self) {
        self.heartbeat.link_lost();
        self.exchange.link_lost();
        for quota in &mut self.quotas {
            quota.link_lost(&mut self.exchange.effects);
        }
        self.watchlists.link_lost(&mut self.exchange);
    }

    /// Redis confirmed the subscription to a topic.
    pub fn subscribed(&mut self, topic: &str) {
        if let Some(channel) = self.exchange.channels.get_mut(topic)
            && channel.sync.subscription == Subscription::Pending
        {
            channel.sync.subscription = Subscription::Active;
        }
    }

    /// A message arrived on a topic; an error if it is dropped.
    pub fn message(
        &mut self,
        topic: &str,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), InvalidTopicMessage> {
        match TopicMessage::read(payload) {
            Some(TopicMessage::Event(event)) => return self.exchange.event(topic, &event),
            Some(TopicMessage::Change(change)) => {
                // The lease is the time in which a crash of the origin is found, too.
                let verify_at = now + self.settings.lease;
                self.exchange.change(topic, &change, self.health.trust(now), verify_at);
            }
            Some(TopicMessage::Outcome(number, outcome)) => {
                let topic = self.exchange.requests.end_state(number);
                let topic = topic.ok_or(InvalidTopicMessage::UnknownRequest)?;
                self.exchange.outcome(&topic, (number, &outcome), self.health.trust(now), now);
                self.watchlists.roster_arrived(&topic, &mut self.exchange);
            }
            Some(TopicMessage::Terminate(Terminate { app, user_id })) => {
                let app = self.exchange.channels.app_of(app);
                let terminate = |app| Effect::Terminate { app, user_id: user_id.into() };
                self.exchange.effects.extend(app.map(terminate));
            }
            Some(TopicMessage::Inquiry(from, inquiry)) if from != self.node => {
                self.exchange.effects.push(Effect::asked(from, &inquiry));
            }
            Some(TopicMessage::Inquiry(..)) => {}
            Some(TopicMessage::Answer(from, answer)) => {
                self.exchange.effects.push(Effect::inquiry_answer(from, &answer));
            }
            None => return Err(InvalidTopicMessage::of(payload)),
        }
        Ok(())
    }

    /// The answer to the next request, in order.
    pub fn replied(&mut self, reply: Reply, now: Instant) {
        let sent = self.exchange.requests.pop_sent();
        match (sent, reply) {
            (Some(SentRequest::Publish(serial)), Reply::Published(reply)) => {
                self.exchange.published(serial, reply, now);
            }
            (_, Reply::Heartbeat(reply)) => self.heartbeat_answered(reply, now),
            (Some(SentRequest::Reap(reap)), Reply::Reaped(Some(1..))) => {
                self.exchange.requests.push_reap(reap);
            }
            (_, Reply::Channels(all)) => self.exchange.compare_records(&all),
            (Some(SentRequest::Connections(app)), Reply::Connections(share)) => {
                self.connections_granted(app, share.granted);
            }
            (Some(SentRequest::Broadcast(waiter)), _) => {
                self.exchange.effects.push(Effect::Published(waiter, PublishScope::Cluster));
            }
            (Some(SentRequest::Query(waiter)), Reply::Answer(answer)) => {
                self.exchange.effects.push(Effect::Answered(waiter, answer));
            }
            _ => {}
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        let is_full = self.exchange.publishes.bytes() > self.settings.queue_bytes;
        self.exchange.requests.release_due(is_full, now);
        self.exchange.expire(self.settings.events_wait(), self.settings.queue_bytes, now);
        if !self.exchange.is_up() {
            return;
        }
        self.exchange.requests.allow_backlog(self.heartbeat.live_nodes, now);
        if self.heartbeat.is_due(now) {
            self.send_heartbeat(None, now);
        }
        if self.health.is_complete_again(now) {
            self.exchange.resolve_doubts();
        }
        self.exchange.tick(self.settings.local_delivery_after, now);
    }

    // What comes out.

    /// Takes the effects on this node, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.exchange.effects)
    }

    /// Takes the next requests, in order. Their answers come to [`replied`](Self::replied), the outcomes of states
    /// to [`message`](Self::message).
    pub fn take_requests(&mut self) -> Vec<Request> {
        let mut batch = Batch::default();
        while let Some(request) = self.exchange.requests.pop_for(&batch) {
            self.exchange.send(request, &mut self.quotas, &mut batch);
        }
        batch.into_requests()
    }

    /// Whether requests wait to be taken.
    pub fn has_requests(&self) -> bool {
        self.exchange.requests.has_due()
    }

    // What this node knows, which is all there is while Redis is away.

    /// Whether Redis is there.
    pub fn is_connected(&self) -> bool {
        self.exchange.link != LinkState::Away
    }

    /// The channels of this node.
    pub fn channels(&self) -> &ChannelTable {
        &self.exchange.channels
    }

    /// Live nodes, this one included; 0 without Redis.
    pub fn live_nodes(&self) -> u32 {
        self.heartbeat.live_nodes
    }

    /// Bytes of events that wait for Redis.
    pub fn queued_bytes(&self) -> usize {
        self.exchange.publishes.bytes()
    }

    /// Events that were given up before the other nodes received them, since the last call.
    pub fn take_not_replicated(&mut self) -> u64 {
        self.exchange.publishes.take_not_replicated()
    }

    /// Requests that Redis has not answered, queued ones included.
    pub fn pending_requests(&self) -> usize {
        let waiting: usize = self.quotas.iter().map(ConnectionQuota::waiting).sum();
        self.exchange.requests.len() + self.exchange.publishes.len() + waiting
    }

    /// Sends everything that this node has again, and compares it.
    fn compare_all(&mut self) {
        self.exchange.compare_all();
        (0..self.quotas.len()).for_each(|app| self.report_connections(app));
    }

    fn send_heartbeat(&mut self, proof: Option<DataProof>, now: Instant) {
        let takes_leaves = self.sends_webhooks;
        let lease = self.settings.beat_holds();
        let sent = if takes_leaves { SentRequest::Leaves } else { SentRequest::Plain };
        let request = Request::Heartbeat { lease, takes_leaves, proof };
        self.exchange.requests.push(QueuedRequest::Ready(request, sent));
        self.heartbeat.sent(now);
    }

    fn heartbeat_answered(&mut self, reply: HeartbeatReply, now: Instant) {
        let reaps = reply.dead.into_iter().map(|node| Reap { node, leaving: false });
        reaps.for_each(|reap| self.exchange.requests.push_reap(reap));
        reply.due.into_iter().for_each(|leave| self.exchange.send_due_leave(leave));
        let was_confirmed = self.heartbeat.answered(reply.alive, now);
        // The first heartbeat of a link comes before the rows of this node, so a lapsed lease means nothing there.
        let has_lapsed = reply.lapsed && was_confirmed;
        let lost_data = self.health.confirm_epoch(&reply.epoch, now);
        if lost_data {
            tracing::warn!("Redis has lost data: this node sends again what it has");
            self.exchange.data_lost();
        } else if has_lapsed {
            tracing::warn!("this node was silent for longer than its lease");
        }
        if lost_data || has_lapsed {
            self.compare_all();
        }
    }
}
