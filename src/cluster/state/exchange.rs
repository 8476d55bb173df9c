//! What this node and the directory exchange about channels and their events.
//!
//! Brings together the channels, the events under way and the queue of requests: a change on a channel becomes a
//! state request, an outcome is applied to its channel, an event is delivered once. When a heartbeat or the
//! clock starts something, [`Core`](super::Core) calls it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::channel::ClusterChannel;
use super::channel_table::ChannelTable;
use super::connection_quota::ConnectionQuota;
use super::effect::{ChannelEffect, Effect, PublishScope};
use super::health::DirectoryTrust;
use super::publish_queue::{LocalDelivery, NewPublish, PublishQueue};
use super::request_queue::{Batch, QueuedRequest, RequestQueue, SentRequest};
use super::sequence::EventOrder;
use super::sockets::HeldEvent;
use super::topic_sync::{LinkState, Subscription};
use crate::app::App;
use crate::channel_rules::{COUNT_INTERVAL, WebhookEvent, WebhookPayload};
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::{
    Count, EventMessage, InvalidTopicMessage, Outcome, RosterChange,
};
use crate::cluster::directory::reply::{PendingLeave, PublishReply};
use crate::cluster::directory::request::{ChannelRecord, Request};

/// Bytes expected for the missed events of one channel: at most 64 KB and one event, nearly always none.
const MISSED_EVENTS_BYTES: usize = 16 << 10;

/// Bytes expected at least for a roster: this node may not have it yet.
const ROSTER_BYTES_MIN: usize = 4 << 10;

/// The channels of this node, its events under way, and its requests.
pub(super) struct Exchange {
    node: NodeId,
    /// The directory keeps events (`cluster.transport` is `streams`).
    keeps_events: bool,
    pub(super) link: LinkState,
    pub(super) channels: ChannelTable,
    pub(super) publishes: PublishQueue,
    pub(super) requests: RequestQueue,
    pub(super) effects: Vec<Effect>,
}

impl Exchange {
    pub(super) fn new(
        node: NodeId,
        channels: ChannelTable,
        requests: RequestQueue,
        keeps_events: bool,
    ) -> Self {
        Self {
            node,
            keeps_events,
            link: LinkState::Away,
            channels,
            publishes: PublishQueue::new(node),
            requests,
            effects: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.link == LinkState::Up
    }

    // Channels.

    /// The state of a channel has changed: the directory receives it, or without Redis this node applies it.
    pub(super) fn changed(&mut self, topic: &Arc<str>) {
        let Some(channel) = self.channels.get_mut(topic) else { return };
        if channel.sync.takes_change(self.link) {
            if channel.sync.queue() {
                self.requests.push(QueuedRequest::State(topic.clone()));
            }
            return;
        }
        let (held, key) = (channel.apply_alone(&mut self.effects), channel.key.clone());
        self.channels.remove_idle(topic);
        self.publish_held(&key, held);
    }

    /// No request is under way on a channel, so it may be idle.
    pub(super) fn settle(&mut self, topic: &Arc<str>, now: Instant) {
        match self.link {
            LinkState::Up => self.channels.linger_idle(topic, now),
            LinkState::Away | LinkState::Leaving => self.channels.remove_idle(topic),
        }
    }

    /// An app is added at the next slot, or the app of a slot has new settings. Those that the directory
    /// keeps beside each channel are sent again.
    pub(super) fn put_app(&mut self, slot: usize, app: &Arc<App>) {
        let changed = self.channels.put_app(slot, app);
        if self.link != LinkState::Up {
            return;
        }
        for topic in changed {
            let Some(channel) = self.channels.get_mut(&topic) else { continue };
            if channel.sync.queue() {
                self.requests.push_backlog(topic);
            }
        }
    }

    /// Sends the state of all channels again, and compares it.
    pub(super) fn compare_all(&mut self) {
        self.requests.push_plain(Request::ListChannels);
        for (topic, channel) in self.channels.iter_mut() {
            channel.compare(self.keeps_events);
            if channel.sync.queue() {
                self.requests.push_backlog(topic.clone());
            }
        }
    }

    /// The channels that the directory has this node in. It may have left some while Redis was away.
    pub(super) fn compare_records(&mut self, records: &[ChannelRecord]) {
        let keeps_events = self.keeps_events;
        for ChannelRecord { app_id, name, .. } in records {
            let Some(app) = self.channels.app_of(app_id) else { continue };
            let (topic, channel) = self.channels.entry(&ChannelKey::read(app, name));
            if !channel.sync.has_compared {
                channel.compare(keeps_events);
                self.changed(&topic);
            }
        }
    }

    /// A leave that no node has undone within the delay: this node sends the webhook event.
    pub(super) fn send_due_leave(&mut self, PendingLeave { channel, user_id }: PendingLeave) {
        let payload = match user_id {
            None => WebhookPayload::ChannelVacated,
            Some(user_id) => WebhookPayload::MemberRemoved(user_id.into()),
        };
        if let Some(app) = self.channels.app_of(&channel.app_id)
            && let Some(channel) = ChannelKey::read(app, &channel.name).name
        {
            let event = WebhookEvent { channel, payload, is_final: true };
            self.effects.push(Effect::Webhook { app, event });
        }
    }

    /// The directory's answer to the state of a channel.
    pub(super) fn outcome(
        &mut self,
        topic: &Arc<str>,
        (number, outcome): (u64, &Outcome<'_>),
        trust: DirectoryTrust,
        now: Instant,
    ) {
        let Some(channel) = self.channels.get_mut(topic) else { return };
        let applied = channel.outcome((number, outcome), trust, self.node, &mut self.effects);
        let key = channel.key.clone();
        if outcome.count == Count::Later {
            self.channels.count_at(topic.clone(), now + COUNT_INTERVAL);
        }
        match applied.needs_request {
            true => self.changed(topic),
            false => self.settle(topic, now),
        }
        self.publish_held(&key, applied.held);
    }

    /// A change of the roster or the count arrived on the topic of its channel. It takes effect at once, without a
    /// second round trip; it is verified at `verify_at`.
    pub(super) fn change(
        &mut self,
        topic: &str,
        change: &RosterChange<'_>,
        trust: DirectoryTrust,
        verify_at: Instant,
    ) {
        let Some(channel) = self.channels.get_mut(topic) else { return };
        // A node learns its own changes from the outcome.
        let is_foreign = change.origin != self.node;
        if is_foreign && channel.change(change, trust.may_be_partial, &mut self.effects) {
            self.channels.verify_at(topic, verify_at);
        }
        let is_occupied = self.channels.get(topic).is_some_and(ClusterChannel::is_occupied);
        if change.recount && is_occupied {
            self.changed(&topic.into());
        }
    }

    // Events.

    /// Publishes an event of this node. A client event is held back while the join of its socket is undecided.
    pub(super) fn publish(&mut self, new: NewPublish, now: Instant) {
        if let Some(socket) = new.except.filter(|_| new.waiter.is_none())
            && let Some(channel) = self.channels.get_mut(&new.topic)
            && channel.sockets.hold(socket, &new.frame, now)
        {
            return;
        }
        let is_held = self.requests.holds(&new.topic);
        let serial = self.publishes.add(new, now);
        if self.link != LinkState::Up || !self.requests.push_publish(serial, is_held) {
            self.deliver_early(serial);
        }
    }

    /// Publishes client events that were held back until the join of their socket was accepted.
    pub(super) fn publish_held(&mut self, key: &ChannelKey, held: Vec<HeldEvent>) {
        for HeldEvent { socket, frame, since } in held {
            let topic = self.channels.topic(key);
            let new =
                NewPublish { key: key.clone(), topic, frame, except: Some(socket), waiter: None };
            self.publish(new, since);
        }
    }

    /// An event arrived on the topic of its channel.
    pub(super) fn event(
        &mut self,
        topic: &str,
        event: &EventMessage<'_>,
    ) -> Result<(), InvalidTopicMessage> {
        let order = if event.origin == self.node {
            // The event has arrived, even if no socket is in the channel any more.
            let due = self.publishes.returned(event.serial, topic);
            let Some(channel) = self.channels.get_mut(topic) else { return Ok(()) };
            channel.own_event(event, due.as_ref(), self.keeps_events, &mut self.effects)
        } else {
            let Some(channel) = self.channels.get_mut(topic) else { return Ok(()) };
            channel.event(event, self.keeps_events, &mut self.effects)
        };
        if order.starts_comparison() {
            self.changed(&topic.into());
        }
        if order == EventOrder::OtherSeries {
            Err(InvalidTopicMessage::AbsurdNumber)
        } else {
            Ok(())
        }
    }

    /// Redis has an event of this node. One without a number does not return, so it is delivered now.
    pub(super) fn published(&mut self, serial: u64, reply: PublishReply, now: Instant) {
        let (delivery, waiter) = self.publishes.confirmed(serial, reply.number > 0, now);
        delivery.iter().for_each(|delivery| self.deliver(delivery));
        let scope =
            if reply.is_occupied { PublishScope::Cluster } else { PublishScope::Unoccupied };
        self.effects.extend(waiter.map(|waiter| Effect::Published(waiter, scope)));
    }

    /// Delivers an event without waiting for Redis.
    pub(super) fn deliver_early(&mut self, serial: u64) {
        let (delivery, waiter) = self.publishes.deliver_early(serial);
        delivery.iter().for_each(|delivery| self.deliver(delivery));
        self.release(waiter);
    }

    /// Delivers an event of this node to its own sockets.
    pub(super) fn deliver(&mut self, delivery: &LocalDelivery) {
        let LocalDelivery { topic, key, frame, kept, .. } = delivery;
        match self.channels.get(topic) {
            Some(channel) => channel.deliver(delivery, &mut self.effects),
            // No socket is there, but one may join while Redis is away.
            None if *kept && self.link != LinkState::Up => {
                let app = key.app;
                let cache = |channel| {
                    let action = ChannelEffect::CacheEvent(frame.clone());
                    Effect::Channel { app, channel, action }
                };
                self.effects.extend(key.name.clone().map(cache));
            }
            None => {}
        }
    }

    /// The link is lost: everything is delivered, answered and served on this node alone.
    pub(super) fn link_lost(&mut self) {
        self.link = LinkState::Away;
        self.requests.clear();
        let lost = self.publishes.link_lost();
        lost.deliveries.iter().for_each(|delivery| self.deliver(delivery));
        for (topic, serial) in lost.unreturned {
            let channel = self.channels.get_mut(&topic);
            channel.into_iter().for_each(|channel| channel.sequence.delivered_alone(serial));
        }
        for (key, held) in self.channels.link_lost(&mut self.effects) {
            self.publish_held(&key, held);
        }
        lost.waiters.into_iter().for_each(|waiter| self.release(Some(waiter)));
    }

    /// Redis has lost its data: what it says of events from before is not certain.
    pub(super) fn data_lost(&mut self) {
        self.channels.doubt_events();
        self.publishes.data_lost();
    }

    fn release(&mut self, waiter: Option<oneshot::Sender<PublishScope>>) {
        self.effects.extend(waiter.map(|waiter| Effect::Published(waiter, PublishScope::NodeOnly)));
    }

    // Time.

    /// Gives up events that have waited for Redis for longer than `kept`, and the oldest beyond `bytes_max`.
    pub(super) fn expire(&mut self, kept: Duration, bytes_max: usize, now: Instant) {
        self.channels.given_up(self.publishes.expire(kept, bytes_max, now));
    }

    /// The link is up again: gives up events that Redis may have had before it lost its data.
    pub(super) fn drop_forgotten(&mut self) {
        self.channels.given_up(self.publishes.drop_forgotten());
    }

    /// Every node has sent its state again: members in doubt are compared once more.
    pub(super) fn resolve_doubts(&mut self) {
        self.channels.resolve_doubts().iter().for_each(|topic| self.changed(topic));
    }

    /// Does what is due while the link is up. Events that have waited for `after` are delivered here.
    pub(super) fn tick(&mut self, after: Duration, now: Instant) {
        self.publishes
            .overdue(after, now)
            .into_iter()
            .for_each(|serial| self.deliver_early(serial));
        while let Some(topic) = self.channels.pop_count_due(now) {
            self.changed(&topic);
        }
        if let Some(topic) = self.channels.pop_unverified(now) {
            self.changed(&topic);
        }
        for topic in self.channels.remove_lingered(now) {
            self.requests.push_plain(Request::Unsubscribe(topic));
        }
    }

    // Requests.

    /// Adds a queued request to a batch.
    pub(super) fn send(
        &mut self,
        request: QueuedRequest,
        quotas: &mut [ConnectionQuota],
        batch: &mut Batch,
    ) {
        match request {
            QueuedRequest::Ready(request, sent) => self.requests.send(batch, request, sent),
            QueuedRequest::State(topic) => self.send_state(&topic, batch),
            QueuedRequest::Publish(serial) => self.send_publish(serial, batch),
            QueuedRequest::Connections(app) => {
                self.requests.send(batch, quotas[app].report(), SentRequest::Connections(app));
            }
        }
    }

    /// Adds the request for an event to a batch. Whether the event returns is decided by the requests before it:
    /// the answer comes with the whole batch, and by then its topic may be subscribed.
    fn send_publish(&mut self, serial: u64, batch: &mut Batch) {
        let Some(topic) = self.publishes.topic(serial) else { return };
        let returns = self.channels.get(&topic).is_some_and(ClusterChannel::receives_own_events);
        if !returns {
            self.deliver_unreturned(&topic, serial);
        }
        if let Some(publish) = self.publishes.request(serial, returns) {
            batch.expect_bytes(publish.frame.len());
            self.requests.send(batch, Request::Publish(publish), SentRequest::Publish(serial));
        }
    }

    /// Adds the state of a channel to a batch, and the subscription to its topic before it.
    fn send_state(&mut self, topic: &Arc<str>, batch: &mut Batch) {
        let Some((app, channel)) = self.channels.with_app(topic) else { return };
        if !channel.sync.is_subscribed() {
            channel.sync.subscription = Subscription::Pending;
            self.requests.send(batch, Request::Subscribe(topic.clone()), SentRequest::Plain);
        }
        let number = self.requests.next_number();
        let state = channel.state(number, topic.clone(), app.limits.presence_members);
        self.requests.begin_state(number, topic, state.traits.webhooks && state.count > 0);
        if state.flags.roster {
            batch.expect_bytes(channel.members.bytes().max(ROSTER_BYTES_MIN));
        }
        if state.flags.missed {
            batch.expect_bytes(MISSED_EVENTS_BYTES);
        }
        self.requests.send(batch, Request::State(Box::new(state)), SentRequest::Plain);
    }

    /// An event will not return: sockets that are here receive it now, and not those that join behind it.
    fn deliver_unreturned(&mut self, topic: &str, serial: u64) {
        // An event that is sent again may have returned over the last link.
        let has_returned = self.publishes.has_returned(serial);
        let delivery = self.publishes.deliver_unreturned(serial);
        delivery.iter().for_each(|delivery| self.deliver(delivery));
        let channel = self.channels.get_mut(topic).filter(|channel| !channel.sync.is_subscribed());
        if let Some(channel) = channel.filter(|_| !has_returned) {
            channel.sequence.delivered_alone(serial);
        }
    }
}
