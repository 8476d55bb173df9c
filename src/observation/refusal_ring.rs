//! The last refusals. This ring is always on: it fills before an operator looks for what was refused.
//!
//! Peers decide how often they are refused, so it takes 20 a second on average; the others are counted.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::occurrence::Occurrence;

/// Refusals that are kept: about 100 KB.
const KEPT: usize = 200;

/// How many may come at once, and how many in each second afterwards.
const BURST: u64 = 100;
const PER_SECOND: u64 = 20;

/// The last refusals.
#[derive(Debug)]
pub struct RefusalRing(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    refusals: VecDeque<Occurrence>,
    left_out: u64,
    /// How many may still come, in thousandths, and when that was counted.
    credit: u64,
    counted_at_ms: u64,
}

/// The refusals that were kept.
#[derive(Debug)]
pub struct PastRefusals {
    /// The oldest first.
    pub refusals: Vec<Occurrence>,
    /// How many came too fast to be kept, since the start.
    pub left_out: u64,
}

impl Default for RefusalRing {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            refusals: VecDeque::new(),
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
        kept.refusals.push_back(refusal);
    }

    /// Those that were kept.
    pub fn past(&self) -> PastRefusals {
        let kept = self.0.lock();
        PastRefusals { refusals: kept.refusals.iter().cloned().collect(), left_out: kept.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, PER_SECOND, RefusalRing};

    #[test]
    fn the_rate_recovers_with_time() {
        let ring = RefusalRing::default();
        let admitted = |now| (0..1000).filter(|_| ring.admit(now)).count() as u64;
        assert_eq!(admitted(1_000_000), BURST);
        assert_eq!(admitted(1_001_000), PER_SECOND);
        assert_eq!(admitted(1_000_500), 0, "a clock that was set back gives nothing");
        assert_eq!(admitted(9_000_000), BURST);
    }
}
