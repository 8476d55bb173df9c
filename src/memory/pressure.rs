//! When the process is short of memory, and how much should be freed: a pure rule over samples.
//!
//! The kernel counts pages, and an allocator keeps pages of what was freed, glibc's for ever where a small allocation that
//! lives sits above them. A rule over pages alone would never admit a socket again. So what the server itself
//! counts (outboxes and sockets) is looked at too: as far as it has fallen since the pages were most, the pages that did not
//! go with it are free for what comes next.

/// It ends where a tenth of the bound is free, so that it does not come and go with each socket.
const END_PERCENT: u64 = 90;

/// What is freed goes so far below the bound, beyond the end of the shortage.
const GOAL_PERCENT: u64 = 85;

/// Up to so much of the bound, pages that the allocator keeps count as free. Above it only the kernel's number counts: as
/// a share of what the kernel allows it is 95 %.
const CEILING_PERCENT: u64 = 112;

/// What grows beyond the peak while pages count as free shows that they are not, since an allocator takes those first: each
/// byte of it takes so many of them back.
const DOUBT: u64 = 4;

/// From here on memory is looked at more often.
const NEAR_PERCENT: u64 = 75;

/// What is known of the memory of the process at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemorySample {
    /// Bytes that the kernel counts.
    pub used: u64,
    /// Bytes of what the server counts: it falls as soon as they are freed.
    pub counted: u64,
}

/// Whether the process is short of memory.
#[derive(Debug)]
pub struct MemoryPressure {
    bound: u64,
    /// The sample with the most pages since they were all in use.
    peak: MemorySample,
    is_short: bool,
    is_near: bool,
}

impl MemoryPressure {
    /// With this bound in bytes.
    pub fn new(bound: u64) -> Self {
        Self { bound, peak: MemorySample::default(), is_short: false, is_near: false }
    }

    /// Takes a sample; returns the bytes that should be freed now.
    pub fn observe(&mut self, sample: MemorySample) -> u64 {
        let live = self.live(sample);
        let admitting = if sample.used > self.share(CEILING_PERCENT) { sample.used } else { live };
        let limit = if self.is_short { self.share(END_PERCENT) } else { self.bound };
        self.is_short = admitting >= limit;
        self.is_near = admitting >= self.share(NEAR_PERCENT);
        if self.is_short { live.saturating_sub(self.share(GOAL_PERCENT)) } else { 0 }
    }

    /// What is in use of the pages.
    fn live(&mut self, sample: MemorySample) -> u64 {
        let freed = self.peak.counted.saturating_sub(sample.counted);
        let estimate = self.peak.used.saturating_sub(freed);
        if sample.used <= estimate {
            self.peak = sample;
            return sample.used;
        }
        let grown = sample.used.saturating_sub(self.peak.used);
        if grown == 0 {
            return estimate;
        }
        let kept = freed.saturating_sub(grown.saturating_mul(DOUBT));
        self.peak = MemorySample { used: sample.used, counted: sample.counted + kept };
        sample.used - kept
    }

    /// Whether new sockets are to be refused.
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// Whether the next look should come soon.
    pub fn is_near(&self) -> bool {
        self.is_near
    }

    fn share(&self, percent: u64) -> u64 {
        self.bound.saturating_mul(percent) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryPressure, MemorySample};

    /// Whether it is short, and what is to be freed, after each of these samples with a bound of 1000.
    fn after(samples: &[(u64, u64)]) -> Vec<(bool, u64)> {
        let mut pressure = MemoryPressure::new(1000);
        let observe = |&(used, counted): &(u64, u64)| {
            let to_free = pressure.observe(MemorySample { used, counted });
            (pressure.is_short(), to_free)
        };
        samples.iter().map(observe).collect()
    }

    #[test]
    fn it_begins_at_the_bound_and_ends_a_tenth_below() {
        let samples = [(999, 0), (1000, 0), (950, 0), (900, 0), (899, 0), (950, 0), (999, 0)];
        let short = [false, true, true, true, false, false, false];
        assert_eq!(after(&samples).iter().map(|(short, _)| *short).collect::<Vec<_>>(), short);
    }

    #[test]
    fn what_is_freed_leads_below_the_end() {
        assert_eq!(after(&[(1100, 400)]), [(true, 250)]);
        assert_eq!(after(&[(1100, 400), (1100, 150)]), [(true, 250), (false, 0)]);
    }

    #[test]
    fn pages_that_the_allocator_keeps_are_free_for_what_comes_next() {
        // 400 of 1050 were freed, and no page went back; then 200 are in use again, then 350.
        let kept = after(&[(1050, 500), (1050, 100), (1050, 300), (1050, 450), (1050, 500)]);
        assert_eq!(kept, [(true, 200), (false, 0), (false, 0), (true, 150), (true, 200)]);
    }

    #[test]
    fn growth_beyond_the_peak_takes_back_what_counted_as_free() {
        // A page more is no doubt, a tenth of the bound is.
        assert_eq!(after(&[(1050, 500), (1050, 100), (1051, 100)])[2], (false, 0));
        assert_eq!(after(&[(1050, 300), (1050, 100), (1100, 100)])[2], (true, 250));
        assert_eq!(after(&[(1050, 300), (1100, 100), (1100, 100)])[2], (true, 250));
    }

    #[test]
    fn pages_that_went_back_are_measured_when_they_come_again() {
        assert_eq!(
            after(&[(1050, 500), (300, 0), (999, 0), (1000, 0)])[2..],
            [(false, 0), (true, 150)]
        );
    }

    #[test]
    fn above_the_ceiling_only_pages_count_for_newcomers_and_nothing_is_freed_twice() {
        assert_eq!(after(&[(1200, 500), (1200, 0)]), [(true, 350), (true, 0)]);
        assert_eq!(after(&[(1200, 500), (1200, 0), (1120, 0)])[2], (false, 0));
    }

    #[test]
    fn it_is_looked_at_more_often_before_it_is_short() {
        let mut pressure = MemoryPressure::new(1000);
        for (used, is_near) in [(100, false), (749, false), (750, true), (1000, true)] {
            pressure.observe(MemorySample { used, counted: 0 });
            assert_eq!(pressure.is_near(), is_near, "{used}");
        }
    }
}
