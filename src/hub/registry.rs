//! Channel name → channel: created on first use, gone when vacated.
//!
//! Owns the one subtle step of the hub: a join that races with the last leave. A channel is
//! marked vacated under its own lock before it is taken out of the map, and whoever finds the
//! mark looks again.

use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::Mutex;

use super::ChannelCounts;
use super::channel::Channel;
use super::occurrence::Witness;
use super::shards::Shards;
use crate::protocol::ChannelName;

/// All occupied channels of one app.
pub(super) struct Registry {
    channels: DashMap<ChannelName, Arc<Slot>>,
    shards: Arc<Shards>,
    /// What every channel tells of what happens on it.
    witness: Option<Arc<dyn Witness>>,
}

/// `None` once vacated: the slot is on its way out of the map.
type Slot = Mutex<Option<Channel>>;

impl Registry {
    pub(super) fn new(shards: Arc<Shards>, witness: Option<Arc<dyn Witness>>) -> Self {
        Self { channels: DashMap::new(), shards, witness }
    }

    /// Does something with a channel under its lock, creating it if need be. A channel that is
    /// empty afterwards is removed.
    pub(super) fn with<R>(&self, name: &ChannelName, act: impl FnOnce(&mut Channel) -> R) -> R {
        loop {
            let slot = self.slot(name);
            let mut guard = slot.lock();
            let Some(channel) = guard.as_mut() else { continue };
            let result = act(channel);
            self.remove_if_vacated(name, &mut guard);
            return result;
        }
    }

    /// Does something with a channel under its lock; `None` if it is not occupied.
    pub(super) fn with_occupied<R>(
        &self,
        name: &ChannelName,
        act: impl FnOnce(&mut Channel) -> R,
    ) -> Option<R> {
        let slot = self.channels.get(name).map(|entry| entry.value().clone())?;
        let mut guard = slot.lock();
        let result = act(guard.as_mut()?);
        self.remove_if_vacated(name, &mut guard);
        Some(result)
    }

    /// The counts of every channel whose name starts with `prefix`, users' own channels left out.
    pub(super) fn occupied(&self, prefix: &str) -> Vec<(ChannelName, ChannelCounts)> {
        let matches = |entry: &dashmap::mapref::multiple::RefMulti<'_, ChannelName, Arc<Slot>>| {
            entry.key().user_id().is_none() && entry.key().as_str().starts_with(prefix)
        };
        // The map's guards are let go before any channel is locked.
        let slots: Vec<_> = self
            .channels
            .iter()
            .filter(matches)
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect();
        let counts = |slot: &Slot| slot.lock().as_ref().map(Channel::counts);
        slots.into_iter().filter_map(|(name, slot)| Some((name, counts(&slot)?))).collect()
    }

    /// How many channels there are.
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    fn slot(&self, name: &ChannelName) -> Arc<Slot> {
        if let Some(found) = self.channels.get(name) {
            return found.value().clone();
        }
        let channel = || Channel::new(name.clone(), &self.shards, self.witness.clone());
        let create = || Arc::new(Mutex::new(Some(channel())));
        self.channels.entry(name.clone()).or_insert_with(create).value().clone()
    }

    /// Under the channel's lock. The map's lock is taken inside it here and nowhere the other
    /// way round: look-ups clone the slot and let the map go first.
    fn remove_if_vacated(&self, name: &ChannelName, channel: &mut Option<Channel>) {
        if channel.as_ref().is_some_and(|channel| channel.subscription_count() == 0) {
            *channel = None;
            self.channels.remove(name);
        }
    }
}
