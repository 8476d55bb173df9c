//! A node without others: the hub decides everything, at once.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use super::coordinator::{
    ChannelReach, Deferred, Evidence, JoinAnswer, LastEvent, Lookup, Permits, Publishing,
    SocketChanges, Triggered, TriggeredEvent,
};
use super::pending_joins::PendingJoins;
use crate::cluster::PermitDecision;
use crate::explanation::Subscribers;
use crate::hub::{ChannelCounts, Hub, PresenceFull};
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, Frame, Member, SocketId, User};

/// One app of such a node.
pub(super) struct SingleNode {
    hub: Arc<Hub>,
}

impl SingleNode {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl SocketChanges for SingleNode {
    fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<JoinAnswer, PresenceFull> {
        let bytes = self.hub.subscribe(socket, name, member, now)?;
        Ok(JoinAnswer::Queued { bytes })
    }

    fn confirm(&self, socket: SocketId, name: &ChannelName) -> JoinAnswer {
        JoinAnswer::Queued { bytes: self.hub.confirm(socket, name) }
    }

    fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    ) {
        self.hub.unsubscribe(socket, name, user_id, now);
    }

    fn sign_in(&self, socket: SocketId, user: &User, answers: [Option<Frame>; 2]) -> usize {
        self.hub.sign_in(socket, user, answers)
    }

    fn confirm_sign_in(&self, socket: SocketId, answer: Frame) -> usize {
        self.hub.answer(socket, answer)
    }

    fn sign_out(&self, socket: SocketId, user: &User, _now: Instant) {
        self.hub.sign_out(socket, user);
    }
}

impl Publishing for SingleNode {
    fn trigger(&self, event: TriggeredEvent<'_>, now: Instant) -> Triggered {
        let TriggeredEvent { channel, event, data, except } = event;
        Triggered::Delivered(self.hub.trigger(channel, event, data, except, now))
    }

    fn deliver(&self, event: TriggeredEvent<'_>, now: Instant) -> usize {
        let TriggeredEvent { channel, event, data, except } = event;
        self.hub.trigger(channel, event, data, except, now)
    }

    fn client_event(&self, relay: Relay, sender: SocketId, _now: Instant) -> Option<usize> {
        Some(self.hub.deliver_client_event(relay, sender))
    }

    fn terminate_user<'a>(&'a self, user_id: &'a str) -> Deferred<'a, ()> {
        self.hub.terminate_user(user_id);
        Box::pin(ready(()))
    }

    fn backlog(&self) -> Option<Deferred<'_, ()>> {
        None
    }
}

impl Lookup for SingleNode {
    fn counts<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Option<ChannelCounts>> {
        Box::pin(ready(self.hub.counts(name)))
    }

    fn occupied<'a>(&'a self, prefix: &'a str) -> Deferred<'a, Vec<(ChannelName, ChannelCounts)>> {
        Box::pin(ready(self.hub.occupied(prefix)))
    }

    fn members<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Vec<Arc<str>>> {
        Box::pin(ready(self.hub.members(name)))
    }

    fn member_infos(&self, name: &ChannelName, most: usize) -> Vec<(Arc<str>, Box<str>)> {
        self.hub.member_infos(name, most)
    }

    fn last_event<'a>(
        &'a self,
        name: &'a ChannelName,
        now: Instant,
    ) -> Deferred<'a, Option<LastEvent>> {
        let last = self.hub.last_event(name, now);
        Box::pin(ready(last.map(|(data, ttl)| LastEvent { data, ttl })))
    }

    fn socket_count(&self) -> Deferred<'_, u32> {
        Box::pin(ready(self.hub.socket_count()))
    }

    fn is_joined(&self, name: &ChannelName) -> bool {
        self.hub.counts(name).is_some()
    }
}

impl Evidence for SingleNode {
    fn reach<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, ChannelReach> {
        let sockets = self.hub.counts(name).map_or(0, |counts| counts.subscription_count);
        let reach = Subscribers { sockets, nodes: u32::from(sockets > 0), is_partial: false };
        Box::pin(ready(ChannelReach { reach, ..ChannelReach::default() }))
    }

    fn names<'a>(&'a self, prefixes: &'a [String], most: usize) -> Deferred<'a, Vec<ChannelName>> {
        Box::pin(ready(self.hub.names(prefixes, most)))
    }

    fn away(&self, _name: &ChannelName) -> Option<String> {
        None
    }

    fn has_other_nodes(&self) -> bool {
        false
    }
}

impl Permits for SingleNode {
    fn request_permit(&self) -> PermitDecision {
        if self.hub.reserve_socket() { PermitDecision::Granted } else { PermitDecision::Refused }
    }

    fn release_permit(&self) {
        self.hub.release_socket();
    }

    fn open_sockets(&self) -> u32 {
        self.hub.socket_count()
    }

    fn pending_joins(&self) -> Option<PendingJoins> {
        None
    }
}
