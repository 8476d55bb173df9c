//! The paced channels of one app that have to be looked at, in order of time.
//!
//! An entry outlives its channel, or its reason: a channel that is looked at too early delivers nothing.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::sync::Mutex;

/// Channels, which have their place at `S`, by the time at which something is due. Its lock is taken inside that of a
/// channel, never around one.
pub(super) struct Schedule<S>(Mutex<BinaryHeap<Reverse<Entry<S>>>>);

struct Entry<S> {
    at: Instant,
    slot: Weak<S>,
}

impl<S> Default for Schedule<S> {
    fn default() -> Self {
        Self(Mutex::new(BinaryHeap::new()))
    }
}

impl<S> Schedule<S> {
    pub(super) fn push(&self, at: Instant, slot: &Arc<S>) {
        self.0.lock().push(Reverse(Entry { at, slot: Arc::downgrade(slot) }));
    }

    /// Takes the channels that are due; `None` takes all.
    pub(super) fn take(&self, now: Option<Instant>) -> Vec<Arc<S>> {
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

impl<S> PartialEq for Entry<S> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<S> Eq for Entry<S> {}

impl<S> PartialOrd for Entry<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> Ord for Entry<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
