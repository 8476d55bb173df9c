//! The ring: for each series one value for each of the last 900 seconds, 4 bytes each.

use std::ops::Range;

use super::series::{Series, Summary};

/// Fifteen minutes: ten that are shown, and some for a page that was not visible for a while.
pub(super) const SECONDS: usize = 900;

/// Values of all series in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// The second in which the first step begins, in Unix time.
    pub start_seconds: u64,
    /// In the order of [`Series::ALL`]; `None` where nothing was sampled.
    pub values: [Vec<Option<f32>>; Series::COUNT],
}

/// The values of all series; a second has its place by its number.
#[derive(Debug)]
pub(super) struct Ring {
    /// NaN where a second was not sampled.
    values: Box<[[f32; Series::COUNT]]>,
    last_second: u64,
}

impl Default for Ring {
    fn default() -> Self {
        let values = vec![[f32::NAN; Series::COUNT]; SECONDS].into_boxed_slice();
        Self { values, last_second: 0 }
    }
}

impl Ring {
    pub(super) fn push(&mut self, second: u64, values: [f32; Series::COUNT]) {
        // A timer that is a little late, or early, skips no second.
        let next = self.last_second + 1;
        let second = if second.abs_diff(next) <= 1 { next } else { second };
        // One that was skipped, by a process that stood still, has no value.
        for skipped in next.max(second.saturating_sub(SECONDS as u64))..second {
            self.values[place(skipped)] = [f32::NAN; Series::COUNT];
        }
        self.values[place(second)] = values;
        self.last_second = second;
    }

    /// The mean of the last seconds.
    pub(super) fn recent(&self, series: Series, seconds: u64) -> Option<f32> {
        let first = (self.last_second + 1).saturating_sub(seconds);
        summary(Summary::Mean, self.values_of(series, first..self.last_second + 1))
    }

    pub(super) fn points(&self, since_seconds: u64, step: u64) -> Points {
        let step = step.max(1);
        let oldest = (self.last_second + 1).saturating_sub(SECONDS as u64);
        // A step is whole, or its value would change while it is looked at.
        let start_seconds = since_seconds.max(oldest).next_multiple_of(step);
        let steps = (self.last_second + 1).saturating_sub(start_seconds) / step;
        let values = Series::ALL.map(|(series, _)| {
            let value = |at: u64| {
                let first = start_seconds + at * step;
                summary(series.summary(), self.values_of(series, first..first + step))
            };
            (0..steps).map(value).collect()
        });
        Points { start_seconds, values }
    }

    fn values_of(&self, series: Series, seconds: Range<u64>) -> impl Iterator<Item = f32> {
        seconds.map(move |second| self.values[place(second)][series as usize])
    }
}

fn place(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

/// One value for several seconds; `None` if none of them was sampled.
fn summary(summary: Summary, values: impl Iterator<Item = f32>) -> Option<f32> {
    let (mut sum, mut most, mut count) = (0.0, f32::NEG_INFINITY, 0_u32);
    for value in values.filter(|value| !value.is_nan()) {
        sum += f64::from(value);
        most = most.max(value);
        count += 1;
    }
    (count > 0).then(|| match summary {
        Summary::Mean => (sum / f64::from(count)) as f32,
        Summary::Most => most,
    })
}
