//! One direction of a link: when a packet arrives at the other end, or that it is dropped.
//!
//! Pure: the time and the dice come from outside.

use std::time::{Duration, Instant};

/// Packets that wait in front of a narrow link; the next one is dropped, as in any router.
pub(crate) const QUEUE_PACKETS: u32 = 50;

/// What a link does to packets, in both directions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// From one end to the other; a round trip takes twice as long.
    pub(crate) delay: Duration,
    pub(crate) bits_per_second: Option<u32>,
    /// Of packets that are dropped.
    pub(crate) loss_percent: f64,
}

impl Shape {
    pub(crate) const NONE: Self =
        Self { delay: Duration::ZERO, bits_per_second: None, loss_percent: 0.0 };

    /// A link whose round trip takes so many milliseconds.
    pub(crate) const fn far(round_trip_ms: u64) -> Self {
        Self { delay: Duration::from_micros(round_trip_ms * 500), ..Self::NONE }
    }

    pub(crate) const fn narrow(kilobits_per_second: u32) -> Self {
        Self { bits_per_second: Some(kilobits_per_second * 1000), ..Self::NONE }
    }

    /// How long the link is busy with a packet.
    fn sending(&self, bytes: usize) -> Duration {
        self.bits_per_second.map_or(Duration::ZERO, |bits| {
            Duration::from_secs_f64(bytes as f64 * 8.0 / f64::from(bits))
        })
    }
}

/// The state of one direction.
pub(crate) struct Line {
    /// The packets before this time have left the queue.
    free: Instant,
}

impl Line {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { free: now }
    }

    /// When a packet of so many bytes arrives; `None` if it is lost. `chance` is between 0 and 1.
    pub(crate) fn arrival(
        &mut self,
        shape: &Shape,
        bytes: usize,
        now: Instant,
        chance: f64,
    ) -> Option<Instant> {
        let begin = self.free.max(now);
        let queue_is_full = begin - now > shape.sending(1500) * QUEUE_PACKETS;
        if queue_is_full || chance * 100.0 < shape.loss_percent {
            return None;
        }
        self.free = begin + shape.sending(bytes);
        Some(self.free + shape.delay)
    }
}
