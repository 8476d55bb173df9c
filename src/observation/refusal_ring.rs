//! The last refusals, and their causes with a number and an example each. This ring is always on: it fills before an
//! operator looks for what was refused.
//!
//! Peers decide how often they are refused, so it takes 20 a second on average; the others are counted.

use std::collections::VecDeque;

use indexmap::IndexMap;
use parking_lot::Mutex;

use super::occurrence::{Occurrence, What};
use super::refusal::{Refusal, RefusedPart};

/// Refusals that are kept: about 100 KB.
const KEPT: usize = 200;

/// Causes that are kept, which is more than there are: about 50 KB.
const CAUSES_MAX: usize = 128;

/// How many may come at once, and how many in each second afterwards.
const BURST: u64 = 100;
const PER_SECOND: u64 = 20;

/// The last refusals.
#[derive(Debug)]
pub struct RefusalRing(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    refusals: VecDeque<Occurrence>,
    causes: IndexMap<RefusalGroupKey, RefusalGroup>,
    left_out: u64,
    /// How many may still come, in thousandths, and when that was counted.
    credit: u64,
    counted_at_ms: u64,
}

/// What refusals of one cause have in common. Peers choose none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefusalGroupKey {
    /// What was refused.
    pub part: RefusedPart,
    /// The cause in one word.
    pub reason: Option<&'static str>,
    /// The code of the answer.
    pub code: Option<u16>,
}

/// The refusals of one cause.
#[derive(Debug, Clone)]
pub struct RefusalGroup {
    /// How many were kept since the start.
    pub count: u64,
    /// The last one.
    pub last: Occurrence,
}

/// The refusals that were kept.
#[derive(Debug)]
pub struct PastRefusals {
    /// The oldest first.
    pub refusals: Vec<Occurrence>,
    /// How many came too fast to be kept, since the start.
    pub left_out: u64,
}

impl RefusalGroupKey {
    /// Of a refusal.
    pub fn of(refusal: &Refusal) -> Self {
        Self { part: refusal.part, reason: refusal.reason, code: refusal.code }
    }
}

impl Default for RefusalRing {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            refusals: VecDeque::new(),
            causes: IndexMap::new(),
            left_out: 0,
            credit: BURST * 1000,
            counted_at_ms: 0,
        }))
    }
}

impl RefusalRing {
    /// Whether a refusal of this time is kept; otherwise it is counted.
    pub(super) fn admit(&self, now_ms: u64) -> bool {
        let mut kept = self.0.lock();
        let passed = now_ms.saturating_sub(kept.counted_at_ms).min(BURST * 1000 / PER_SECOND);
        kept.credit = (kept.credit + passed * PER_SECOND).min(BURST * 1000);
        kept.counted_at_ms = now_ms;
        let is_admitted = kept.credit >= 1000;
        match is_admitted {
            true => kept.credit -= 1000,
            false => kept.left_out += 1,
        }
        is_admitted
    }

    pub(super) fn push(&self, refusal: Occurrence) {
        let mut kept = self.0.lock();
        if kept.refusals.len() == KEPT {
            kept.refusals.pop_front();
        }
        if let What::Refused(refused) = &refusal.what {
            let key = RefusalGroupKey::of(refused);
            if kept.causes.len() < CAUSES_MAX || kept.causes.contains_key(&key) {
                let count = kept.causes.get(&key).map_or(0, |group| group.count);
                let group = RefusalGroup { count: count + 1, last: refusal.clone() };
                kept.causes.insert(key, group);
            }
        }
        kept.refusals.push_back(refusal);
    }

    /// The causes, in the order in which they came up.
    pub fn causes(&self) -> Vec<(RefusalGroupKey, RefusalGroup)> {
        self.0.lock().causes.iter().map(|(key, group)| (*key, group.clone())).collect()
    }

    /// Those that were kept.
    pub fn past(&self) -> PastRefusals {
        let kept = self.0.lock();
        PastRefusals { refusals: kept.refusals.iter().cloned().collect(), left_out: kept.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, Occurrence, PER_SECOND, Refusal, RefusalRing, RefusedPart, What};

    #[test]
    fn the_rate_recovers_with_time() {
        let ring = RefusalRing::default();
        let admitted = |now| (0..1000).filter(|_| ring.admit(now)).count() as u64;
        assert_eq!(admitted(1_000_000), BURST);
        assert_eq!(admitted(1_001_000), PER_SECOND);
        assert_eq!(admitted(1_000_500), 0, "a clock that was set back gives nothing");
        assert_eq!(admitted(9_000_000), BURST);
    }
    #[test]
    fn refusals_of_one_cause_are_counted_together() {
        let ring = RefusalRing::default();
        let push = |part, code, at_ms| {
            let refusal = Refusal::new(part, &format!("cause {at_ms}")).with_code(code);
            ring.push(Occurrence { at_ms, app: None, what: What::Refused(refusal) });
        };
        (0..300).for_each(|at| push(RefusedPart::Request, 401, at));
        push(RefusedPart::Request, 413, 7);
        let causes = ring.causes();
        let counts: Vec<_> =
            causes.iter().map(|(key, group)| (key.code, group.count, group.last.at_ms)).collect();
        assert_eq!(counts, [(Some(401), 300, 299), (Some(413), 1, 7)]);
        for code in 0..1000 {
            push(RefusedPart::Message, code, 1);
        }
        assert_eq!(ring.causes().len(), super::CAUSES_MAX);
    }
}
