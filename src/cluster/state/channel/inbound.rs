//! What is heard of a channel from other nodes, and delivered on this one.

use super::{ClusterChannel, Subscription, Verification};
use crate::cluster::directory::NodeId;
use crate::cluster::directory::message::{EventMessage, RosterChange, TopicMessage};
use crate::cluster::state::effect::{ChannelEffect, Effect};
use crate::cluster::state::publish_queue::LocalDelivery;
use crate::cluster::state::sequence::EventArrival;
use crate::protocol::{Frame, SocketId};

impl ClusterChannel {
    /// A change of another node arrived. True if the channel is to be verified and was not before.
    pub(in crate::cluster) fn change(
        &mut self,
        change: &RosterChange<'_>,
        incomplete: bool,
        effects: &mut Vec<Effect>,
    ) -> bool {
        // Before the roster came it holds nothing to be changed, and the one that comes has it all.
        if self.service != Subscription::Active || !self.current {
            return false;
        }
        change.removed.iter().for_each(|user_id| self.removed(user_id, incomplete, effects));
        change.added.iter().for_each(|(user_id, info)| self.added(user_id, info, effects));
        if let Some(count) = change.count {
            self.tell_count(count, effects);
        }
        let is_new = self.verification == Verification::Done;
        if is_new {
            self.verification = Verification::Due;
        }
        is_new
    }

    /// The next request is to verify the channel. False if that is not due, or if the channel is idle:
    /// then the request of the next newcomer reads the whole roster.
    pub(in crate::cluster) fn verify(&mut self) -> bool {
        if self.verification != Verification::Due {
            return false;
        }
        if self.is_idle() {
            (self.verification, self.current) = (Verification::Done, false);
            return false;
        }
        self.verification = Verification::Next;
        true
    }

    /// An event of another node arrived from the topic; `keeps` if the directory keeps events.
    pub(in crate::cluster) fn event(
        &mut self,
        event: &EventMessage<'_>,
        keeps: bool,
        effects: &mut Vec<Effect>,
    ) -> EventArrival {
        if self.service != Subscription::Active {
            return EventArrival::Next;
        }
        let arrival = self.numbers.arrived(event.number, None, keeps);
        if matches!(arrival, EventArrival::Next | EventArrival::Odd) {
            self.deliver(&Frame::text(event.text.as_bytes()), event.except, event.kept, effects);
        }
        arrival
    }

    /// An event of this node arrived from the topic; `due` is what is still to be delivered here.
    pub(in crate::cluster) fn own_event(
        &mut self,
        event: &EventMessage<'_>,
        due: Option<LocalDelivery>,
        keeps: bool,
        effects: &mut Vec<Effect>,
    ) -> EventArrival {
        if self.service != Subscription::Active {
            return EventArrival::Next;
        }
        if let Some(LocalDelivery { frame, except, kept, .. }) = due {
            self.deliver(&frame, except, kept, effects);
        }
        self.numbers.arrived(event.number, Some(event.serial), keeps)
    }

    /// Delivers on this node; what a cache channel remembers is `kept`.
    pub(in crate::cluster) fn deliver(
        &self,
        frame: &Frame,
        except: Option<SocketId>,
        kept: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.act_if(kept && self.key.is_cache(), ChannelEffect::Keep(frame.clone()), effects);
        self.act_if(self.is_occupied(), ChannelEffect::Deliver(frame.clone(), except), effects);
    }

    /// What was published while this node did not hear, as far as it was kept. Of its own it has
    /// delivered everything.
    pub(super) fn catch_up(&self, missed: &[&[u8]], node: NodeId, effects: &mut Vec<Effect>) {
        for message in missed {
            if let Some(TopicMessage::Event(event)) = TopicMessage::read(message)
                && event.origin != node
            {
                self.deliver(
                    &Frame::text(event.text.as_bytes()),
                    event.except,
                    event.kept,
                    effects,
                );
            }
        }
    }

    /// An event of this node was delivered without being heard: it may or may not be numbered.
    pub(in crate::cluster) fn delivered_unheard(&mut self, serial: u64) {
        self.numbers.delivered_unheard(serial);
    }

    /// An event of this node is not sent any more.
    pub(in crate::cluster) fn given_up(&mut self, serial: u64) {
        self.numbers.given_up(serial);
    }
}
