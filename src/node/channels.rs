//! The channels of one app, as the doors see them: of this node, or of all nodes.
//!
//! The one place where hub and cluster meet. Without a cluster the hub decides, at once; with one,
//! the cluster decides and the hub is told (see [`carrying`](super::carrying)).

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::oversized::Oversized;
use super::{PeerLog, PendingJoins};
use crate::app::App;
use crate::channel_rules::{WebhookEvent, WebhookPayload, WebhookSink};
use crate::cluster::{ChannelInfo, ChannelKey, Cluster, DirectoryQuery, PublishScope, QueryAnswer};
use crate::hub::{ChannelCounts, Hub, PresenceFull};
use crate::protocol::server_message::{self, OutboundEvent};
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, Frame, Member, SocketId, User};

/// The channels of one app.
pub struct Channels {
    hub: Arc<Hub>,
    peer_log: Arc<PeerLog>,
    oversized: Oversized,
    membership: Option<Membership>,
}

/// Being one of several nodes.
pub(super) struct Membership {
    pub(super) cluster: Arc<Cluster>,
    /// The app, by its place in the configuration.
    pub(super) app: usize,
    pub(super) webhooks: Option<Arc<dyn WebhookSink>>,
}

/// An event that was accepted.
#[derive(Debug)]
pub enum Triggered {
    /// It was delivered: to so many sockets, all of them here.
    Delivered(usize),
    /// It is on its way to all nodes.
    Published(oneshot::Receiver<PublishScope>),
}

/// The last event of a cache channel, as the HTTP API shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Its data.
    pub data: Arc<str>,
    /// Seconds it will still be kept.
    pub ttl: u64,
}

/// How a subscription is answered.
#[derive(Clone, Copy)]
pub(super) enum JoinAnswer {
    /// The answer is queued for the socket.
    Queued {
        /// Its bytes.
        bytes: usize,
    },
    /// The cluster decides, and answers later.
    Pending,
}

impl Triggered {
    /// Waits until Redis has it. False if only this node's sockets got it: Redis is away.
    pub async fn reached_all(self) -> bool {
        match self {
            Self::Delivered(_) => true,
            Self::Published(shared) => !matches!(shared.await, Ok(PublishScope::NodeOnly)),
        }
    }
}

impl Channels {
    pub(super) fn new(
        hub: Arc<Hub>,
        peer_log: Arc<PeerLog>,
        membership: Option<Membership>,
    ) -> Self {
        let oversized = Oversized::new(hub.app().clone());
        Self { hub, peer_log, oversized, membership }
    }

    /// Does what was put off until now.
    pub(super) fn tick(&self, now: Instant) {
        self.hub.tick(now);
        self.peer_log.tick(now);
        self.oversized.tick(now);
    }

    /// An event was accepted whose data is larger than hosted Pusher would take.
    pub fn oversized(&self, event: &str, bytes: usize, now: Instant) {
        self.oversized.note(event, bytes, now);
    }

    /// The app whose channels these are.
    pub fn app(&self) -> &Arc<App> {
        self.hub.app()
    }

    /// What is logged of refusals.
    pub fn peer_log(&self) -> &PeerLog {
        &self.peer_log
    }

    /// This node's part.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Joins a channel. In a cluster the answer comes later, and so may a refusal.
    pub(super) fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<JoinAnswer, PresenceFull> {
        let Some(membership) = &self.membership else {
            let bytes = self.hub.subscribe(socket, name, member, now)?;
            return Ok(JoinAnswer::Queued { bytes });
        };
        if let Some(member) = member {
            self.hub.joined_as(&member.user_id, socket);
        }
        let key = membership.key(name);
        membership.cluster.act(|core| core.join(&key, socket, member));
        Ok(JoinAnswer::Pending)
    }

    /// Answers a second subscription like the first.
    pub(super) fn confirm(&self, socket: SocketId, name: &ChannelName) -> JoinAnswer {
        match &self.membership {
            None => JoinAnswer::Queued { bytes: self.hub.confirm(socket, name) },
            Some(membership) => {
                let key = membership.key(name);
                membership.cluster.act(|core| core.confirm(&key, socket));
                JoinAnswer::Pending
            }
        }
    }

    /// The wait for all joins that were requested until now; `None` where they are decided already.
    pub(super) fn pending_joins(&self) -> Option<PendingJoins> {
        PendingJoins::of(self.membership.as_ref()?, &self.app().id)
    }

    /// Leaves a channel.
    pub(super) fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    ) {
        let Some(membership) = &self.membership else {
            return self.hub.unsubscribe(socket, name, user_id, now);
        };
        if let Some(user_id) = user_id {
            self.hub.left_as(user_id, socket);
        }
        let key = membership.key(name);
        membership.cluster.act(|core| core.leave(&key, socket, user_id.map(|id| &**id)));
    }

    /// Delivers a client event to the channel's other subscribers.
    pub(super) fn publish(&self, relay: Relay, except: SocketId, now: Instant) {
        let Some(membership) = &self.membership else {
            return self.hub.deliver_client_event(relay, except);
        };
        let Relay { channel, frame, event, data, user_id } = relay;
        let key = membership.key(&channel);
        membership.cluster.act(|core| core.publish(key, frame, Some(except), None, now));
        if let Some(webhooks) = &membership.webhooks {
            let payload = WebhookPayload::ClientEvent { event, data, socket_id: except, user_id };
            webhooks.send(WebhookEvent { channel, payload, is_final: true });
        }
    }

    /// A socket belongs to a user now.
    pub(super) fn sign_in(&self, socket: SocketId, user: &User) {
        let Some(membership) = &self.membership else {
            return self.hub.sign_in(socket, user);
        };
        self.hub.signed_in(socket, user);
        membership.cluster.act(|core| core.sign_in(membership.app, socket, user));
    }

    /// A signed-in socket is gone.
    pub(super) fn sign_out(&self, socket: SocketId, user: &User, now: Instant) {
        let Some(membership) = &self.membership else { return self.hub.sign_out(socket, user) };
        // First of all its list is not told any more, which would make it a watcher again.
        membership.cluster.act(|core| core.sign_out(membership.app, socket, user, now));
        self.hub.signed_out(socket, user);
    }

    /// Publishes an event of a back end, and keeps it for newcomers on cache channels.
    pub fn trigger(
        &self,
        name: &ChannelName,
        event: &OutboundEvent<'_>,
        data: &str,
        except: Option<SocketId>,
        now: Instant,
    ) -> Triggered {
        let Some(membership) = &self.membership else {
            return Triggered::Delivered(self.hub.trigger(name, event, data, except, now));
        };
        let (waiter, shared) = oneshot::channel();
        let (key, frame) = (membership.key(name), event.frame(name));
        membership.cluster.act(|core| core.publish(key, frame, except, Some(waiter), now));
        Triggered::Published(shared)
    }

    /// Resolves once there is room for more events: back-pressure for publishers.
    pub async fn ready(&self) {
        self.hub.shards().ready().await;
        if let Some(membership) = &self.membership {
            membership.cluster.room().await;
        }
    }

    /// The counts of one channel; `None` when it is not occupied.
    pub async fn counts(&self, name: &ChannelName) -> Option<ChannelCounts> {
        let Some(membership) = &self.membership else { return self.hub.counts(name) };
        let look = membership.look(name).await;
        let (sockets, users) = match look {
            Some(ChannelInfo { sockets, users, .. }) => (sockets, users),
            None => membership.cluster.act(|core| core.channels().counts(&membership.key(name))),
        };
        (sockets > 0).then(|| counts(name, sockets, users))
    }

    /// Every occupied channel whose name starts with `prefix`, sorted by name.
    pub async fn occupied(&self, prefix: &str) -> Vec<(ChannelName, ChannelCounts)> {
        let Some(membership) = &self.membership else { return self.hub.occupied(prefix) };
        let query =
            DirectoryQuery::Occupied { app_id: self.app().id.clone(), prefix: prefix.to_owned() };
        let all = match membership.cluster.query(query).await {
            Some(QueryAnswer::Occupied(all)) => all,
            _ => membership.cluster.act(|core| core.channels().occupied(membership.app, prefix)),
        };
        let named = all.into_iter().filter_map(|(name, sockets, users)| {
            let name = ChannelName::parse(&name, usize::MAX).ok()?;
            let counts = counts(&name, sockets, users);
            Some((name, counts))
        });
        named.collect()
    }

    /// The distinct members of a presence channel, in order of arrival.
    pub async fn members(&self, name: &ChannelName) -> Vec<Arc<str>> {
        let Some(membership) = &self.membership else { return self.hub.members(name) };
        let topic = membership.topic(name);
        match membership.cluster.query(DirectoryQuery::Members(topic)).await {
            Some(QueryAnswer::Members(members)) => members.into_iter().map(Arc::from).collect(),
            _ => membership.cluster.act(|core| core.channels().members(&membership.key(name))),
        }
    }

    /// The last event of a cache channel.
    pub async fn last_event(&self, name: &ChannelName, now: Instant) -> Option<LastEvent> {
        let here = || {
            let (data, ttl) = self.hub.last_event(name, now)?;
            Some(LastEvent { data, ttl })
        };
        let Some(membership) = &self.membership else { return here() };
        let Some(look) = membership.look(name).await else { return here() };
        let (text, left) = look.cached?;
        let data = server_message::event_data(&Frame::text(text.as_bytes()))?;
        Some(LastEvent { data: data.into(), ttl: left.as_secs() })
    }

    /// Open sockets of the app.
    pub async fn socket_count(&self) -> u32 {
        let Some(membership) = &self.membership else { return self.hub.socket_count() };
        let query = DirectoryQuery::Connections(self.app().id.clone());
        match membership.cluster.query(query).await {
            Some(QueryAnswer::Connections(count)) => count,
            _ => membership.cluster.act(|core| core.open_sockets(membership.app)),
        }
    }

    /// Closes every socket of this user, on every node.
    pub async fn terminate_user(&self, user_id: &str) {
        let Some(membership) = &self.membership else {
            self.hub.terminate_user(user_id);
            return;
        };
        let (waiter, told) = oneshot::channel();
        membership.cluster.act(|core| core.terminate(membership.app, user_id, waiter));
        // An error is the link gone in between: the next best thing is done here.
        if told.await.is_err() {
            self.hub.terminate_user(user_id);
        }
    }
}

impl Membership {
    fn key(&self, name: &ChannelName) -> ChannelKey {
        ChannelKey::channel(self.app, name)
    }

    fn topic(&self, name: &ChannelName) -> Arc<str> {
        self.cluster.act(|core| core.channels().topic(&self.key(name)))
    }

    async fn look(&self, name: &ChannelName) -> Option<ChannelInfo> {
        match self.cluster.query(DirectoryQuery::Channel(self.topic(name))).await? {
            QueryAnswer::Channel(look) => Some(look),
            _ => None,
        }
    }
}

fn counts(name: &ChannelName, sockets: u32, users: u32) -> ChannelCounts {
    let user_count = name.is_presence().then_some(users as usize);
    ChannelCounts { subscription_count: sockets as usize, user_count }
}
