//! The map from channel names to channels, which are created on first use and removed when vacated.
//!
//! Owns the locks of the channels, and the one subtle step of the hub: a join that races with the last
//! leave. A channel is marked vacated under its own lock before it is removed from the map; a join that
//! finds the mark looks the channel up again.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use parking_lot::Mutex;

use super::channel::{Channel, ChannelCounts};
use super::schedule::Schedule;
use super::shards::Shards;
use crate::app::App;
use crate::channel_rules::WebhookSink;
use crate::metrics::AppMetrics;
use crate::protocol::ChannelName;

/// Parts of the map of an app, each with a lock of its own, in 128 bytes. A list of 100 000 channels holds one after the
/// other for about 0.1 ms, in which no channel is created there.
const MAP_PARTS: usize = 32;

/// The place of a channel: `None` once vacated and about to be removed from the map.
type Slot = Mutex<Option<Channel>>;

/// All occupied channels of one app.
pub(super) struct Registry {
    channels: DashMap<ChannelName, Arc<Slot>>,
    shards: Arc<Shards>,
    /// Has the pace of a channel, which is looked up when it is occupied.
    app: Arc<ArcSwap<App>>,
    schedule: Schedule<Slot>,
    /// Receives what happens on every channel.
    webhooks: Option<Arc<dyn WebhookSink>>,
    metrics: AppMetrics,
}

impl Registry {
    pub(super) fn new(
        shards: Arc<Shards>,
        app: Arc<ArcSwap<App>>,
        webhooks: Option<Arc<dyn WebhookSink>>,
        metrics: AppMetrics,
    ) -> Self {
        let (channels, schedule) = (DashMap::with_shard_amount(MAP_PARTS), Schedule::default());
        Self { channels, shards, app, schedule, webhooks, metrics }
    }

    /// Runs `act` on a channel under its lock and creates the channel if it does not exist. A channel
    /// without subscribers is removed afterwards.
    pub(super) fn with<R>(&self, name: &ChannelName, act: impl FnOnce(&mut Channel) -> R) -> R {
        loop {
            let slot = self.slot(name);
            let mut guard = slot.lock();
            let Some(channel) = guard.as_mut() else { continue };
            let result = act(channel);
            self.schedule(&slot, channel);
            self.remove_if_vacated(name, &mut guard);
            return result;
        }
    }

    /// Runs `act` on a channel under its lock; `None` if it is not occupied.
    pub(super) fn with_occupied<R>(
        &self,
        name: &ChannelName,
        act: impl FnOnce(&mut Channel) -> R,
    ) -> Option<R> {
        let slot = self.channels.get(name).map(|entry| entry.value().clone())?;
        let mut guard = slot.lock();
        let channel = guard.as_mut()?;
        let result = act(channel);
        self.schedule(&slot, channel);
        self.remove_if_vacated(name, &mut guard);
        Some(result)
    }

    /// Has the paced channels deliver what is due; without `until` all of them are looked at.
    pub(super) fn release_paced(&self, until: Option<Instant>, now: Instant) {
        for slot in self.schedule.take(until) {
            if let Some(channel) = slot.lock().as_mut() {
                channel.release(&self.shards, now);
                self.schedule(&slot, channel);
            }
        }
        if let Some(next) = self.schedule.next() {
            self.shards.alarm().set(next);
        }
    }

    /// Called under the channel's lock.
    fn schedule(&self, slot: &Arc<Slot>, channel: &mut Channel) {
        if let Some(at) = channel.newly_due() {
            self.schedule.push(at, slot);
            self.shards.alarm().set(at);
            // The end may have come after the event was found to wait, and before it stood in the schedule, where
            // the end looks for those that do.
            if self.shards.alarm().is_over() {
                channel.release(&self.shards, Instant::now());
            }
        }
    }

    /// Every channel whose name starts with `prefix` with its counts, users' own channels left out. Each is looked at when
    /// it is taken.
    pub(super) fn occupied(
        &self,
        prefix: &str,
    ) -> impl Iterator<Item = (ChannelName, ChannelCounts)> + use<> {
        let matches = |entry: &dashmap::mapref::multiple::RefMulti<'_, ChannelName, Arc<Slot>>| {
            entry.key().user_id().is_none() && entry.key().as_str().starts_with(prefix)
        };
        // The map's guards are dropped before any channel is locked.
        let slots: Vec<_> = self
            .channels
            .iter()
            .filter(matches)
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect();
        let counts = |slot: &Slot| slot.lock().as_ref().map(Channel::counts);
        slots.into_iter().filter_map(move |(name, slot)| Some((name, counts(&slot)?)))
    }

    /// The names of channels that begin with one of `prefixes`, so many of each at most and in no order; users' own
    /// channels are left out. One pass over the map, which locks no channel.
    pub(super) fn names(&self, prefixes: &[String], most: usize) -> Vec<ChannelName> {
        let mut left = vec![most; prefixes.len()];
        let mut is_taken = |name: &ChannelName| {
            let begins = |prefix: &String| name.as_str().starts_with(prefix.as_str());
            let taken =
                prefixes.iter().zip(&mut left).find(|(prefix, left)| **left > 0 && begins(prefix));
            taken.map(|(_, left)| *left -= 1).is_some()
        };
        let names = self.channels.iter().filter(|entry| entry.key().user_id().is_none());
        let taken = names.filter(|entry| is_taken(entry.key()));
        taken.take(most * prefixes.len()).map(|entry| entry.key().clone()).collect()
    }

    /// The number of channels.
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    fn slot(&self, name: &ChannelName) -> Arc<Slot> {
        if let Some(found) = self.channels.get(name) {
            return found.value().clone();
        }
        let create = || {
            self.metrics.channel_occupied(name);
            let pacing = self.app.load().pacing_of(name.as_str());
            let channel = Channel::new(name.clone(), &self.shards, self.webhooks.clone(), pacing);
            Arc::new(Mutex::new(Some(channel)))
        };
        self.channels.entry(name.clone()).or_insert_with(create).value().clone()
    }

    /// Called under the channel's lock and takes the map's lock inside it. Nothing takes them in the other
    /// order: look-ups clone the slot and release the map first.
    fn remove_if_vacated(&self, name: &ChannelName, channel: &mut Option<Channel>) {
        if channel.as_ref().is_some_and(|channel| channel.subscription_count() == 0) {
            *channel = None;
            self.metrics.channel_vacated(name);
            self.channels.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
