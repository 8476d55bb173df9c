//! A tap: what one viewer takes, in a ring of bounded size between the threads that publish and its reader.
//!
//! Pushing never waits and wakes nothing: the reader looks some times a second. Where the ring is full, what
//! comes is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::occurrence::Occurrence;
use super::tap_filter::TapFilter;

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
}

/// What a reader takes at once.
#[derive(Debug, Default)]
pub struct TapBatch {
    /// In the order in which they happened.
    pub occurrences: VecDeque<Arc<Occurrence>>,
    /// How many were dropped behind these, since the ring was full.
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
        let Ring { waiting, dropped, .. } = std::mem::take(&mut *self.ring.lock());
        TapBatch { occurrences: waiting, dropped }
    }

    pub(super) fn push(&self, occurrence: &Arc<Occurrence>) {
        let bytes = occurrence.what.bytes();
        let mut ring = self.ring.lock();
        if ring.bytes + bytes > RING_BYTES {
            ring.dropped += 1;
            return;
        }
        ring.bytes += bytes;
        ring.waiting.push_back(occurrence.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::{Occurrence, What};
    use super::super::refusal::{Refusal, RefusedPart};
    use super::{Arc, RING_BYTES, Tap, TapFilter};

    #[test]
    fn a_full_ring_drops_what_comes_and_counts_it() {
        let tap = Tap::new(TapFilter::default());
        let what = What::Refused(Refusal::new(RefusedPart::Message, "cause"));
        let occurrence = Arc::new(Occurrence { at_ms: 0, app: None, what });
        let fit = RING_BYTES / occurrence.what.bytes();
        (0..fit + 7).for_each(|_| tap.push(&occurrence));
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (fit, 7));
        tap.push(&occurrence);
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (1, 0));
    }
}
