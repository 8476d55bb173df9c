//! A tap: what one viewer takes, in a ring of bounded size between the threads that publish and its reader.
//!
//! Pushing never waits and wakes nothing: the reader looks some times a second. Where the ring is full, what
//! comes is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::occurrence::{EventOutcome, Occurrence};
use super::tap_filter::TapFilter;
use crate::protocol::rate_limit::{TokenBucket, TokenRate};

/// Bytes that wait for one reader: about 3 000 occurrences without data.
const RING_BYTES: usize = 1024 * 1024;

/// What one viewer takes.
#[derive(Debug)]
pub struct Tap {
    filter: TapFilter,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    waiting: VecDeque<Arc<Occurrence>>,
    bytes: usize,
    dropped: u64,
    problems: TokenBucket,
    others: TokenBucket,
}

/// What a reader takes at once.
#[derive(Debug, Default)]
pub struct TapBatch {
    /// In the order in which they happened.
    pub occurrences: VecDeque<Arc<Occurrence>>,
    /// How many were dropped behind these: the ring was full, or the reader asked for fewer.
    pub dropped: u64,
}

impl Tap {
    pub(super) fn new(filter: TapFilter) -> Self {
        Self { filter, ring: Mutex::default() }
    }

    /// What it takes.
    pub fn filter(&self) -> &TapFilter {
        &self.filter
    }

    /// Takes what waits.
    pub fn take(&self) -> TapBatch {
        let mut ring = self.ring.lock();
        ring.bytes = 0;
        let dropped = std::mem::take(&mut ring.dropped);
        TapBatch { occurrences: std::mem::take(&mut ring.waiting), dropped }
    }

    /// False if there is no room for it, or if its reader asked for fewer.
    pub(super) fn push(&self, occurrence: &Arc<Occurrence>) -> bool {
        let bytes = occurrence.what.bytes();
        let mut ring = self.ring.lock();
        let has_room = ring.bytes + bytes <= RING_BYTES;
        if !has_room || !self.is_within_rate(&mut ring, occurrence) {
            ring.dropped += 1;
            return false;
        }
        ring.bytes += bytes;
        ring.waiting.push_back(occurrence.clone());
        true
    }

    /// What was missed or refused has a rate of its own, so that a flood of others does not hide it.
    fn is_within_rate(&self, ring: &mut Ring, occurrence: &Occurrence) -> bool {
        let Some(rows) = self.filter.max_rows_per_second else { return true };
        let is_problem =
            matches!(occurrence.what.outcome(), Some(EventOutcome::Missed | EventOutcome::Refused));
        let rate = if is_problem { &mut ring.problems } else { &mut ring.others };
        rate.allow(TokenRate::per_second(rows), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::{Closing, Occurrence, What};
    use super::super::refusal::{Refusal, RefusedPart};
    use super::{Arc, RING_BYTES, Tap, TapFilter};
    use crate::protocol::SocketId;

    #[test]
    fn a_full_ring_drops_what_comes_and_counts_it() {
        let tap = Tap::new(TapFilter::default());
        let what = What::Refused(Refusal::new(RefusedPart::Message, "cause"));
        let occurrence = Arc::new(Occurrence { at_ms: 0, app: None, what });
        let fit = RING_BYTES / occurrence.what.bytes();
        assert_eq!((0..fit + 7).filter(|_| tap.push(&occurrence)).count(), fit);
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (fit, 7));
        assert!(tap.push(&occurrence));
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (1, 0));
    }

    #[test]
    fn a_flood_is_sampled_and_does_not_hide_what_was_refused() {
        let filter = TapFilter { max_rows_per_second: Some(20), ..TapFilter::default() };
        let tap = Tap::new(filter);
        let occurrence = |what| Arc::new(Occurrence { at_ms: 0, app: None, what });
        let closing = Closing {
            socket: SocketId::parse("1.2").unwrap(),
            by: "client",
            code: None,
            reason: None,
        };
        let closed = occurrence(What::Closed(closing));
        let refused = occurrence(What::Refused(Refusal::new(RefusedPart::Message, "cause")));
        let taken = (0..1000).filter(|_| tap.push(&closed)).count();
        assert!((20..1000).contains(&taken), "{taken}");
        assert!(tap.push(&refused));
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (taken + 1, 1000 - taken as u64));
    }
}
