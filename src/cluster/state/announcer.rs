//! The frames that the changes of one channel cause on this node, as [`Effect`]s.

use super::effect::{CachedReply, ChannelEffect, Effect, JoinReply, MissedEvents};
use super::members::{MemberChanges, Members};
use super::publish_queue::LocalDelivery;
use super::sockets::{HeldEvent, PendingJoin};
use crate::channel_rules::{WebhookEvent, WebhookPayload};
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::{EventMessage, TopicMessage};
use crate::protocol::{Frame, SocketId, server_message};

/// Writes the effects of one channel, in order.
pub(super) struct Announcer<'a> {
    pub(super) key: &'a ChannelKey,
    pub(super) members: &'a Members,
    /// Sockets of this node are subscribed.
    pub(super) is_occupied: bool,
    /// Sockets of this node watch the user whose channel this is.
    pub(super) is_watched: bool,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Announcer<'_> {
    /// One effect on the channel. A user whose id fits in no channel name has a channel without a name: it has
    /// watchers and no subscribers.
    pub(super) fn push(&mut self, effect: ChannelEffect) {
        if let Some(channel) = self.key.name.clone() {
            self.effects.push(Effect::Channel { app: self.key.app, channel, action: effect });
        }
    }

    /// Sends an event to the app's webhooks. The directory has applied the delay.
    pub(super) fn webhook(&mut self, payload: WebhookPayload) {
        if let Some(channel) = self.key.name.clone() {
            let event = WebhookEvent { channel, payload, is_final: true };
            self.effects.push(Effect::Webhook { app: self.key.app, event });
        }
    }

    /// Sends a frame to the subscribers of this node.
    pub(super) fn deliver(&mut self, frame: Frame, except: Option<SocketId>) {
        if self.is_occupied {
            self.push(ChannelEffect::Deliver { frame, except, triggered_at: None });
        }
    }

    /// Delivers an event of this node.
    pub(super) fn own_event(&mut self, delivery: &LocalDelivery) {
        let LocalDelivery { except, is_due, triggered_at, .. } = *delivery;
        self.cache(&delivery.frame, delivery.kept);
        if self.is_occupied && is_due {
            let frame = delivery.frame.clone();
            self.push(ChannelEffect::Deliver { frame, except, triggered_at });
        }
    }

    /// Delivers an event of another node, whose clock is another one: its delay is not measured.
    pub(super) fn event_message(&mut self, event: &EventMessage<'_>) {
        let frame = Frame::text(event.text.as_bytes());
        self.cache(&frame, event.kept);
        self.deliver(frame, event.except);
    }

    /// A cache channel stores an event if it is `kept`.
    fn cache(&mut self, frame: &Frame, kept: bool) {
        if kept && self.key.is_cache() {
            self.push(ChannelEffect::CacheEvent(frame.clone()));
        }
    }

    /// Delivers events that this node missed and the directory kept: those behind the number `last`, since two requests
    /// under way at once return the same ones. Those of this `node` have been delivered, and each is the last one of a cache
    /// channel until the next.
    pub(super) fn missed_events(&mut self, messages: &[&[u8]], last: u64, node: NodeId) {
        for message in messages {
            match TopicMessage::read(message) {
                Some(TopicMessage::Event(event)) if event.number <= last => {}
                Some(TopicMessage::Event(event)) if event.origin != node => {
                    self.event_message(&event);
                }
                Some(TopicMessage::Event(event)) if event.kept => {
                    self.cache(&Frame::text(event.text.as_bytes()), true);
                }
                _ => {}
            }
        }
    }

    /// Announces members to the subscribers of a presence channel, or a user to the sockets that watch it.
    pub(super) fn members(&mut self, changes: &MemberChanges) {
        let Some(name) = self.key.name.as_ref().filter(|name| name.is_presence()) else {
            changes.removed.iter().for_each(|_| self.watchers(false));
            return changes.added.iter().for_each(|_| self.watchers(true));
        };
        for user_id in &changes.removed {
            self.deliver(server_message::member_removed(name, user_id), None);
        }
        for user_id in &changes.added {
            self.deliver(
                server_message::member_added(name, user_id, self.members.info(user_id)),
                None,
            );
        }
    }

    /// Sends the sockets that watch this user whether the user is online.
    pub(super) fn watchers(&mut self, online: bool) {
        if let Some(user_id) = self.key.user_id().filter(|_| self.is_watched) {
            self.effects.push(Effect::Watchers {
                app: self.key.app,
                user_id: user_id.into(),
                online,
            });
        }
    }

    /// Sends the subscribers how many they are.
    pub(super) fn subscription_count(&mut self, count: u32) {
        let name = self.key.name.as_ref();
        let frame = name.and_then(|name| server_message::subscription_count(name, count as usize));
        if let Some(frame) = frame {
            self.deliver(frame, None);
        }
    }

    /// Reports events that were lost on the way to this node.
    pub(super) fn missed(&mut self, missed: Option<MissedEvents>) {
        missed.into_iter().for_each(|missed| self.push(ChannelEffect::Missed(missed)));
    }

    /// Answers joins. The roster in the answer is written once for all. Returns the client events of the sockets.
    pub(super) fn accept_joins(
        &mut self,
        joins: Vec<(SocketId, PendingJoin)>,
        cached: &CachedReply,
    ) -> Vec<HeldEvent> {
        if joins.is_empty() {
            return Vec::new();
        }
        let (answer, mut held) = (self.subscription_answer(), Vec::new());
        for (socket, join) in joins {
            self.accept_join(socket, &join, (answer.clone(), cached.clone()));
            held.extend(join.held);
        }
        held
    }

    /// A user's own channel is joined by signing in, which has an answer of its own.
    fn accept_join(
        &mut self,
        socket: SocketId,
        join: &PendingJoin,
        (answer, cached): (Option<Frame>, CachedReply),
    ) {
        let first = answer.clone().filter(|_| self.key.user_id().is_none());
        let reply = JoinReply { answer: first, cached };
        self.push(match join.has_left {
            true => ChannelEffect::Answer(socket, reply),
            false => ChannelEffect::AddSubscriber(socket, reply),
        });
        for _ in 0..join.repeats {
            let reply = JoinReply { answer: answer.clone(), cached: CachedReply::NotKept };
            self.push(ChannelEffect::Answer(socket, reply));
        }
    }

    /// Answers a second subscription of a subscriber.
    pub(super) fn answer_again(&mut self, socket: SocketId) {
        let reply = JoinReply { answer: self.subscription_answer(), cached: CachedReply::NotKept };
        self.push(ChannelEffect::Answer(socket, reply));
    }

    fn subscription_answer(&self) -> Option<Frame> {
        let name = self.key.name.as_ref()?;
        let data = match self.key.is_presence() {
            true => server_message::presence(self.members.iter()),
            false => "{}".to_owned(),
        };
        Some(server_message::subscription_succeeded(name, &data))
    }
}
