//! A tap: what one viewer takes, in a ring of bounded size between the threads that publish and its reader.
//!
//! Pushing never waits and wakes nothing: the reader looks some times a second. What the reader did not ask for is
//! left out before it is made, without a lock; where the ring is full, what comes is dropped. Both are counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::occurrence::Occurrence;
use super::outline::Outline;
use super::tap_filter::TapFilter;
use crate::protocol::rate_limit::{AtomicTokenBucket, TokenRate};

/// Bytes that wait for one reader: about 3 000 occurrences without data.
const RING_BYTES: usize = 1024 * 1024;

/// What one viewer takes.
#[derive(Debug)]
pub struct Tap {
    filter: TapFilter,
    rates: Option<Rates>,
    dropped: AtomicU64,
    ring: Mutex<Ring>,
}

/// How many of a second the reader asked for, and as many problems.
#[derive(Debug)]
struct Rates {
    problems: AtomicTokenBucket,
    others: AtomicTokenBucket,
}

#[derive(Debug, Default)]
struct Ring {
    waiting: VecDeque<Arc<Occurrence>>,
    bytes: usize,
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
        let now = Instant::now();
        let rates = filter.max_rows_per_second.map(|rows| {
            let bucket = || AtomicTokenBucket::new(TokenRate::per_second(rows), now);
            Rates { problems: bucket(), others: bucket() }
        });
        Self { filter, rates, dropped: AtomicU64::new(0), ring: Mutex::default() }
    }

    /// What it takes.
    pub fn filter(&self) -> &TapFilter {
        &self.filter
    }

    /// Takes what waits.
    pub fn take(&self) -> TapBatch {
        let mut ring = self.ring.lock();
        ring.bytes = 0;
        let occurrences = std::mem::take(&mut ring.waiting);
        TapBatch { occurrences, dropped: self.dropped.swap(0, Ordering::Relaxed) }
    }

    /// Whether an occurrence with this outline is to be pushed: it fits, and its rate is not used up.
    pub(super) fn admits<N: AsRef<str>>(&self, outline: &Outline<'_, N>, now: Instant) -> bool {
        self.filter.fits(outline) && {
            let is_admitted = self.rates.as_ref().is_none_or(|rates| {
                let rate = if outline.is_problem() { &rates.problems } else { &rates.others };
                rate.allow(now)
            });
            self.count_unless(is_admitted)
        }
    }

    /// False if there is no room for it.
    pub(super) fn push(&self, occurrence: &Arc<Occurrence>) -> bool {
        let bytes = occurrence.what.bytes();
        let mut ring = self.ring.lock();
        let has_room = ring.bytes + bytes <= RING_BYTES;
        if has_room {
            ring.bytes += bytes;
            ring.waiting.push_back(occurrence.clone());
        }
        self.count_unless(has_room)
    }

    fn count_unless(&self, is_taken: bool) -> bool {
        if !is_taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::{Closing, Occurrence, What};
    use super::super::refusal::{Refusal, RefusedPart};
    use super::{Arc, Instant, RING_BYTES, Tap, TapFilter};
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
        let start = Instant::now();
        let is_taken = |it: &Arc<Occurrence>| tap.admits(&it.outline(), start) && tap.push(it);
        assert_eq!((0..1000).filter(|_| is_taken(&closed)).count(), 20);
        assert!(is_taken(&refused));
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (21, 980));
    }
}
