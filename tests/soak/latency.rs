//! How long events were under way, page by page, so that a run shows whether it changes with time.

/// Steps of a power of two: a figure is exact to 6 %.
const STEPS: u64 = 16;

/// A histogram of microseconds, whose size does not depend on how much is counted.
#[derive(Clone)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; bucket(u64::from(u32::MAX)) + 1] }
    }
}

impl Latencies {
    pub(crate) fn count(&mut self, micros: u64) {
        self.counts[bucket(micros.min(u32::MAX.into()))] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time within which so many of a thousand came, in milliseconds.
    pub(crate) fn millis_at(&self, per_mille: u64) -> f64 {
        let wanted = (self.total() * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        at.map_or(0.0, |at| highest(at) as f64 / 1000.0)
    }
}

fn bucket(micros: u64) -> usize {
    let power = u64::from((micros / STEPS).checked_ilog2().unwrap_or(0));
    (power * STEPS + (micros >> power)) as usize
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let power = (bucket / STEPS).saturating_sub(1);
    ((bucket - power * STEPS + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_that_has_it() {
        let values = (0..2000).chain([5_000, 65_535, 1 << 20, 123_456_789, u64::from(u32::MAX)]);
        for value in values {
            let top = highest(bucket(value));
            assert!(top >= value && top <= value + value / STEPS, "{value}: {top}");
            assert!(value == 0 || bucket(value) >= bucket(value - 1));
        }
    }

    #[test]
    fn quantiles_are_those_of_all_values() {
        let mut latencies = Latencies::default();
        (1..=1000).for_each(|millis| latencies.count(millis * 1000));
        let (median, high) = (latencies.millis_at(500), latencies.millis_at(990));
        assert!(
            (500.0..535.0).contains(&median) && (990.0..1055.0).contains(&high),
            "{median} {high}"
        );
    }
}
