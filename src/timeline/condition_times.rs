//! Since when each condition holds, as far as a look each second shows it.

use std::time::Duration;

use crate::metrics::{Condition, Conditions};

/// A condition that holds, and its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionSince {
    /// Which one.
    pub condition: Condition,
    /// Since when, in Unix time.
    pub unix_time: Duration,
}

/// The beginning of each condition that holds.
#[derive(Debug, Default)]
pub(super) struct ConditionTimes([Option<Duration>; Condition::ALL.len()]);

impl ConditionTimes {
    pub(super) fn update(&mut self, conditions: &Conditions, unix_time: Duration) {
        for (condition, since) in Condition::ALL.into_iter().zip(&mut self.0) {
            *since = conditions.holds(condition).then(|| since.unwrap_or(unix_time));
        }
    }

    pub(super) fn current(&self) -> Vec<ConditionSince> {
        let all = Condition::ALL.into_iter().zip(self.0);
        let held = all.filter_map(|(condition, since)| {
            since.map(|unix_time| ConditionSince { condition, unix_time })
        });
        held.collect()
    }
}
