//! The paced channels of one app that have to be looked at, in order of time.
//!
//! An entry outlives its channel, or its reason: a channel that is looked at too early delivers nothing.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::channel::Channel;

/// The place of a channel in the registry: `None` once vacated and about to be removed from the map.
pub(super) type ChannelSlot = Mutex<Option<Channel>>;

/// Channels by the time at which something is due. Its lock is taken inside that of a channel, never around one.
#[derive(Default)]
pub(super) struct Schedule(Mutex<BinaryHeap<Reverse<Entry>>>);

struct Entry {
    at: Instant,
    slot: Weak<ChannelSlot>,
}

impl Schedule {
    pub(super) fn push(&self, at: Instant, slot: &Arc<ChannelSlot>) {
        self.0.lock().push(Reverse(Entry { at, slot: Arc::downgrade(slot) }));
    }

    /// Takes the channels that are due; `None` takes all.
    pub(super) fn take(&self, now: Option<Instant>) -> Vec<Arc<ChannelSlot>> {
        let mut entries = self.0.lock();
        let mut due = Vec::new();
        while entries.peek().is_some_and(|Reverse(entry)| now.is_none_or(|now| entry.at <= now)) {
            due.extend(entries.pop().and_then(|Reverse(entry)| entry.slot.upgrade()));
        }
        due
    }

    /// When the next channel is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.lock().peek().map(|Reverse(entry)| entry.at)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
