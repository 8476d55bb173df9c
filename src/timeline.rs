//! The last fifteen minutes of this node, second by second: a fixed ring that one small task fills from the metrics.
//!
//! Owns which series there are, their ring and since when each condition holds. It reads counters that exist and adds
//! nothing where they are counted; who looks at it, and how, is left to the rooms below.

use std::time::Duration;

use parking_lot::Mutex;

use crate::metrics::{Condition, Metrics};

mod condition_times;
mod minute;
mod ring;
mod series;
mod totals;

pub use condition_times::ConditionSince;
pub use minute::LastMinute;
pub use ring::Points;
pub use series::Series;

use condition_times::ConditionTimes;
use minute::MinuteCounts;
use ring::Ring;
use totals::Totals;

/// The timeline of one node.
#[derive(Debug)]
pub struct Timeline(Mutex<Past>);

#[derive(Debug)]
struct Past {
    ring: Ring,
    minute: MinuteCounts,
    conditions: ConditionTimes,
    last: Option<(Duration, Totals)>,
    nodes: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        let (ring, minute) = (Ring::default(), MinuteCounts::default());
        let conditions = ConditionTimes::default();
        Self(Mutex::new(Past { ring, minute, conditions, last: None, nodes: 0 }))
    }
}

impl Timeline {
    /// Takes what was counted since the last call; `unix_time` is now. To be called once a second.
    pub fn sample(&self, metrics: &Metrics, unix_time: Duration) {
        let totals = Totals::read(metrics);
        let mut past = self.0.lock();
        past.conditions.update(&metrics.process.condition, unix_time);
        if !metrics.process.condition.holds(Condition::RedisAway) {
            past.nodes = metrics.cluster.nodes.get().into();
        }
        let before = past.last.replace((unix_time, totals));
        let Some((then, before)) = before else { return };
        // A clock that was set back would give a rate without a meaning.
        let Some(elapsed) = unix_time.checked_sub(then).filter(|elapsed| !elapsed.is_zero()) else {
            return;
        };
        past.minute.push(&totals, &before);
        let minute = past.minute.sums();
        let values = totals.values_since(&before, elapsed, &minute.latency, &minute.redis);
        past.ring.push(unix_time.as_secs(), values);
    }

    /// The values of all series from a time on, `step` seconds each; the first step is at a multiple of `step`.
    pub fn points(&self, since_seconds: u64, step: u64) -> Points {
        self.0.lock().ring.points(since_seconds, step)
    }

    /// The mean of the last seconds of a series.
    pub fn recent(&self, series: Series, seconds: u64) -> Option<f32> {
        self.0.lock().ring.recent(series, seconds)
    }

    /// What happened within the last minute.
    pub fn last_minute(&self) -> LastMinute {
        self.0.lock().minute.sums()
    }

    /// How many nodes the cluster had while Redis was there; 0 without a cluster.
    pub fn nodes(&self) -> u64 {
        self.0.lock().nodes
    }

    /// The conditions that hold, each with its beginning.
    pub fn conditions(&self) -> Vec<ConditionSince> {
        self.0.lock().conditions.current()
    }
}

#[cfg(test)]
mod tests;
