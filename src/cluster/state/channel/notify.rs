//! What is told on this node of a channel: to newcomers, to those who are there, to those who watch.

use std::sync::Arc;

use super::ClusterChannel;
use crate::channel_rules::{WebhookEvent, WebhookPayload};
use crate::cluster::state::effect::{CachedReply, ChannelEffect, Effect, JoinReply, MissedEvents};
use crate::cluster::state::pending_joins::PendingJoin;
use crate::protocol::{Frame, SocketId, server_message};

impl ClusterChannel {
    /// The answer to a subscription, made once for all who are answered together.
    pub(super) fn said_first(&self) -> Option<Frame> {
        let name = self.key.name.as_ref()?;
        let data = match self.key.is_presence() {
            true => server_message::presence(self.roster.members()),
            false => "{}".to_owned(),
        };
        Some(server_message::subscription_succeeded(name, &data))
    }

    /// Answers a newcomer, and again as often as it asked again. A user's own channel was joined by
    /// signing in, which asks for no answer.
    pub(super) fn greet(
        &self,
        socket: SocketId,
        waiting: &PendingJoin,
        (first, cached): (Option<Frame>, CachedReply),
        effects: &mut Vec<Effect>,
    ) {
        let answer = first.clone().filter(|_| self.key.user_id().is_none());
        let newcomer = JoinReply { answer, cached };
        let action = match waiting.left {
            true => ChannelEffect::Answer(socket, newcomer),
            false => ChannelEffect::Seat(socket, newcomer),
        };
        self.act(action, effects);
        for _ in 0..waiting.again {
            let newcomer = JoinReply { answer: first.clone(), cached: CachedReply::NotKept };
            self.act(ChannelEffect::Answer(socket, newcomer), effects);
        }
    }

    pub(super) fn added(&mut self, user_id: &str, info: &str, effects: &mut Vec<Effect>) {
        let user_id: Arc<str> = user_id.into();
        if self.roster.add(&user_id, info) {
            self.announce_added(&user_id, effects);
        }
    }

    pub(super) fn removed(&mut self, user_id: &str, incomplete: bool, effects: &mut Vec<Effect>) {
        if incomplete {
            self.roster.doubt(user_id);
        } else if self.roster.remove(user_id) {
            self.announce_removed(user_id, effects);
        }
    }

    pub(super) fn announce_added(&self, user_id: &str, effects: &mut Vec<Effect>) {
        if let Some(name) = self.key.name.as_ref().filter(|name| name.is_presence()) {
            let frame = server_message::member_added(name, user_id, self.roster.info(user_id));
            return self.act_if(self.is_occupied(), ChannelEffect::Deliver(frame, None), effects);
        }
        self.tell_watchers(true, effects);
    }

    pub(super) fn announce_removed(&self, user_id: &str, effects: &mut Vec<Effect>) {
        if let Some(name) = self.key.name.as_ref().filter(|name| name.is_presence()) {
            let frame = server_message::member_removed(name, user_id);
            return self.act_if(self.is_occupied(), ChannelEffect::Deliver(frame, None), effects);
        }
        self.tell_watchers(false, effects);
    }

    pub(super) fn tell_watchers(&self, online: bool, effects: &mut Vec<Effect>) {
        if let Some(user_id) = self.key.user_id().filter(|_| self.watchers > 0) {
            effects.push(Effect::Watchers { app: self.key.app, user_id: user_id.into(), online });
        }
    }

    pub(super) fn tell_count(&mut self, count: u32, effects: &mut Vec<Effect>) {
        self.counted = Some(count);
        let name = self.key.name.as_ref().filter(|_| self.is_occupied());
        let frame = name.and_then(|name| server_message::subscription_count(name, count as usize));
        if let Some(frame) = frame {
            self.act(ChannelEffect::Deliver(frame, None), effects);
        }
    }

    /// Who is not seated yet has missed nothing.
    pub(super) fn tell_missed(&self, missed: Option<MissedEvents>, effects: &mut Vec<Effect>) {
        let some_are_seated = || self.sockets.len() > self.newcomers.present();
        if let Some(missed) = missed.filter(|_| some_are_seated()) {
            self.act(ChannelEffect::Missed(missed), effects);
        }
    }

    /// Reports to the app's webhooks. The directory has applied the delay.
    pub(super) fn report(&self, payload: WebhookPayload, effects: &mut Vec<Effect>) {
        if let Some(channel) = self.key.name.clone() {
            let event = WebhookEvent { channel, payload, is_final: true };
            effects.push(Effect::Webhook { app: self.key.app, event });
        }
    }

    pub(super) fn act(&self, action: ChannelEffect, effects: &mut Vec<Effect>) {
        if let Some(channel) = self.key.name.clone() {
            effects.push(Effect::Channel { app: self.key.app, channel, action });
        }
    }

    pub(super) fn act_if(&self, is_so: bool, action: ChannelEffect, effects: &mut Vec<Effect>) {
        if is_so {
            self.act(action, effects);
        }
    }
}
