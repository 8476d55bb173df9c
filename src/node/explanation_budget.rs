//! How often one app may have something explained that costs more than what it explains.

use std::time::Instant;

use parking_lot::Mutex;

use crate::protocol::rate_limit::{TokenBucket, TokenRate};

/// Events that are explained with near names, in a second. Where most events have no receiver, which is usual in
/// Laravel, the others are explained without.
const SEARCHES_PER_SECOND: u32 = 20;

/// Refused subscriptions whose reason is looked for, in a second: 192 signatures each, 1 ms of a core together.
const REASONS_PER_SECOND: u32 = 10;

/// What is left of both in this second.
#[derive(Default)]
pub(super) struct ExplanationBudget {
    searches: Mutex<TokenBucket>,
    reasons: Mutex<TokenBucket>,
}

impl ExplanationBudget {
    /// Whether near names may be looked for.
    pub(super) fn may_search(&self, now: Instant) -> bool {
        self.searches.lock().allow(TokenRate::per_second(SEARCHES_PER_SECOND), now)
    }

    /// Whether the reason of a refused subscription may be looked for.
    pub(super) fn may_find_reason(&self, now: Instant) -> bool {
        self.reasons.lock().allow(TokenRate::per_second(REASONS_PER_SECOND), now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::ExplanationBudget;

    #[test]
    fn a_flood_is_explained_in_part() {
        let (budget, now) = (ExplanationBudget::default(), Instant::now());
        let count =
            |is_allowed: &dyn Fn(Instant) -> bool, at| (0..1000).filter(|_| is_allowed(at)).count();
        assert_eq!(count(&|at| budget.may_search(at), now), 20);
        assert_eq!(count(&|at| budget.may_find_reason(at), now), 10);
        let later = now + Duration::from_secs(1);
        assert_eq!(count(&|at| budget.may_search(at), later), 20);
        assert_eq!(count(&|at| budget.may_find_reason(at), later), 10);
    }
}
