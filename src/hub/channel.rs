//! One occupied channel: its number of sockets on each shard, and the roster of a presence channel.
//!
//! Used under its lock, which the [`registry`](super::registry) owns. Everything it announces is queued
//! to the shards before the lock is released, which gives a channel one order.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::command::Membership;
use super::ids::ChannelId;
use super::paced_channel::PacedChannel;
use super::shards::Shards;
use super::socket_match::ChannelIds;
use crate::app::PacingRule;
use crate::channel_rules::{
    CountThrottle, Roster, RosterJoin, RosterLeave, WebhookEvent, WebhookPayload, WebhookSink,
};
use crate::protocol::{Broadcast, ChannelName, Frame, Member, SocketId, server_message};

/// One occupied channel.
pub(super) struct Channel {
    id: ChannelId,
    name: ChannelName,
    /// Subscribers on each shard: a frame goes only to shards that have some.
    on_shard: Box<[u32]>,
    /// Only presence channels have one.
    roster: Option<Box<Roster>>,
    /// Receives what happens here, unless this is a user's own channel.
    webhooks: Option<Arc<dyn WebhookSink>>,
    count_throttle: CountThrottle,
    /// Only channels whose events have a pace have one, and with it an id for each of their slices.
    paced: Option<Box<PacedChannel>>,
}

/// The counts of one occupied channel, as the HTTP API reports them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelCounts {
    /// Subscribed sockets.
    pub subscription_count: usize,
    /// Distinct members, on presence channels.
    pub user_count: Option<usize>,
}

/// A socket that joins, and its member on a presence channel.
pub(super) struct Joining<'a> {
    pub(super) socket: SocketId,
    pub(super) member: Option<&'a Member>,
}

/// A presence channel has as many members as its limit allows.
#[derive(Debug, PartialEq, Eq)]
pub struct PresenceFull;

impl Channel {
    pub(super) fn new(
        name: ChannelName,
        shards: &Shards,
        webhooks: Option<Arc<dyn WebhookSink>>,
        pacing: Option<PacingRule>,
    ) -> Self {
        let webhooks = webhooks.filter(|_| name.user_id().is_none());
        let pacing = pacing.filter(|_| name.user_id().is_none());
        let roster = name.is_presence().then(Box::default);
        let on_shard = vec![0; shards.count()].into_boxed_slice();
        Self {
            id: shards.new_channel_id(),
            name,
            on_shard,
            roster,
            webhooks,
            count_throttle: CountThrottle::default(),
            paced: pacing.map(|rule| Box::new(PacedChannel::new(rule, shards))),
        }
    }

    /// Adds a socket: announces its user to the others, then sends it the answer, then `then` (the cached
    /// event or `cache_miss`). Returns the bytes of the answers.
    pub(super) fn join(
        &mut self,
        shards: &Shards,
        Joining { socket, member }: Joining<'_>,
        members_max: usize,
        then: Option<Frame>,
    ) -> Result<usize, PresenceFull> {
        let was_vacant = self.subscription_count() == 0;
        let mut added = None;
        if let (Some(roster), Some(member)) = (&mut self.roster, member) {
            let (user_id, info) = (&member.user_id, member.info_json());
            match roster.join(user_id, info, members_max) {
                RosterJoin::Full => return Err(PresenceFull),
                RosterJoin::Again => {}
                RosterJoin::First => {
                    let frame = server_message::member_added(&self.name, user_id, info);
                    self.deliver(shards, &Broadcast::new(frame), None);
                    added = Some(WebhookPayload::MemberAdded(user_id.clone()));
                }
            }
        }
        let bytes = self.add_subscriber(shards, socket, [Some(self.answer()), then]);
        let occupied = was_vacant.then_some(WebhookPayload::ChannelOccupied);
        occupied.into_iter().chain(added).for_each(|payload| self.report(payload));
        Ok(bytes)
    }

    /// Adds a socket without a check and sends it these frames. Returns their bytes.
    pub(super) fn add_subscriber(
        &mut self,
        shards: &Shards,
        socket: SocketId,
        first: [Option<Frame>; 2],
    ) -> usize {
        if let Some(paced) = &mut self.paced {
            paced.join(shards, socket);
        }
        self.on_shard[shards.of(socket)] += 1;
        shards.add_subscriber(socket, self.id_of(socket), first)
    }

    /// Removes a socket. If it was the last one of its user, announces to the others that the user left.
    pub(super) fn leave(&mut self, shards: &Shards, socket: SocketId, user_id: Option<&str>) {
        self.on_shard[shards.of(socket)] -= 1;
        shards.remove_subscriber(socket, self.id_of(socket));
        if let Some(paced) = &mut self.paced {
            paced.leave(shards, socket);
        }
        if let Some((roster, user_id)) = self.roster.as_mut().zip(user_id)
            && roster.leave(user_id) == RosterLeave::Last
        {
            let removed = server_message::member_removed(&self.name, user_id);
            self.deliver(shards, &Broadcast::new(removed), None);
            self.report(WebhookPayload::MemberRemoved(user_id.into()));
        }
        if self.subscription_count() == 0 {
            self.report(WebhookPayload::ChannelVacated);
        }
    }

    /// Sends the subscribers their number. An error is the time at which a throttled count is due.
    pub(super) fn send_count(&mut self, shards: &Shards, now: Instant) -> Result<(), Instant> {
        let count = self.subscription_count();
        if count == 0 || self.roster.is_some() || self.name.user_id().is_some() {
            return Ok(());
        }
        self.count_throttle.take(count, now)?;
        if let Some(frame) = server_message::subscription_count(&self.name, count) {
            self.deliver(shards, &Broadcast::new(frame), None);
        }
        self.report(WebhookPayload::SubscriptionCount(count));
        Ok(())
    }

    /// Reports to the app's webhooks, if it has any now.
    pub(super) fn report(&self, payload: WebhookPayload) {
        if let Some(webhooks) = self.webhooks.as_ref().filter(|webhooks| webhooks.is_on()) {
            webhooks.send(WebhookEvent { channel: self.name.clone(), payload, is_final: false });
        }
    }

    /// Delivers an event, which may wait where events have a pace.
    pub(super) fn publish(
        &mut self,
        shards: &Shards,
        broadcast: &Broadcast,
        except: Option<SocketId>,
    ) {
        match &mut self.paced {
            None => self.deliver(shards, broadcast, except),
            Some(paced) => paced.publish(shards, broadcast, except),
        }
    }

    /// Delivers the events that waited and are due.
    pub(super) fn release(&mut self, shards: &Shards, now: Instant) {
        if let Some(paced) = &mut self.paced {
            paced.release(shards, now);
        }
    }

    /// When [`release`](Self::release) has to be called, if that is earlier than what was returned last.
    pub(super) fn newly_due(&mut self) -> Option<Instant> {
        self.paced.as_mut()?.newly_due()
    }

    /// Under which id its shard has a socket as a subscriber.
    fn id_of(&self, socket: SocketId) -> ChannelId {
        self.paced.as_ref().map_or(self.id, |paced| paced.id_of(socket))
    }

    /// Queues one frame for every shard that has subscribers: O(shards), whatever their number.
    pub(super) fn deliver(&self, shards: &Shards, broadcast: &Broadcast, except: Option<SocketId>) {
        if let Some(paced) = &self.paced {
            paced.deliver(shards, !0, broadcast, except);
            return;
        }
        for (shard, &subscribers) in self.on_shard.iter().enumerate() {
            if subscribers > 0 {
                shards.deliver(shard, self.id, broadcast.clone(), except);
            }
        }
    }

    /// Whether a socket is a subscriber.
    pub(super) fn find(&self, shards: &Shards, socket: SocketId) -> oneshot::Receiver<Membership> {
        shards.find(socket, self.id_of(socket))
    }

    /// Its subscribers, as each shard that has some lists them; none where they have a pace, since those are in
    /// slices.
    pub(super) fn list(
        &self,
        shards: &Shards,
        most: usize,
    ) -> Vec<oneshot::Receiver<Vec<SocketId>>> {
        let occupied = self.on_shard.iter().enumerate().filter(|&(_, &sockets)| sockets > 0);
        let occupied = occupied.filter(|_| self.paced.is_none());
        occupied.map(|(shard, _)| shards.list(shard, self.id, most)).collect()
    }

    /// The answer to a subscription.
    pub(super) fn answer(&self) -> Frame {
        match &self.roster {
            None => server_message::subscription_succeeded(&self.name, "{}"),
            Some(roster) => {
                let members = roster.members().map(|(user_id, info)| (&**user_id, info));
                let data = server_message::presence(members);
                server_message::subscription_succeeded(&self.name, &data)
            }
        }
    }

    pub(super) fn subscription_count(&self) -> usize {
        self.on_shard.iter().map(|&subscribers| subscribers as usize).sum()
    }

    pub(super) fn counts(&self) -> ChannelCounts {
        let user_count = self.roster.as_ref().map(|roster| roster.len());
        ChannelCounts { subscription_count: self.subscription_count(), user_count }
    }

    /// The ids that its subscribers have at the shards.
    pub(super) fn ids(&self) -> ChannelIds {
        ChannelIds(self.paced.as_ref().map_or_else(|| vec![self.id], |paced| paced.ids()))
    }

    /// So many members with their `user_info`.
    pub(super) fn member_infos(&self, most: usize) -> Vec<(Arc<str>, Box<str>)> {
        let members = self.roster.iter().flat_map(|roster| roster.members()).take(most);
        members.map(|(user_id, info)| (user_id.clone(), info.into())).collect()
    }

    pub(super) fn user_ids(&self) -> Vec<Arc<str>> {
        let ids = |roster: &Roster| roster.members().map(|(user_id, _)| user_id.clone()).collect();
        self.roster.as_deref().map(ids).unwrap_or_default()
    }
}
