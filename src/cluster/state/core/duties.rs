//! What a node does without being told: looking after its channels, saying that it lives, cleaning
//! up after those that do not, telling webhooks what is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Core, LinkState, QueuedRequest};
use crate::channel_rules::{COUNT_INTERVAL, WebhookEvent, WebhookPayload};
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::{EventMessage, InvalidTopicMessage, RosterChange};
use crate::cluster::directory::outcome::{Count, Outcome};
use crate::cluster::directory::request::{
    ChannelTraits, DataProof, HeartbeatReply, read_reference,
};
use crate::cluster::state::channel::{ClusterChannel, Subscription};
use crate::cluster::state::effect::{ChannelEffect, Effect};
use crate::cluster::state::publish_queue::LocalDelivery;
use crate::cluster::state::sequence::EventArrival;
use crate::cluster::state::watchlists;

/// How long a topic is heard after the last socket left: pages that change leave and come back.
const LINGER: Duration = Duration::from_secs(5);

impl Core {
    /// What a channel is called between nodes.
    pub fn topic(&self, key: &ChannelKey) -> Arc<str> {
        key.topic(&self.settings.prefix, &self.apps[key.app].id)
    }

    /// Where the directory answers this node.
    pub fn own_topic(&self) -> Arc<str> {
        format!("{}:node:{}", self.settings.prefix, self.node).into()
    }

    /// What every node hears.
    pub fn common_topic(&self) -> Arc<str> {
        format!("{}:all", self.settings.prefix).into()
    }

    /// The topic of a channel that is to exist.
    pub(super) fn channel(&mut self, key: &ChannelKey) -> Arc<str> {
        let topic = self.topic(key);
        if !self.channels.contains_key(&topic) {
            let app = &self.apps[key.app];
            let is_user = key.user_id().is_some();
            let facts = ChannelTraits {
                listed: !is_user,
                roster: key.has_roster(),
                webhooks: !is_user && !app.webhooks.is_empty(),
                counts: !key.has_roster() && app.subscription_count_events,
            };
            let channel = ClusterChannel::new(key.clone(), app.id.clone(), facts);
            self.channels.insert(topic.clone(), channel);
        }
        topic
    }

    /// A channel has something to say: to Redis, or to itself where that is away.
    pub(super) fn changed(&mut self, topic: &Arc<str>) {
        let Some(channel) = self.channels.get_mut(topic) else { return };
        if self.link != LinkState::Up {
            channel.serve_alone(&mut self.effects);
            if channel.is_idle() {
                self.channels.swap_remove(topic);
            }
        } else if !channel.queued {
            channel.queued = true;
            self.queue.push_back(QueuedRequest::State(topic.clone()));
        }
    }

    /// Nothing is under way on a channel any more; perhaps nobody needs it.
    pub(super) fn rest(&mut self, topic: &Arc<str>, now: Instant) {
        let Some(channel) = self.channels.get_mut(topic).filter(|channel| channel.is_idle()) else {
            return;
        };
        if self.link != LinkState::Up {
            self.channels.swap_remove(topic);
        } else if channel.idle_since.is_none() {
            channel.idle_since = Some(now);
            self.idle.push_back((now, topic.clone()));
        }
    }

    pub(super) fn unsubscribe_idle(&mut self, now: Instant) {
        while let Some((since, _)) = self.idle.front()
            && now.duration_since(*since) >= LINGER
        {
            let Some((since, topic)) = self.idle.pop_front() else { return };
            let Some(channel) = self.channels.get_mut(&topic) else { continue };
            // Needed again since then, or idle for the second time.
            if channel.idle_since != Some(since) {
                continue;
            }
            // A foreign message can start a request on an idle channel.
            if !channel.is_idle() {
                channel.idle_since = None;
                continue;
            }
            if channel.service != Subscription::None {
                self.queue.push_back(QueuedRequest::Unsubscribe(topic.clone()));
            }
            self.channels.swap_remove(&topic);
        }
    }

    pub(super) fn deliver(&mut self, delivery: &LocalDelivery) {
        let LocalDelivery { topic, key, frame, except, kept } = delivery;
        match self.channels.get(topic) {
            Some(channel) => channel.deliver(frame, *except, *kept, &mut self.effects),
            // Nobody is there, but a newcomer may come while Redis is away.
            None if *kept && self.link != LinkState::Up => {
                let channel = key.name.clone();
                let keep = |channel| Effect::Channel {
                    app: key.app,
                    channel,
                    action: ChannelEffect::Keep(frame.clone()),
                };
                self.effects.extend(channel.map(keep));
            }
            None => {}
        }
    }

    /// An event goes to Redis and will not be heard back: whoever is here gets it now, and not whoever
    /// joins behind it.
    pub(super) fn deliver_unheard(&mut self, topic: &str, serial: u64) {
        // One that is sent again may have been heard over the link before.
        let was_heard = self.publishing.was_heard(serial);
        if let Some(delivery) = self.publishing.unheard(serial) {
            self.deliver(&delivery);
        }
        let channel = self.channels.get_mut(topic);
        let is_off =
            |channel: &&mut ClusterChannel| channel.service == Subscription::None && !was_heard;
        if let Some(channel) = channel.filter(is_off) {
            channel.delivered_unheard(serial);
        }
    }

    /// Redis has taken an event of this node. Without a number it is not heard back, and whoever is
    /// here gets it now.
    pub(super) fn published(&mut self, serial: u64, number: u64, now: Instant) {
        let mut waiters = Vec::new();
        let delivery = self.publishing.confirmed(serial, number > 0, now, &mut waiters);
        if let Some(delivery) = delivery {
            self.deliver(&delivery);
        }
        self.effects.append(&mut waiters);
    }

    /// An event arrived on the topic of its channel.
    pub(super) fn event(
        &mut self,
        topic: &str,
        event: &EventMessage<'_>,
    ) -> Result<(), InvalidTopicMessage> {
        let keeps = self.settings.streams.is_some();
        let arrival = if event.origin == self.node {
            // It has arrived, even if no socket is in the channel any more.
            let due = self.publishing.heard(event.serial, topic);
            let Some(channel) = self.channels.get_mut(topic) else { return Ok(()) };
            channel.own_event(event, due, keeps, &mut self.effects)
        } else {
            let Some(channel) = self.channels.get_mut(topic) else { return Ok(()) };
            channel.event(event, keeps, &mut self.effects)
        };
        if matches!(arrival, EventArrival::Odd | EventArrival::OddAndKept | EventArrival::Absurd) {
            self.changed(&topic.into());
        }
        if arrival == EventArrival::Absurd {
            Err(InvalidTopicMessage::AbsurdNumber)
        } else {
            Ok(())
        }
    }

    /// A change arrived on the topic of its channel. It takes effect at once, without a second round trip;
    /// later the directory is asked whether it has the same, since any user of that Redis can publish here.
    pub(super) fn change(&mut self, topic: &str, change: &RosterChange<'_>, now: Instant) {
        let incomplete = self.memory.reliance(now).incomplete;
        let Some(channel) = self.channels.get_mut(topic) else { return };
        // What it changed itself, a node learns from the outcome.
        if change.origin != self.node && channel.change(change, incomplete, &mut self.effects) {
            // A crash is noticed after the same time.
            self.unverified.push_back((now + self.settings.lease, topic.into()));
        }
        if change.recount && channel.is_occupied() {
            self.changed(&topic.into());
        }
    }

    /// Asks the directory about one channel that messages have changed. One a tick is 40 a second, however
    /// many changes arrive.
    pub(super) fn verify_one(&mut self, now: Instant) {
        if let Some((due, _)) = self.unverified.front()
            && *due <= now
            && let Some((_, topic)) = self.unverified.pop_front()
            && self.channels.get_mut(&topic).is_some_and(ClusterChannel::verify)
        {
            self.changed(&topic);
        }
    }

    /// The directory's answer on a channel; false if nothing was asked under this number.
    pub(super) fn outcome(&mut self, request: u64, outcome: &Outcome<'_>, now: Instant) -> bool {
        let reliance = self.memory.reliance(now);
        let Some(topic) = self.asked.remove(&request) else { return false };
        let Some(channel) = self.channels.get_mut(&topic) else { return true };
        if outcome.count == Count::Later {
            // The first time stays: in order of arrival is in order of time.
            self.counts_due.entry(topic.clone()).or_insert(now + COUNT_INTERVAL);
        }
        let accepted = channel.outcome(request, outcome, reliance, self.node, &mut self.effects);
        let known = self.watchlists.known(&topic);
        known.into_iter().for_each(|waiting| self.tell_watchlist(waiting));
        if accepted {
            self.rest(&topic, now);
        } else {
            self.changed(&topic);
        }
        true
    }

    /// So many sockets of an app may be open here.
    pub(super) fn granted(&mut self, app: usize, granted: u32) {
        let tell_again = self.connections[app].granted(granted, &mut self.effects);
        if tell_again {
            self.count_connections(app);
        }
    }

    /// Everything this node has is told again and compared.
    pub(super) fn tell_everything(&mut self) {
        let keeps = self.settings.streams.is_some();
        self.queue.push_back(QueuedRequest::References);
        for (topic, channel) in &mut self.channels {
            channel.compare(keeps);
            if !channel.queued {
                channel.queued = true;
                self.backlog.push_back(topic.clone());
            }
        }
        (0..self.apps.len()).for_each(|app| self.count_connections(app));
    }

    /// What this Redis must have, if it is another process than before.
    pub(super) fn proof(&self, now: Instant) -> Option<DataProof> {
        let epoch = self.memory.unproven()?.to_owned();
        let taken = self.publishing.taken(self.settings.taken_holds(), now)?;
        Some(DataProof { topic: taken.topic.clone(), serial: taken.serial, epoch })
    }

    /// Redis has lost data, and with it how many events there were.
    pub(super) fn doubt_everything(&mut self) {
        self.channels.values_mut().for_each(ClusterChannel::doubt_events);
    }

    /// Channels that the directory has this node in, although it left them while Redis was away.
    pub(super) fn compare_references(&mut self, all: &[String]) {
        for (app_id, name) in all.iter().filter_map(|reference| read_reference(reference)) {
            let Some(app) = self.apps.iter().position(|app| app.id == app_id) else { continue };
            let key = ChannelKey::read(app, name);
            // One that was begun on this link knows nothing of what was there before.
            if self.channels.get(&self.topic(&key)).is_some_and(|channel| channel.compared) {
                continue;
            }
            let topic = self.channel(&key);
            let keeps = self.settings.streams.is_some();
            self.channels.get_mut(&topic).into_iter().for_each(|channel| channel.compare(keeps));
            self.changed(&topic);
        }
    }

    pub(super) fn beat(&mut self, beat: HeartbeatReply, now: Instant) {
        self.alive = beat.alive;
        for node in beat.dead {
            self.queue.push_back(QueuedRequest::Reap { node, leaving: false });
        }
        for due in beat.due {
            self.tell_due(&due);
        }
        // Somebody may have cleaned up after this node; the first beat of a link comes before its
        // rows anyway.
        let forgotten = self.memory.heard(&beat.epoch, now);
        if forgotten {
            tracing::warn!("Redis has lost data: this node tells it again what it has");
            self.doubt_everything();
        } else if beat.lapsed && self.has_beaten {
            tracing::warn!("this node was silent for longer than its lease");
        }
        if forgotten || beat.lapsed && self.has_beaten {
            self.tell_everything();
        }
        self.has_beaten = true;
        self.beat_at = self.beat_at.min(now + self.settings.beat());
    }

    /// A leave that nobody has undone on any node.
    fn tell_due(&mut self, held: &str) {
        let mut parts = held.splitn(4, '\0').skip(1);
        let (Some(app_id), Some(name), Some(user_id)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let Some(app) = self.apps.iter().position(|app| app.id == app_id) else { return };
        let payload = match user_id {
            "" => WebhookPayload::ChannelVacated,
            user_id => WebhookPayload::MemberRemoved(user_id.into()),
        };
        let event = |channel| WebhookEvent { channel, payload, is_final: true };
        let event = ChannelKey::read(app, name).name.map(event);
        self.effects.extend(event.map(|event| Effect::Webhook { app, event }));
    }

    pub(super) fn count_connections(&mut self, app: usize) {
        if self.link == LinkState::Up && !self.connections[app].queued {
            self.connections[app].queued = true;
            self.queue.push_back(QueuedRequest::Connections(app));
        }
    }

    pub(super) fn tell_watchlist(&mut self, waiting: watchlists::PendingWatchlist) {
        let watchlists::PendingWatchlist { app, socket, watchlist, .. } = waiting;
        let is_online = |user_id: &Arc<str>| {
            let topic = self.topic(&ChannelKey::user(app, user_id));
            self.channels.get(&topic).is_some_and(ClusterChannel::is_online)
        };
        let (online, offline) = watchlist.into_iter().partition(is_online);
        self.effects.push(Effect::Watchlist { app, socket, online, offline });
    }

    /// Every node has spoken: whom this one doubted is compared once more.
    pub(super) fn dispel_doubts(&mut self, now: Instant) {
        if !self.memory.is_complete_again(now) {
            return;
        }
        let doubted: Vec<Arc<str>> = self
            .channels
            .iter_mut()
            .filter(|(_, channel)| channel.has_doubts())
            .map(|(topic, channel)| {
                channel.dispel_doubts();
                topic.clone()
            })
            .collect();
        doubted.iter().for_each(|topic| self.changed(topic));
    }
}
