//! A bounded queue from producers that must not wait to one consumer. When it is full, the oldest
//! entry is dropped and counted. A queue that is closed ends when it is empty.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Condition, Metrics};

/// The queue.
pub(super) struct Queue<T> {
    entries_max: usize,
    waiting: Mutex<Waiting<T>>,
    filled: Notify,
    closed: CancellationToken,
    metrics: Arc<Metrics>,
}

/// The entries, oldest first.
struct Waiting<T> {
    entries: VecDeque<(Instant, T)>,
    /// When the entry was appended that the consumer took last and still works on.
    in_hand_since: Option<Instant>,
    /// Entries are being dropped.
    is_full: bool,
}

/// How much waits in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backlog {
    pub(super) entries: usize,
    /// When the oldest entry was appended, the one in the consumer's hand included.
    pub(super) since: Option<Instant>,
}

impl<T> Queue<T> {
    pub(super) fn new(entries_max: usize, metrics: Arc<Metrics>) -> Self {
        let waiting = Waiting { entries: VecDeque::new(), in_hand_since: None, is_full: false };
        let (waiting, filled, closed) =
            (Mutex::new(waiting), Notify::new(), CancellationToken::new());
        Self { entries_max, waiting, filled, closed, metrics }
    }

    /// Appends an entry.
    pub(super) fn push(&self, entry: T) {
        let mut waiting = self.waiting.lock();
        if waiting.entries.len() >= self.entries_max {
            waiting.entries.pop_front();
            self.metrics.webhooks.events_lost.inc();
            self.set_full(&mut waiting, true);
        }
        waiting.entries.push_back((Instant::now(), entry));
        drop(waiting);
        self.filled.notify_one();
    }

    /// Waits for the oldest entry and takes it; `None` once the queue is closed and empty. One task at a
    /// time may call this; it is finished with the entry before.
    pub(super) async fn next(&self) -> Option<T> {
        loop {
            // Looked at first: an entry that was pushed before the end is taken.
            let is_closed = self.closed.is_cancelled();
            if let Some(entry) = self.try_next() {
                return Some(entry);
            }
            if is_closed {
                return None;
            }
            tokio::select! {
                () = self.filled.notified() => {}
                () = self.closed.cancelled() => {}
            }
        }
    }

    /// Nothing is pushed any more, as a rule: what is, waits for the consumer or for [`abandon`](Self::abandon).
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    fn try_next(&self) -> Option<T> {
        let mut waiting = self.waiting.lock();
        waiting.in_hand_since = None;
        let (since, entry) = waiting.entries.pop_front()?;
        waiting.in_hand_since = Some(since);
        self.set_full(&mut waiting, false);
        Some(entry)
    }

    /// Takes up to `entries_max` that are there now.
    pub(super) fn take(&self, entries_max: usize) -> Vec<T> {
        let mut waiting = self.waiting.lock();
        let count = waiting.entries.len().min(entries_max);
        waiting.entries.drain(..count).map(|(_, entry)| entry).collect()
    }

    /// Drops and counts what waits.
    pub(super) fn abandon(&self) {
        self.metrics.webhooks.events_lost.inc_by(self.take(usize::MAX).len() as u64);
    }

    /// What waits now.
    pub(super) fn backlog(&self) -> Backlog {
        let waiting = self.waiting.lock();
        let first = waiting.entries.front().map(|(since, _)| *since);
        Backlog { entries: waiting.entries.len(), since: waiting.in_hand_since.or(first) }
    }

    fn set_full(&self, waiting: &mut Waiting<T>, is_full: bool) {
        if waiting.is_full != is_full {
            waiting.is_full = is_full;
            let conditions = &self.metrics.process.condition;
            match is_full {
                true => conditions.raise(Condition::WebhookQueueFull),
                false => conditions.clear(Condition::WebhookQueueFull),
            }
        }
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        if self.waiting.get_mut().is_full {
            self.metrics.process.condition.clear(Condition::WebhookQueueFull);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Condition, Metrics, Queue};

    #[tokio::test]
    async fn the_oldest_entry_is_dropped_and_counted() {
        let metrics = Arc::new(Metrics::default());
        let queue = Queue::new(2, metrics.clone());
        for number in 1..=3 {
            queue.push(number);
        }
        assert!(metrics.process.condition.holds(Condition::WebhookQueueFull));
        assert_eq!((queue.next().await, queue.take(9)), (Some(2), vec![3]));
        queue.push(4);
        queue.close();
        assert_eq!((queue.next().await, queue.next().await), (Some(4), None));
        assert!(metrics.text().contains("resound_webhook_events_lost_total 1\n"));
        assert!(!metrics.process.condition.holds(Condition::WebhookQueueFull));
    }

    #[tokio::test]
    async fn a_queue_that_is_gone_is_not_full() {
        let metrics = Arc::new(Metrics::default());
        let queues = [(), ()].map(|()| Queue::new(1, metrics.clone()));
        queues.iter().for_each(|queue| (0..2).for_each(|number| queue.push(number)));
        let [first, second] = queues;
        drop(first);
        assert!(metrics.process.condition.holds(Condition::WebhookQueueFull));
        drop(second);
        assert!(!metrics.process.condition.holds(Condition::WebhookQueueFull));
    }

    #[tokio::test]
    async fn an_entry_counts_as_waiting_until_the_next_is_wanted() {
        let queue = Queue::new(9, Arc::default());
        assert_eq!(queue.backlog().since, None);
        queue.push('a');
        queue.push('b');
        let first = queue.backlog().since;
        assert!(first.is_some());
        queue.next().await;
        assert_eq!((queue.backlog().entries, queue.backlog().since), (1, first));
        queue.next().await;
        assert!(queue.backlog().since > first);
        assert!(queue.try_next().is_none());
        assert_eq!((queue.backlog().entries, queue.backlog().since), (0, None));
    }
}
