//! What happens on this node, as values, for those who look: commands and consoles at the internal listener.
//!
//! Owns the values, the taps through which they are read, and the ring of the last refusals, which is always on.
//! Without a tap an occurrence costs one relaxed load. With taps it is made only if one of them takes it, which its
//! outline decides. What the values mean is left to those who read them, who may see them to `internal`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::config::RecordConfig;

mod occurrence;
mod outline;
mod payload;
mod record;
mod refusal;
mod refusal_ring;
mod remedy;
mod row;
mod socket_text;
mod tap;
mod tap_filter;

pub use occurrence::{
    Closing, Connection, Delivery, EventOutcome, JoinOrLeave, Occurrence, OccurrenceKind,
    Published, TriggerSource, WebhookCall, What,
};
pub use outline::Outline;
pub use payload::Payload;
pub use record::{Record, RecordedEvents};
pub use refusal::{Refusal, RefusedPart};
pub use refusal_ring::{PastRefusals, RefusalGroup, RefusalGroupKey, RefusalRing};
pub use remedy::remedy;
pub use row::{recorded_row, row};
pub use tap::{Tap, TapBatch};
pub use tap_filter::{InvalidPattern, NamePattern, TapFilter};

/// What happens on one node, and who looks at it.
#[derive(Debug, Default)]
pub struct Observation {
    /// The bit of each kind of occurrence that some tap takes.
    wanted: AtomicU32,
    /// Read for each occurrence without a lock; replaced by one thread at a time.
    taps: ArcSwap<Vec<Arc<Tap>>>,
    replacing: Mutex<()>,
    refusals: RefusalRing,
    recorded: OnceLock<Record>,
}

impl Observation {
    /// Whether a tap takes occurrences of this kind: one relaxed load.
    pub fn wants(&self, kind: OccurrenceKind) -> bool {
        self.wanted.load(Ordering::Relaxed) & kind.bit() != 0
    }

    /// Whether a tap takes occurrences of one of these kinds: one relaxed load.
    pub fn wants_any(&self, kinds: &[OccurrenceKind]) -> bool {
        let bits = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        self.wanted.load(Ordering::Relaxed) & bits != 0
    }

    /// Shows what has happened to those that take it; `what` is made only if there is one. True if a tap, or the
    /// record, took it.
    pub fn record<N: AsRef<str>>(
        &self,
        outline: &Outline<'_, N>,
        what: impl FnOnce() -> What,
    ) -> bool {
        if !self.wants(outline.kind) {
            return false;
        }
        let (taps, now) = (self.taps.load(), Instant::now());
        let takers: Vec<_> = taps.iter().filter(|tap| tap.admits(outline, now)).collect();
        let record = self.recorded.get();
        if takers.is_empty() && record.is_none() {
            return false;
        }
        let app = outline.app.map(str::to_owned);
        let occurrence = Arc::new(Occurrence { at_ms: now_ms(), app, what: what() });
        record.into_iter().for_each(|record| record.push(&occurrence));
        let taken = takers.into_iter().filter(|tap| tap.push(&occurrence)).count();
        taken > 0 || record.is_some()
    }

    /// Stores a refusal in the ring and shows it to the taps. A peer decides how often it is refused, so the
    /// ring takes some of them only, and without a tap those beyond them are not made.
    pub fn refused(&self, app: Option<&str>, refusal: impl FnOnce() -> Refusal) {
        let (now, is_watched) = (now_ms(), self.wants(OccurrenceKind::Refused));
        let is_kept = self.refusals.admit(now);
        if !is_kept && !is_watched {
            return;
        }
        let what = What::Refused(refusal());
        let occurrence = Occurrence { at_ms: now, app: app.map(str::to_owned), what };
        if is_kept {
            self.refusals.push(occurrence.clone());
        }
        if is_watched {
            let (taps, now, occurrence) = (self.taps.load(), Instant::now(), Arc::new(occurrence));
            for tap in taps.iter().filter(|tap| tap.admits(&occurrence.outline(), now)) {
                tap.push(&occurrence);
            }
        }
    }

    /// Records triggers and deliveries from now on; once for a process.
    pub fn start_record(&self, bounds: RecordConfig) {
        self.recorded.get_or_init(|| Record::new(bounds));
        self.replace_taps(|_| {});
    }

    /// What is recorded, if something is.
    pub fn recorded(&self) -> Option<&Record> {
        self.recorded.get()
    }

    /// As much of the data of an event as may be looked at later.
    pub fn payload(&self, data: &str) -> Payload {
        let kept = if self.recorded.get().is_some() { data.len() } else { Payload::SHOWN_BYTES };
        Payload::of(data, kept)
    }

    /// The last refusals.
    pub fn refusals(&self) -> &RefusalRing {
        &self.refusals
    }

    /// Opens a tap, which takes what happens from now on, until it is dropped by its reader or closed.
    pub fn open(&self, filter: TapFilter) -> Arc<Tap> {
        let tap = Arc::new(Tap::new(filter));
        self.replace_taps(|taps| taps.push(tap.clone()));
        tap
    }

    /// Ends a tap.
    pub fn close(&self, tap: &Arc<Tap>) {
        self.replace_taps(|taps| taps.retain(|open| !Arc::ptr_eq(open, tap)));
    }

    /// The number of open taps.
    pub fn tap_count(&self) -> usize {
        self.taps.load().len()
    }

    fn replace_taps(&self, change: impl FnOnce(&mut Vec<Arc<Tap>>)) {
        let _one_at_a_time = self.replacing.lock();
        let mut taps = Vec::clone(&self.taps.load());
        change(&mut taps);
        let recorded = if self.recorded.get().is_some() { Record::kinds() } else { 0 };
        let wanted = taps.iter().fold(recorded, |bits, tap| bits | tap.filter().kinds());
        self.taps.store(Arc::new(taps));
        self.wanted.store(wanted, Ordering::Relaxed);
    }
}

/// Milliseconds since the Unix epoch: the time of a row.
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{
        JoinOrLeave, Observation, OccurrenceKind, Outline, Refusal, RefusedPart, TapFilter, What,
    };
    use crate::protocol::SocketId;

    fn outline<'a>(channels: &'a [&'a str]) -> Outline<'a, &'a str> {
        Outline {
            kind: OccurrenceKind::Subscribed,
            app: Some("7"),
            outcome: None,
            channels,
            event: None,
            socket: None,
        }
    }

    fn join(observation: &Observation, channel: &str) -> bool {
        observation.record(&outline(&[channel]), || {
            What::Subscribed(JoinOrLeave {
                socket: SocketId::parse("1.2").unwrap(),
                channel: channel.to_owned(),
                user_id: None,
            })
        })
    }

    #[test]
    fn a_tap_takes_what_happens_while_it_is_open() {
        let observation = Observation::default();
        join(&observation, "before");
        let tap = observation.open(TapFilter::default());
        assert!(observation.wants(OccurrenceKind::Trigger));
        join(&observation, "a");
        join(&observation, "b");
        let batch = tap.take();
        assert_eq!((batch.occurrences.len(), batch.dropped), (2, 0));
        observation.close(&tap);
        join(&observation, "after");
        assert!(tap.take().occurrences.is_empty());
        assert!(!observation.wants(OccurrenceKind::Subscribed));
    }

    #[test]
    fn what_no_tap_takes_is_not_made() {
        let observation = Observation::default();
        let unmade = || unreachable!("no tap takes it");
        assert!(!observation.record(&outline(&["orders.1"]), unmade));
        let filter = TapFilter { kinds: vec![OccurrenceKind::Delivery], ..TapFilter::default() };
        let tap = observation.open(filter);
        assert!(!observation.record(&outline(&["orders.1"]), unmade));
        observation.close(&tap);
        let filter = TapFilter { app: Some("8".to_owned()), ..TapFilter::default() };
        let _tap = observation.open(filter);
        assert!(!observation.record(&outline(&["orders.1"]), unmade));
    }

    #[test]
    fn what_is_beyond_the_rate_of_every_tap_is_counted_and_not_made() {
        let observation = Observation::default();
        let filter = TapFilter { max_rows_per_second: Some(3), ..TapFilter::default() };
        let taps = [observation.open(filter.clone()), observation.open(filter)];
        while join(&observation, "a") {}
        let unmade = || unreachable!("both rates are used up");
        assert!(!observation.record(&outline(&["a"]), unmade));
        for tap in taps {
            let batch = tap.take();
            assert!((3..6).contains(&batch.occurrences.len()), "{}", batch.occurrences.len());
            assert_eq!(batch.dropped, 2);
        }
    }

    #[test]
    fn a_flood_of_refusals_leaves_the_ring_bounded_and_counts_the_rest() {
        let observation = Observation::default();
        for _ in 0..10_000 {
            observation.refused(None, || Refusal::new(RefusedPart::Message, "cause"));
        }
        let past = observation.refusals().past();
        assert!(past.refusals.len() <= 200, "{}", past.refusals.len());
        assert_eq!(past.refusals.len() as u64 + past.left_out, 10_000);
    }
}
