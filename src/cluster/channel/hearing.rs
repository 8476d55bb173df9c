//! What is heard of a channel from other nodes, and delivered on this one.

use super::{Channel, Service};
use crate::cluster::NodeId;
use crate::cluster::effect::{Action, Effect};
use crate::cluster::message::{Change, Event, Message};
use crate::cluster::numbers::Arrival;
use crate::protocol::{Frame, SocketId};

impl Channel {
    /// Another node changed something.
    pub(in crate::cluster) fn change(
        &mut self,
        change: &Change<'_>,
        incomplete: bool,
        effects: &mut Vec<Effect>,
    ) {
        // Before the roster came it holds nothing to be changed, and the one that comes has it all.
        if self.service != Service::On || !self.current {
            return;
        }
        change.removed.iter().for_each(|user_id| self.removed(user_id, incomplete, effects));
        change.added.iter().for_each(|(user_id, info)| self.added(user_id, info, effects));
        if let Some(count) = change.count {
            self.tell_count(count, effects);
        }
    }

    /// An event arrived from the topic; `due` if it is still to be delivered here, `own` if this
    /// node published it, `keeps` if the directory keeps events.
    pub(in crate::cluster) fn event(
        &mut self,
        event: &Event<'_>,
        (own, due, keeps): (bool, bool, bool),
        effects: &mut Vec<Effect>,
    ) -> Arrival {
        if self.service != Service::On {
            return Arrival::Next;
        }
        let own = own.then_some(event.serial);
        let arrival = self.numbers.arrived(event.number, own, keeps);
        if due && matches!(arrival, Arrival::Next | Arrival::Odd) {
            self.deliver(&Frame::text(event.text.as_bytes()), event.except, event.kept, effects);
        }
        arrival
    }

    /// Delivers on this node; what a cache channel remembers is `kept`.
    pub(in crate::cluster) fn deliver(
        &self,
        frame: &Frame,
        except: Option<SocketId>,
        kept: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.act_if(kept && self.spot.is_cache(), Action::Keep(frame.clone()), effects);
        self.act_if(self.is_occupied(), Action::Deliver(frame.clone(), except), effects);
    }

    /// What was published while this node did not hear, as far as it was kept. Of its own it has
    /// delivered everything.
    pub(super) fn catch_up(&self, missed: &[&[u8]], node: NodeId, effects: &mut Vec<Effect>) {
        for message in missed {
            if let Some(Message::Event(event)) = Message::read(message)
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
