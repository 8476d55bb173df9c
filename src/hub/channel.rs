//! One channel: how many sockets on which shard, and the roster of a presence channel.
//!
//! Always used under its lock (see [`registry`](super::registry)); everything it announces is
//! queued to the shards before that lock is let go, which is what gives a channel one order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ChannelCounts;
use super::occurrence::{Occurrence, What, Witness};
use super::roster::{Joined, Left, Roster};
use super::shards::{ChannelId, Shards};
use crate::protocol::{Broadcast, ChannelName, Frame, Member, SocketId, server_message};

/// One occupied channel.
pub(super) struct Channel {
    id: ChannelId,
    name: ChannelName,
    /// Subscribers on each shard: a publish reaches only shards that have some.
    on_shard: Box<[u32]>,
    /// Only presence channels have one.
    roster: Option<Box<Roster>>,
    /// Told of what happens here, unless this is a user's own channel.
    witness: Option<Arc<dyn Witness>>,
    counted_at: Option<Instant>,
}

/// Above this many subscribers they are told their number only every [`COUNT_INTERVAL`]: Pusher's.
const COUNT_AT_ONCE_MAX: usize = 100;
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// Who joins.
pub(super) struct Joining<'a> {
    pub(super) socket: SocketId,
    pub(super) member: Option<&'a Member>,
}

/// A presence channel has all the members it may have.
#[derive(Debug, PartialEq, Eq)]
pub struct PresenceFull;

impl Channel {
    pub(super) fn new(
        name: ChannelName,
        shards: &Shards,
        witness: Option<Arc<dyn Witness>>,
    ) -> Self {
        let witness = witness.filter(|_| name.user_id().is_none());
        let roster = name.is_presence().then(Box::default);
        let on_shard = vec![0; shards.count()].into_boxed_slice();
        Self { id: shards.new_channel_id(), name, on_shard, roster, witness, counted_at: None }
    }

    /// Adds a socket: announces its user to the others, then answers it, then says `then` (the
    /// cached event or its absence). Returns the bytes of the answers.
    pub(super) fn join(
        &mut self,
        shards: &Shards,
        Joining { socket, member }: Joining<'_>,
        members_max: usize,
        then: Option<Frame>,
    ) -> Result<usize, PresenceFull> {
        let was_vacant = self.subscription_count() == 0;
        let mut is_new = None;
        if let (Some(roster), Some(member)) = (&mut self.roster, member) {
            match roster.join(member, members_max) {
                Joined::Full => return Err(PresenceFull),
                Joined::Again => {}
                Joined::First => {
                    let (user_id, info) = (&member.user_id, member.info_json());
                    let added = server_message::member_added(&self.name, user_id, info);
                    self.publish(shards, &added, None);
                    is_new = Some(What::MemberAdded(user_id.clone()));
                }
            }
        }
        self.on_shard[shards.of(socket)] += 1;
        let bytes = shards.join(socket, self.id, [Some(self.answer()), then]);
        let occupied = was_vacant.then_some(What::Occupied);
        occupied.into_iter().chain(is_new).for_each(|what| self.tell(what));
        Ok(bytes)
    }

    /// Adds a socket about which there is nothing to decide, and tells it these.
    pub(super) fn seat(&mut self, shards: &Shards, socket: SocketId, first: [Option<Frame>; 2]) {
        self.on_shard[shards.of(socket)] += 1;
        shards.join(socket, self.id, first);
    }

    /// Removes a socket, then announces to the others that its user is gone, if it was the last.
    pub(super) fn leave(&mut self, shards: &Shards, socket: SocketId, user_id: Option<&str>) {
        self.on_shard[shards.of(socket)] -= 1;
        shards.leave(socket, self.id);
        if let Some((roster, user_id)) = self.roster.as_mut().zip(user_id)
            && roster.leave(user_id) == Left::Last
        {
            let removed = server_message::member_removed(&self.name, user_id);
            self.publish(shards, &removed, None);
            self.tell(What::MemberRemoved(user_id.into()));
        }
        if self.subscription_count() == 0 {
            self.tell(What::Vacated);
        }
    }

    /// Tells the subscribers how many they are. Above [`COUNT_AT_ONCE_MAX`] not more often than
    /// [`COUNT_INTERVAL`]: then returns when to look again.
    pub(super) fn tell_count(&mut self, shards: &Shards, now: Instant) -> Option<Instant> {
        let count = self.subscription_count();
        if count == 0 || self.roster.is_some() || self.name.user_id().is_some() {
            return None;
        }
        let next = self.counted_at.map(|at| at + COUNT_INTERVAL).filter(|&next| next > now);
        if count > COUNT_AT_ONCE_MAX && next.is_some() {
            return next;
        }
        self.counted_at = Some(now);
        if let Some(frame) = server_message::subscription_count(&self.name, count) {
            self.publish(shards, &frame, None);
        }
        self.tell(What::SubscriptionCount(count));
        None
    }

    /// Tells the witness.
    pub(super) fn tell(&self, what: What) {
        if let Some(witness) = &self.witness {
            let (channel, waited) = (self.name.clone(), false);
            witness.saw(Occurrence { channel, what, waited });
        }
    }

    /// Hands one frame to every shard that has subscribers: O(shards), whatever their number.
    pub(super) fn publish(&self, shards: &Shards, frame: &Frame, except: Option<SocketId>) {
        let broadcast = Broadcast::new(frame.clone());
        for (shard, &subscribers) in self.on_shard.iter().enumerate() {
            if subscribers > 0 {
                shards.publish(shard, self.id, broadcast.clone(), except);
            }
        }
    }

    /// What a subscriber is told first.
    pub(super) fn answer(&self) -> Frame {
        match &self.roster {
            None => server_message::subscription_succeeded(&self.name, "{}"),
            Some(roster) => {
                let data = server_message::presence(roster.members());
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

    pub(super) fn user_ids(&self) -> Vec<Arc<str>> {
        self.roster.as_ref().map(|roster| roster.user_ids().cloned().collect()).unwrap_or_default()
    }
}
