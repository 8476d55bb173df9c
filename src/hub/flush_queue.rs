//! The order in which sockets are flushed, and how long triggered events wait for the last of theirs.
//!
//! Counts positions, not receivers: an event is written once the queue has passed the place where the last of
//! its sockets was appended, so timing it costs each receiver nothing.

use std::collections::VecDeque;
use std::time::Instant;

use crate::metrics::Histogram;

/// Capacity that an empty queue of timed events keeps.
const IDLE_CAPACITY: usize = 64;

/// Sockets with something to write, first come first served.
pub(super) struct FlushQueue<S> {
    waiting: VecDeque<S>,
    /// Sockets that were ever appended.
    appended: u64,
    /// Events whose last socket has not been passed: how many sockets were appended by then, and when the
    /// trigger arrived.
    timed: VecDeque<(u64, Instant)>,
}

impl<S> FlushQueue<S> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), appended: 0, timed: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, socket: S) {
        self.appended += 1;
        self.waiting.push_back(socket);
    }

    pub(super) fn pop(&mut self) -> Option<S> {
        self.waiting.pop_front()
    }

    /// Times an event whose sockets have just been appended.
    pub(super) fn time(&mut self, triggered_at: Instant) {
        self.timed.push_back((self.appended, triggered_at));
    }

    /// Observes the events whose last socket has been passed.
    pub(super) fn observe_written(&mut self, histogram: &Histogram) {
        let passed = self.appended - self.waiting.len() as u64;
        let written = self.timed.iter().take_while(|(position, _)| *position <= passed).count();
        if written == 0 {
            return;
        }
        let now = Instant::now();
        for (_, triggered_at) in self.timed.drain(..written) {
            histogram.observe(now.saturating_duration_since(triggered_at));
        }
        self.timed.shrink_to(IDLE_CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use super::{FlushQueue, Histogram, Instant};
    use crate::metrics::Metrics;

    #[test]
    fn an_event_is_observed_when_its_last_socket_is_passed() {
        let metrics = Metrics::default();
        let histogram: Histogram = metrics.delivery.for_shard().trigger_to_write;
        let count = |queue: &mut FlushQueue<u32>| {
            queue.observe_written(&histogram);
            let text = metrics.text();
            let series = "resound_trigger_to_write_seconds_count ";
            text.lines().find_map(|line| line.strip_prefix(series)).unwrap().to_owned()
        };
        let mut queue = FlushQueue::new();
        (0..3).for_each(|socket| queue.push(socket));
        queue.time(Instant::now());
        queue.push(3);
        queue.time(Instant::now());
        // An event for sockets that wait already.
        queue.time(Instant::now());
        for (pops, observed) in [(2, "0"), (1, "1"), (1, "3")] {
            for _ in 0..pops {
                assert!(queue.pop().is_some());
            }
            assert_eq!(count(&mut queue), observed);
        }
        // An event for sockets that are all full, with nothing to wait for.
        queue.time(Instant::now());
        assert_eq!(count(&mut queue), "4");
    }
}
