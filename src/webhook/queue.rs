//! A bounded queue from producers that must not wait to one consumer. When it is full, the oldest
//! entry is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// The queue.
pub(super) struct Queue<T> {
    entries_max: usize,
    waiting: Mutex<VecDeque<T>>,
    filled: Notify,
    metrics: Arc<Metrics>,
}

impl<T> Queue<T> {
    pub(super) fn new(entries_max: usize, metrics: Arc<Metrics>) -> Self {
        Self { entries_max, waiting: Mutex::default(), filled: Notify::new(), metrics }
    }

    /// Appends an entry.
    pub(super) fn push(&self, entry: T) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.entries_max {
            waiting.pop_front();
            self.metrics.webhooks.events_lost.inc();
        }
        waiting.push_back(entry);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Waits for the oldest entry and takes it. One task at a time may call this.
    pub(super) async fn next(&self) -> T {
        loop {
            if let Some(entry) = self.waiting.lock().pop_front() {
                return entry;
            }
            self.filled.notified().await;
        }
    }

    /// Takes up to `entries_max` that are there now.
    pub(super) fn take(&self, entries_max: usize) -> Vec<T> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(entries_max);
        waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Metrics, Queue};

    #[tokio::test]
    async fn the_oldest_entry_is_dropped_and_counted() {
        let metrics = Arc::new(Metrics::default());
        let queue = Queue::new(2, metrics.clone());
        for number in 1..=3 {
            queue.push(number);
        }
        assert_eq!((queue.next().await, queue.take(9)), (2, vec![3]));
        assert!(metrics.text().contains("resound_webhook_events_lost_total 1\n"));
    }
}
