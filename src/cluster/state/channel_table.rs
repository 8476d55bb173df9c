//! All channels of this node by topic, and what is due on them later: idle subscriptions, subscription counts,
//! verifications.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::channel::ClusterChannel;
use super::effect::Effect;
use super::sockets::HeldEvent;
use crate::app::App;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::request::ChannelTraits;

/// How long a topic stays subscribed after the last socket left: pages that change leave and come back.
const LINGER: Duration = Duration::from_secs(5);

/// The channels that sockets of this node are in, or watch.
pub struct ChannelTable {
    prefix: String,
    apps: Vec<Arc<App>>,
    /// In insertion order, so that simulations are reproducible.
    channels: IndexMap<Arc<str>, ClusterChannel>,
    idle: VecDeque<(Instant, Arc<str>)>,
    counts_due: IndexMap<Arc<str>, Instant>,
    /// Channels that messages of other nodes have changed, and from when on that is verified.
    unverified: VecDeque<(Instant, Arc<str>)>,
}

impl ChannelTable {
    pub(super) fn new(prefix: &str, apps: &[Arc<App>]) -> Self {
        let (channels, idle, counts_due, unverified) = Default::default();
        Self {
            prefix: prefix.to_owned(),
            apps: apps.to_vec(),
            channels,
            idle,
            counts_due,
            unverified,
        }
    }

    /// The topic of a channel.
    pub fn topic(&self, key: &ChannelKey) -> Arc<str> {
        key.topic(&self.prefix, &self.apps[key.app].id)
    }

    pub(super) fn get(&self, topic: &str) -> Option<&ClusterChannel> {
        self.channels.get(topic)
    }

    pub(super) fn get_mut(&mut self, topic: &str) -> Option<&mut ClusterChannel> {
        self.channels.get_mut(topic)
    }

    pub(super) fn app(&self, app: usize) -> &App {
        &self.apps[app]
    }

    pub(super) fn app_of(&self, app_id: &str) -> Option<usize> {
        self.apps.iter().position(|app| app.id == app_id)
    }

    /// An app is added at the next slot, or the app of a slot has new settings. Returns the topics of
    /// channels that the directory has to treat in another way.
    pub(super) fn put_app(&mut self, slot: usize, app: &Arc<App>) -> Vec<Arc<str>> {
        match self.apps.get_mut(slot) {
            Some(known) => known.clone_from(app),
            None => self.apps.push(app.clone()),
        }
        let of_app = self.channels.iter_mut().filter(|(_, channel)| channel.key.app == slot);
        let changed = of_app.filter_map(|(topic, channel)| {
            let traits = traits(&channel.key, app);
            channel.set_traits(traits).then(|| topic.clone())
        });
        changed.collect()
    }

    /// Whether some app has webhooks.
    pub(super) fn any_webhooks(&self) -> bool {
        self.apps.iter().any(|app| !app.webhooks.is_empty())
    }

    /// A channel and its app.
    pub(super) fn with_app(&mut self, topic: &str) -> Option<(&App, &mut ClusterChannel)> {
        let channel = self.channels.get_mut(topic)?;
        Some((&self.apps[channel.key.app], channel))
    }

    /// A channel and its topic; created if it does not exist.
    pub(super) fn entry(&mut self, key: &ChannelKey) -> (Arc<str>, &mut ClusterChannel) {
        let topic = self.topic(key);
        let app = &self.apps[key.app];
        let channel = self
            .channels
            .entry(topic.clone())
            .or_insert_with(|| ClusterChannel::new(key.clone(), app.id.clone(), traits(key, app)));
        (topic, channel)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut ClusterChannel)> {
        self.channels.iter_mut()
    }

    /// Removes a channel at once if it is idle.
    pub(super) fn remove_idle(&mut self, topic: &str) {
        if self.channels.get(topic).is_some_and(ClusterChannel::is_idle) {
            self.channels.swap_remove(topic);
        }
    }

    /// Lets a channel linger if it is idle.
    pub(super) fn linger_idle(&mut self, topic: &Arc<str>, now: Instant) {
        let channel = self.channels.get_mut(topic).filter(|channel| channel.is_idle());
        if let Some(channel) = channel.filter(|channel| channel.idle_since.is_none()) {
            channel.idle_since = Some(now);
            self.idle.push_back((now, topic.clone()));
        }
    }

    /// Removes the channels that have lingered; returns the topics to unsubscribe from.
    pub(super) fn remove_lingered(&mut self, now: Instant) -> Vec<Arc<str>> {
        let mut subscribed = Vec::new();
        let has_lingered = |since: &Instant| now.duration_since(*since) >= LINGER;
        while self.idle.front().is_some_and(|(since, _)| has_lingered(since)) {
            let Some((since, topic)) = self.idle.pop_front() else { break };
            let Some(channel) = self.channels.get_mut(&topic) else { continue };
            // Needed again since then, or idle for the second time.
            if channel.idle_since != Some(since) {
                continue;
            }
            // A message that no node sent can start a request on an idle channel.
            if !channel.is_idle() {
                channel.idle_since = None;
                continue;
            }
            if channel.sync.is_subscribed() {
                subscribed.push(topic.clone());
            }
            self.channels.swap_remove(&topic);
        }
        subscribed
    }

    /// The subscription count of a channel is to be announced later.
    pub(super) fn count_at(&mut self, topic: Arc<str>, at: Instant) {
        // The first time stays: in order of insertion is in order of time.
        self.counts_due.entry(topic).or_insert(at);
    }

    /// A channel whose count is due.
    pub(super) fn pop_count_due(&mut self, now: Instant) -> Option<Arc<str>> {
        let (_, &at) = self.counts_due.first()?;
        let (topic, _) = (at <= now).then(|| self.counts_due.shift_remove_index(0)).flatten()?;
        Some(topic)
    }

    /// A message of another node changed a channel: it is compared with the directory later, since
    /// any user of that Redis can publish.
    pub(super) fn verify_at(&mut self, topic: &str, at: Instant) {
        self.unverified.push_back((at, topic.into()));
    }

    /// One channel whose verification is due. One a tick is 40 a second, however many changes arrive.
    pub(super) fn pop_unverified(&mut self, now: Instant) -> Option<Arc<str>> {
        self.unverified.front().filter(|(due, _)| *due <= now)?;
        let (_, topic) = self.unverified.pop_front()?;
        self.channels.get_mut(&topic).is_some_and(ClusterChannel::verify).then_some(topic)
    }

    /// Compares members in doubt once more, now that every node has sent its state. Returns their topics.
    pub(super) fn resolve_doubts(&mut self) -> Vec<Arc<str>> {
        let doubted = self.channels.iter_mut().filter(|(_, channel)| channel.members.has_doubts());
        let compared = doubted.map(|(topic, channel)| {
            channel.sync.compares = true;
            topic.clone()
        });
        compared.collect()
    }

    /// Redis lost data, and with it how many events there were.
    pub(super) fn doubt_events(&mut self) {
        self.channels.values_mut().for_each(|channel| channel.sequence.doubt());
    }

    /// Events of this node, by topic and serial, are not sent any more.
    pub(super) fn given_up(&mut self, events: Vec<(Arc<str>, u64)>) {
        for (topic, serial) in events {
            let channel = self.channels.get_mut(&topic);
            channel.into_iter().for_each(|channel| channel.sequence.given_up(serial));
        }
    }

    /// The link is lost. Returns the client events that channels held back.
    pub(super) fn link_lost(
        &mut self,
        effects: &mut Vec<Effect>,
    ) -> Vec<(ChannelKey, Vec<HeldEvent>)> {
        let mut held = Vec::new();
        for channel in self.channels.values_mut() {
            let events = channel.link_lost(effects);
            if !events.is_empty() {
                held.push((channel.key.clone(), events));
            }
        }
        self.channels.retain(|_, channel| !channel.is_idle());
        self.idle.clear();
        self.unverified.clear();
        held
    }

    /// Channels that this node is subscribed to or about to be.
    pub fn count(&self) -> usize {
        self.channels.len()
    }

    /// Sockets of this node in a channel, and the members it knows.
    pub fn counts(&self, key: &ChannelKey) -> (u32, u32) {
        self.channels.get(&self.topic(key)).map(ClusterChannel::counts).unwrap_or_default()
    }

    /// Whether a socket of this node is in a channel, or its join is undecided.
    pub fn has_sockets(&self, key: &ChannelKey) -> bool {
        self.channels.get(&self.topic(key)).is_some_and(|channel| channel.sockets.len() > 0)
    }

    /// The members of a channel that this node knows.
    pub fn members(&self, key: &ChannelKey) -> Vec<Arc<str>> {
        let channel = self.channels.get(&self.topic(key));
        let ids =
            |channel: &ClusterChannel| channel.members.iter().map(|(id, _)| id.into()).collect();
        channel.map(ids).unwrap_or_default()
    }

    /// So many of them with their `user_info`, as JSON.
    pub fn member_infos(&self, key: &ChannelKey, most: usize) -> Vec<(Arc<str>, Box<str>)> {
        let channel = self.channels.get(&self.topic(key));
        let members = channel.into_iter().flat_map(|channel| channel.members.iter()).take(most);
        members.map(|(user_id, info)| (user_id.into(), info.into())).collect()
    }

    /// Occupied channels of an app that this node knows: name, sockets, users; in order of name.
    pub fn occupied(&self, app: usize, prefix: &str) -> Vec<(String, u32, u32)> {
        let matches = |channel: &&ClusterChannel| {
            let key = &channel.key;
            key.app == app && channel.is_listed() && key.text.starts_with(prefix)
        };
        let row = |channel: &ClusterChannel| {
            let (sockets, users) = channel.counts();
            (channel.key.text.to_string(), sockets, users)
        };
        let mut all: Vec<_> = self.channels.values().filter(matches).map(row).collect();
        all.sort();
        all
    }
}

/// How the directory treats a channel.
fn traits(key: &ChannelKey, app: &App) -> ChannelTraits {
    let is_user = key.user_id().is_some();
    ChannelTraits {
        listed: !is_user,
        roster: key.has_roster(),
        webhooks: !is_user && !app.webhooks.is_empty(),
        counts: !key.has_roster() && app.subscription_count_events,
    }
}
