//! The record: the last triggers and deliveries with their data, for end-to-end tests of an application.
//!
//! Bounded by number and by bytes; the oldest make room. Off by default, since it keeps the data of users.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::occurrence::{Occurrence, OccurrenceKind};
use super::tap_filter::TapFilter;
use crate::config::RecordConfig;

/// What is recorded.
const KINDS: [OccurrenceKind; 2] = [OccurrenceKind::Trigger, OccurrenceKind::Delivery];

/// The last triggers and deliveries.
#[derive(Debug)]
pub struct Record {
    bounds: RecordConfig,
    kept: Mutex<KeptEvents>,
}

#[derive(Debug, Default)]
struct KeptEvents {
    events: VecDeque<Arc<Occurrence>>,
    bytes: usize,
    /// The time of the last one that made room.
    forgotten_at_ms: Option<u64>,
}

/// What was recorded since a time.
#[derive(Debug)]
pub struct RecordedEvents {
    /// The oldest first.
    pub events: Vec<Arc<Occurrence>>,
    /// Whether some of that time made room for others.
    pub is_incomplete: bool,
}

impl Record {
    pub(super) fn new(bounds: RecordConfig) -> Self {
        Self { bounds, kept: Mutex::default() }
    }

    /// The bit of each kind that is recorded.
    pub(super) fn kinds() -> u32 {
        KINDS.iter().fold(0, |bits, kind| bits | kind.bit())
    }

    pub(super) fn push(&self, occurrence: &Arc<Occurrence>) {
        if !KINDS.contains(&occurrence.what.kind()) {
            return;
        }
        let mut kept = self.kept.lock();
        kept.bytes += occurrence.what.bytes();
        kept.events.push_back(occurrence.clone());
        while kept.events.len() > self.bounds.events || kept.bytes > self.bounds.bytes {
            let Some(oldest) = kept.events.pop_front() else { return };
            kept.bytes -= oldest.what.bytes();
            kept.forgotten_at_ms = Some(oldest.at_ms);
        }
    }

    /// The recorded events that the filter takes, from this time on.
    pub fn since(&self, since_ms: u64, filter: &TapFilter) -> RecordedEvents {
        let kept = self.kept.lock();
        let events = kept.events.iter().filter(|event| event.at_ms >= since_ms);
        let events = events.filter(|event| filter.takes(event)).cloned().collect();
        let is_incomplete = kept.forgotten_at_ms.is_some_and(|at| at >= since_ms);
        RecordedEvents { events, is_incomplete }
    }
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::{Delivery, What};
    use super::super::payload::Payload;
    use super::{Arc, Occurrence, Record, RecordConfig, TapFilter};

    fn delivery(at_ms: u64, data: &str) -> Arc<Occurrence> {
        let delivery = Delivery {
            channel: "a".to_owned(),
            event: "e".to_owned(),
            except: None,
            subscribers: 1,
            payload: Payload::of(data, data.len()),
        };
        Arc::new(Occurrence { at_ms, app: None, what: What::Delivery(delivery) })
    }

    #[test]
    fn the_oldest_make_room_and_their_lack_is_reported() {
        let one = delivery(0, "").what.bytes();
        for bounds in [
            RecordConfig { events: 3, bytes: usize::MAX },
            RecordConfig { events: 99, bytes: 3 * one },
        ] {
            let record = Record::new(bounds);
            (1..=5).for_each(|at| record.push(&delivery(at, "")));
            let since = |at| {
                let found = record.since(at, &TapFilter::default());
                let times: Vec<u64> = found.events.iter().map(|event| event.at_ms).collect();
                (times, found.is_incomplete)
            };
            assert_eq!(since(3), (vec![3, 4, 5], false));
            assert_eq!(since(2), (vec![3, 4, 5], true));
            assert_eq!(since(6), (vec![], false));
        }
    }

    #[test]
    fn an_event_that_is_larger_than_all_is_not_kept() {
        let record = Record::new(RecordConfig { events: 9, bytes: 1000 });
        record.push(&delivery(1, &"x".repeat(2000)));
        assert!(record.since(0, &TapFilter::default()).is_incomplete);
    }
}
