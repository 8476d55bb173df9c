//! One of several nodes: the cluster decides, and its effects are applied to the hub later (see
//! [`local_apps`](super::local_apps)).
//!
//! While Redis is away the cluster's core decides for this node's sockets, and look-ups return what
//! this node has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::coordinator::{
    ChannelReach, Deferred, Evidence, JoinAnswer, LastEvent, Lookup, Permits, Publishing,
    SocketChanges, Triggered, TriggeredEvent,
};
use super::pending_joins::PendingJoins;
use crate::channel_rules::{WebhookEvent, WebhookPayload, WebhookSink};
use crate::cluster::{
    ChannelInfo, ChannelKey, Cluster, Core, DirectoryQuery, PermitDecision, QueryAnswer,
};
use crate::explanation::Subscribers;
use crate::hub::{ChannelCounts, Hub, PresenceFull};
use crate::partitions::Partitions;
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, Frame, Member, SocketId, User, server_message};

/// Channels of one step of a list: about 1 ms of Redis, and as much of the thread that unpacks them.
const LISTED_AT_ONCE: usize = 512;

/// One app of such a node.
pub(super) struct ClusterNode {
    partitions: Arc<Partitions>,
    /// The slot of the app.
    app: usize,
    hub: Arc<Hub>,
    webhooks: Option<Arc<dyn WebhookSink>>,
}

impl ClusterNode {
    pub(super) fn new(
        partitions: Arc<Partitions>,
        app: usize,
        hub: Arc<Hub>,
        webhooks: Option<Arc<dyn WebhookSink>>,
    ) -> Self {
        Self { partitions, app, hub, webhooks }
    }

    fn app_id(&self) -> String {
        self.hub.app().id.clone()
    }

    /// Runs `act` on the core with the key of a channel.
    fn on_channel<R>(&self, name: &ChannelName, act: impl FnOnce(&mut Core, ChannelKey) -> R) -> R {
        let key = ChannelKey::channel(self.app, name);
        self.of_channel(name).act(|core| act(core, key))
    }

    /// The partition of a channel.
    fn of_channel(&self, name: &ChannelName) -> &Cluster {
        self.partitions.of_channel(&self.hub.app().id, name)
    }

    /// The partition of what belongs to the app as a whole.
    fn home(&self) -> &Cluster {
        self.partitions.home(&self.hub.app().id)
    }

    /// What the directory has on a channel; `None` while Redis is away.
    async fn channel_info(&self, name: &ChannelName) -> Option<ChannelInfo> {
        let topic = self.on_channel(name, |core, key| core.channels().topic(&key));
        match self.of_channel(name).query(DirectoryQuery::Channel(topic)).await? {
            QueryAnswer::Channel(info) => Some(info),
            _ => None,
        }
    }

    /// The occupied channels of one partition in order of name, read in steps: neither Redis nor this thread does only this
    /// while a list is long. A channel that comes or goes meanwhile may be in the list or not.
    async fn occupied_of(
        &self,
        cluster: &Cluster,
        prefix: &str,
    ) -> Vec<(ChannelName, ChannelCounts)> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let (app_id, prefix) = (self.app_id(), prefix.to_owned());
            let query = DirectoryQuery::Occupied { app_id, prefix, after, most: LISTED_AT_ONCE };
            let Some(QueryAnswer::Occupied(step)) = cluster.query(query).await else { break };
            let is_last = step.len() < LISTED_AT_ONCE;
            after = step.last().map(|(name, ..)| name.clone()).unwrap_or_default();
            all.extend(named(step));
            if is_last {
                return all;
            }
        }
        // Redis is away, or was lost on the way.
        named(cluster.act(|core| core.channels().occupied(self.app, prefix))).collect()
    }
}

/// Names that came from Redis: what is no name of a channel was written by another program.
fn named(rows: Vec<(String, u32, u32)>) -> impl Iterator<Item = (ChannelName, ChannelCounts)> {
    rows.into_iter().filter_map(|(name, sockets, users)| {
        let name = ChannelName::parse(&name, usize::MAX).ok()?;
        let counts = channel_counts(&name, sockets, users);
        Some((name, counts))
    })
}

impl SocketChanges for ClusterNode {
    fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        _now: Instant,
    ) -> Result<JoinAnswer, PresenceFull> {
        if let Some(member) = member {
            self.hub.joined_as(&member.user_id, socket);
        }
        self.on_channel(name, |core, key| core.join(&key, socket, member));
        Ok(JoinAnswer::Pending)
    }

    fn confirm(&self, socket: SocketId, name: &ChannelName) -> JoinAnswer {
        self.on_channel(name, |core, key| core.confirm(&key, socket));
        JoinAnswer::Pending
    }

    fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        _now: Instant,
    ) {
        if let Some(user_id) = user_id {
            self.hub.left_as(user_id, socket);
        }
        self.on_channel(name, |core, key| core.leave(&key, socket, user_id.map(|id| &**id)));
    }

    fn sign_in(&self, socket: SocketId, user: &User, answers: [Option<Frame>; 2]) -> usize {
        let queued = self.hub.signed_in(socket, user, answers);
        self.home().act(|core| core.sign_in(self.app, socket, user));
        queued
    }

    fn confirm_sign_in(&self, socket: SocketId, answer: Frame) -> usize {
        self.hub.confirm_sign_in(socket, answer)
    }

    fn sign_out(&self, socket: SocketId, user: &User, now: Instant) {
        // The core first: a watchlist that it still sends would make the socket a watcher again.
        self.home().act(|core| core.sign_out(self.app, socket, user, now));
        self.hub.signed_out(socket, user);
    }
}

impl Publishing for ClusterNode {
    fn trigger(&self, event: TriggeredEvent<'_>, now: Instant) -> Triggered {
        let TriggeredEvent { channel, event, except, .. } = event;
        let (waiter, scope) = oneshot::channel();
        let frame = event.frame(channel);
        self.on_channel(channel, |core, key| core.publish(key, frame, except, Some(waiter), now));
        Triggered::Published(scope)
    }

    fn deliver(&self, event: TriggeredEvent<'_>, _now: Instant) -> usize {
        let TriggeredEvent { channel, event, except, .. } = event;
        let broadcast = event.broadcast(channel);
        if channel.is_cache() {
            // Before the delivery: a socket that joins meanwhile gets it from the one or the other.
            let frame = broadcast.plain().clone();
            self.on_channel(channel, |core, key| core.cache(&key, frame));
        }
        self.hub.deliver(channel, &broadcast, except)
    }

    fn client_event(&self, relay: Relay, sender: SocketId, now: Instant) -> Option<usize> {
        let Relay { channel, frame, event, data, user_id } = relay;
        self.on_channel(&channel, |core, key| core.publish(key, frame, Some(sender), None, now));
        if let Some(webhooks) = self.webhooks.as_ref().filter(|webhooks| webhooks.is_on()) {
            let payload = WebhookPayload::ClientEvent { event, data, socket_id: sender, user_id };
            webhooks.send(WebhookEvent { channel, payload, is_final: true });
        }
        None
    }

    fn terminate_user<'a>(&'a self, user_id: &'a str) -> Deferred<'a, ()> {
        let (waiter, sent) = oneshot::channel();
        self.home().act(|core| core.terminate(self.app, user_id, waiter));
        Box::pin(async move {
            // An error: the link broke meanwhile, so at least the sockets of this node are closed.
            if sent.await.is_err() {
                self.hub.terminate_user(user_id);
            }
        })
    }

    fn backlog(&self) -> Option<Deferred<'_, ()>> {
        if self.partitions.is_ready() {
            return None;
        }
        Some(Box::pin(self.partitions.ready()))
    }
}

impl Lookup for ClusterNode {
    fn counts<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Option<ChannelCounts>> {
        Box::pin(async move {
            let (sockets, users) = match self.channel_info(name).await {
                Some(ChannelInfo { sockets, users, .. }) => (sockets, users),
                None => self.on_channel(name, |core, key| core.channels().counts(&key)),
            };
            (sockets > 0).then(|| channel_counts(name, sockets, users))
        })
    }

    fn occupied<'a>(&'a self, prefix: &'a str) -> Deferred<'a, Vec<(ChannelName, ChannelCounts)>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for cluster in self.partitions.all() {
                all.extend(self.occupied_of(cluster, prefix).await);
            }
            if self.partitions.all().len() > 1 {
                // The stable sort merges what is in order already.
                all.sort_by(|(one, _), (other, _)| one.cmp(other));
            }
            all
        })
    }

    fn members<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Vec<Arc<str>>> {
        Box::pin(async move {
            let topic = self.on_channel(name, |core, key| core.channels().topic(&key));
            match self.of_channel(name).query(DirectoryQuery::Members(topic)).await {
                Some(QueryAnswer::Members(members)) => members.into_iter().map(Arc::from).collect(),
                _ => self.on_channel(name, |core, key| core.channels().members(&key)),
            }
        })
    }

    fn member_infos(&self, name: &ChannelName, most: usize) -> Vec<(Arc<str>, Box<str>)> {
        self.on_channel(name, |core, key| core.channels().member_infos(&key, most))
    }

    fn last_event<'a>(
        &'a self,
        name: &'a ChannelName,
        now: Instant,
    ) -> Deferred<'a, Option<LastEvent>> {
        Box::pin(async move {
            let Some(info) = self.channel_info(name).await else {
                let (data, ttl) = self.hub.last_event(name, now)?;
                return Some(LastEvent { data, ttl });
            };
            let (text, left) = info.cached?;
            let data = server_message::event_data(&Frame::text(text.as_bytes()))?;
            Some(LastEvent { data: data.into(), ttl: left.as_secs() })
        })
    }

    fn socket_count(&self) -> Deferred<'_, u32> {
        Box::pin(async move {
            let query = DirectoryQuery::Connections(self.app_id());
            match self.home().query(query).await {
                Some(QueryAnswer::Connections(count)) => count,
                _ => self.home().act(|core| core.open_sockets(self.app)),
            }
        })
    }

    fn is_joined(&self, name: &ChannelName) -> bool {
        self.on_channel(name, |core, key| core.channels().has_sockets(&key))
    }
}

impl Evidence for ClusterNode {
    fn reach<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, ChannelReach> {
        Box::pin(async move {
            let Some(info) = self.channel_info(name).await else {
                let (sockets, _) = self.on_channel(name, |core, key| core.channels().counts(&key));
                let (sockets, nodes) = (sockets as usize, u32::from(sockets > 0));
                let reach = Subscribers { sockets, nodes, is_partial: true };
                return ChannelReach { reach, ..ChannelReach::default() };
            };
            let (sockets, nodes) = (info.sockets as usize, info.nodes);
            ChannelReach {
                reach: Subscribers { sockets, nodes, is_partial: false },
                occupied_for: info.occupied_ms.map(Duration::from_millis),
                vacated_for: info.vacated_ms.map(Duration::from_millis),
            }
        })
    }

    fn names<'a>(&'a self, prefixes: &'a [String], most: usize) -> Deferred<'a, Vec<ChannelName>> {
        Box::pin(async move {
            let mut names = Vec::new();
            for prefix in prefixes {
                let mut found = Vec::new();
                for cluster in self.partitions.all() {
                    let (app_id, prefix) = (self.app_id(), prefix.clone());
                    let query = DirectoryQuery::Names { app_id, prefix, most };
                    let Some(QueryAnswer::Names(some)) = cluster.query(query).await else {
                        return self.hub.names(prefixes, most);
                    };
                    found.extend(some);
                }
                if self.partitions.all().len() > 1 {
                    found.sort_unstable();
                    found.truncate(most);
                }
                let parsed = found.iter().map(|name| ChannelName::parse(name, usize::MAX));
                names.extend(parsed.filter_map(Result::ok));
            }
            names
        })
    }

    fn away(&self, name: &ChannelName) -> Option<String> {
        let cluster = self.of_channel(name);
        if self.partitions.all().len() == 1 || cluster.is_connected() {
            return None;
        }
        let (index, address) = (cluster.partition().index, cluster.link_facts().address);
        Some(format!("partition {index} at {address}"))
    }

    fn has_other_nodes(&self) -> bool {
        true
    }
}

impl Permits for ClusterNode {
    fn request_permit(&self) -> PermitDecision {
        self.home().act(|core| core.request_permit(self.app))
    }

    fn release_permit(&self) {
        self.home().act(|core| core.release_permit(self.app));
    }

    fn open_sockets(&self) -> u32 {
        self.home().act(|core| core.open_sockets(self.app))
    }

    fn pending_joins(&self) -> Option<PendingJoins> {
        PendingJoins::request(self.partitions.all(), &self.app_id())
    }
}

fn channel_counts(name: &ChannelName, sockets: u32, users: u32) -> ChannelCounts {
    let user_count = name.is_presence().then_some(users as usize);
    ChannelCounts { subscription_count: sockets as usize, user_count }
}
