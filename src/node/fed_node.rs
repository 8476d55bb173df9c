//! An app whose events come from Redis too ([`LaravelInput`]): the first socket of a channel joins when the topic is
//! subscribed to, so that an event which is published after the answer arrives.
//!
//! Wraps the coordinator that decides everything else. Each call of a socket passes the lock of the input, which also
//! holds while a held join is decided: a leave never overtakes its join.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::Guard;

use super::activity::Activity;
use super::channels::log_oversized;
use super::coordinator::{
    ChannelReach, Coordinator, Deferred, Evidence, JoinAnswer, LastEvent, Lookup, Permits,
    Publishing, SocketChanges, Triggered, TriggeredEvent,
};
use super::decisions::{Decision, Decisions};
use super::peer_log::PeerLog;
use super::pending_joins::PendingJoins;
use super::socket::send_refusal;
use crate::app::App;
use crate::cluster::PermitDecision;
use crate::hub::{ChannelCounts, Hub, PresenceFull};
use crate::metrics::Metrics;
use crate::observation::TriggerSource;
use crate::protocol::server_message::OutboundEvent;
use crate::protocol::session::{Relay, presence_full};
use crate::protocol::{ChannelName, Frame, Member, SocketId, User};
use crate::redis_input::{HeldJoin, LaravelEvent, LaravelInput, LaravelOwner};

/// One app with one input. With several, one is inside the other.
pub(super) struct FedNode {
    input: Arc<LaravelInput>,
    app: Arc<FedApp>,
}

/// What decides once a topic is subscribed to.
pub(super) struct FedApp {
    inner: Box<dyn Coordinator>,
    hub: Arc<Hub>,
    decisions: Arc<Decisions>,
    metrics: Arc<Metrics>,
    peer_log: Arc<PeerLog>,
    activity: Activity,
}

impl FedNode {
    pub(super) fn new(
        input: Arc<LaravelInput>,
        inner: Box<dyn Coordinator>,
        hub: Arc<Hub>,
        (decisions, metrics): (Arc<Decisions>, Arc<Metrics>),
        (peer_log, activity): (Arc<PeerLog>, Activity),
    ) -> Self {
        let app = Arc::new(FedApp { inner, hub, decisions, metrics, peer_log, activity });
        let owner: Weak<FedApp> = Arc::downgrade(&app);
        input.set_owner(owner);
        Self { input, app }
    }
}

impl FedApp {
    /// The inner coordinator refuses at once, and the socket's session learns it later. Until then the socket
    /// counts as the user's, as it does where the cluster refuses.
    fn refuse(&self, channel: &ChannelName, join: &HeldJoin) {
        if let Some(member) = &join.member {
            self.hub.joined_as(&member.user_id, join.socket);
        }
        self.decisions.push(join.socket, Decision::Refused(channel.clone()));
        let error = presence_full(self.hub.app().limits.presence_members);
        self.metrics.sockets.subscription_refused(error.cause);
        self.peer_log.subscription_refused(join.socket, channel.as_str(), &error, None);
        send_refusal(&self.hub, join.socket, channel.as_str(), &error);
    }

    fn leave(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    ) {
        match user_id {
            // Its session has not learned yet that it never joined.
            Some(user_id) if self.decisions.has_refused(socket, name) => {
                self.hub.left_as(user_id, socket);
            }
            _ => self.inner.unsubscribe(socket, name, user_id, now),
        }
    }
}

impl LaravelOwner for FedApp {
    fn app(&self) -> Guard<Arc<App>> {
        self.hub.app()
    }

    fn join(&self, channel: &ChannelName, join: HeldJoin, now: Instant) {
        let (socket, inner) = (join.socket, &self.inner);
        match inner.subscribe(socket, channel, join.member.as_ref(), now) {
            Err(PresenceFull) => return self.refuse(channel, &join),
            Ok(JoinAnswer::Queued { .. }) => {
                self.decisions.push(socket, Decision::Granted(channel.clone()));
            }
            // It is decided later, and the decision comes from there.
            Ok(JoinAnswer::Pending) => {}
        }
        for _ in 0..join.repeats {
            inner.confirm(socket, channel);
        }
        for relay in join.relays {
            inner.client_event(relay, socket, now);
        }
    }

    fn is_joined(&self, channel: &ChannelName) -> bool {
        self.inner.is_joined(channel)
    }

    fn deliver(&self, channel: &ChannelName, event: Option<LaravelEvent<'_>>, now: Instant) {
        let Some(LaravelEvent { name, data, except }) = event else {
            return self.hub.deliver_gap_event(channel, None);
        };
        let limit = self.hub.app().limits.event_data_warn_bytes;
        if data.len() > limit {
            log_oversized(&self.hub, &name, data.len());
        }
        let event = OutboundEvent::triggered(&name, &data, now);
        let event = TriggeredEvent { channel, event: &event, data: &data, except };
        let subscribers = self.inner.deliver(event, now);
        let parts = (&*name, &*data);
        self.activity.received(TriggerSource::RedisInput, channel, parts, except, subscribers);
        tracing::debug!(target: "resound::stream", app = self.hub.app().id, %channel, event = &*name, bytes = data.len(), subscribers, "event of Laravel received through Redis");
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.hub.shards().ready())
    }
}

impl SocketChanges for FedNode {
    fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<JoinAnswer, PresenceFull> {
        let join = || self.app.inner.subscribe(socket, name, member, now);
        let joined = self.input.join(name, || HeldJoin::new(socket, member), join);
        joined.unwrap_or(Ok(JoinAnswer::Pending))
    }

    fn confirm(&self, socket: SocketId, name: &ChannelName) -> JoinAnswer {
        match self.input.repeat(name, socket) {
            true => JoinAnswer::Pending,
            false => self.app.inner.confirm(socket, name),
        }
    }

    fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    ) {
        let leave = || self.app.leave(socket, name, user_id, now);
        self.input.leave(name, socket, leave, now);
    }

    fn sign_in(&self, socket: SocketId, user: &User, answers: [Option<Frame>; 2]) -> usize {
        self.app.inner.sign_in(socket, user, answers)
    }

    fn confirm_sign_in(&self, socket: SocketId, answer: Frame) -> usize {
        self.app.inner.confirm_sign_in(socket, answer)
    }

    fn sign_out(&self, socket: SocketId, user: &User, now: Instant) {
        self.app.inner.sign_out(socket, user, now);
    }
}

impl Publishing for FedNode {
    fn trigger(&self, event: TriggeredEvent<'_>, now: Instant) -> Triggered {
        self.app.inner.trigger(event, now)
    }

    fn deliver(&self, event: TriggeredEvent<'_>, now: Instant) -> usize {
        self.app.inner.deliver(event, now)
    }

    fn client_event(&self, relay: Relay, sender: SocketId, now: Instant) -> Option<usize> {
        let relay = self.input.hold_relay(relay, sender)?;
        self.app.inner.client_event(relay, sender, now)
    }

    fn terminate_user<'a>(&'a self, user_id: &'a str) -> Deferred<'a, ()> {
        self.app.inner.terminate_user(user_id)
    }

    fn backlog(&self) -> Option<Deferred<'_, ()>> {
        self.app.inner.backlog()
    }
}

impl Lookup for FedNode {
    fn counts<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Option<ChannelCounts>> {
        self.app.inner.counts(name)
    }

    fn occupied<'a>(&'a self, prefix: &'a str) -> Deferred<'a, Vec<(ChannelName, ChannelCounts)>> {
        self.app.inner.occupied(prefix)
    }

    fn members<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Vec<Arc<str>>> {
        self.app.inner.members(name)
    }

    fn member_infos(&self, name: &ChannelName, most: usize) -> Vec<(Arc<str>, Box<str>)> {
        self.app.inner.member_infos(name, most)
    }

    fn last_event<'a>(
        &'a self,
        name: &'a ChannelName,
        now: Instant,
    ) -> Deferred<'a, Option<LastEvent>> {
        self.app.inner.last_event(name, now)
    }

    fn socket_count(&self) -> Deferred<'_, u32> {
        self.app.inner.socket_count()
    }

    fn is_joined(&self, name: &ChannelName) -> bool {
        self.input.is_held(name) || self.app.inner.is_joined(name)
    }
}

impl Evidence for FedNode {
    fn reach<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, ChannelReach> {
        self.app.inner.reach(name)
    }

    fn names<'a>(&'a self, prefixes: &'a [String], most: usize) -> Deferred<'a, Vec<ChannelName>> {
        self.app.inner.names(prefixes, most)
    }

    fn away(&self, name: &ChannelName) -> Option<String> {
        self.app.inner.away(name)
    }

    fn has_other_nodes(&self) -> bool {
        self.app.inner.has_other_nodes()
    }
}

impl Permits for FedNode {
    fn request_permit(&self) -> PermitDecision {
        self.app.inner.request_permit()
    }

    fn release_permit(&self) {
        self.app.inner.release_permit();
    }

    fn open_sockets(&self) -> u32 {
        self.app.inner.open_sockets()
    }

    fn pending_joins(&self) -> Option<PendingJoins> {
        let inner = self.app.inner.pending_joins();
        match self.input.pending() {
            Some(topics) => Some(PendingJoins::behind(topics, inner)),
            None => inner,
        }
    }
}
