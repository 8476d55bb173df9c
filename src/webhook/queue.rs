//! A queue between those who may not wait and one who does: bounded, the oldest goes first.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// Things that wait to be told.
pub(super) struct Queue<T> {
    most: usize,
    waiting: Mutex<VecDeque<T>>,
    filled: Notify,
    metrics: Arc<Metrics>,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        Self { most, waiting: Mutex::default(), filled: Notify::new(), metrics }
    }

    /// Never waits. When the queue is full the oldest is lost, and counted.
    pub(super) fn push(&self, one: T) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.most {
            waiting.pop_front();
            self.metrics.webhook_events_lost.inc();
        }
        waiting.push_back(one);
        drop(waiting);
        self.filled.notify_one();
    }

    /// The oldest, when there is one. For one reader.
    pub(super) async fn next(&self) -> T {
        loop {
            if let Some(one) = self.waiting.lock().pop_front() {
                return one;
            }
            self.filled.notified().await;
        }
    }

    /// Up to `most` that wait now.
    pub(super) fn take(&self, most: usize) -> Vec<T> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Metrics, Queue};

    #[tokio::test]
    async fn the_oldest_is_lost_and_counted() {
        let metrics = Arc::new(Metrics::default());
        let queue = Queue::new(2, metrics.clone());
        for number in 1..=3 {
            queue.push(number);
        }
        assert_eq!((queue.next().await, queue.take(9)), (2, vec![3]));
        assert!(metrics.text().contains("resound_webhook_events_lost_total 1\n"));
    }
}
