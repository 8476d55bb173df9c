//! How many lines of one kind are written: the first of an interval, and a number for the others.
//!
//! Pure: the caller passes the time and a key for each kind, and writes the lines. A peer decides how
//! often it causes a line: without a bound one socket writes 100 MB a second into the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Kinds with a number of their own. A kind may hold text that a back end chose, so they need a bound;
/// above it, occurrences of new kinds have one number.
const KINDS_MAX: usize = 256;

/// The first interval of a kind. Short, so that each attempt to set up a back end logs its cause.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// What may be written of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Lines in full at the beginning of an interval.
    pub(super) lines: u32,
    /// The interval doubles up to this while the kind recurs.
    pub(super) interval_max: Duration,
}

/// The kinds that occurred in their current interval, each with a sample.
#[derive(Debug)]
pub(super) struct LineLimit<S> {
    kinds: HashMap<u64, Kind<S>>,
    /// Of all kinds above [`KINDS_MAX`].
    others: Option<Interval>,
}

#[derive(Debug)]
struct Kind<S> {
    sample: S,
    interval: Interval,
}

#[derive(Debug)]
struct Interval {
    since: Instant,
    length: Duration,
    written: u32,
    suppressed: u64,
}

/// The occurrences of one kind that an interval lacks in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum<S> {
    /// The first of its kind; `None` for the kinds above the bound.
    pub(super) sample: Option<S>,
    pub(super) count: u64,
    /// How long the interval was.
    pub(super) within: Duration,
}

impl Interval {
    fn new(since: Instant) -> Self {
        Self { since, length: FIRST_INTERVAL, written: 0, suppressed: 0 }
    }

    fn admit(&mut self, lines: u32) -> bool {
        let is_admitted = self.written < lines;
        match is_admitted {
            true => self.written += 1,
            false => self.suppressed += 1,
        }
        is_admitted
    }

    /// Begins the next interval if this one has ended; returns what was suppressed, and for how long.
    fn restart(&mut self, now: Instant, longest: Duration) -> Option<(u64, Duration)> {
        if now.duration_since(self.since) < self.length {
            return None;
        }
        let length = (self.length * 2).min(longest).max(FIRST_INTERVAL);
        let ended = std::mem::replace(self, Self { length, ..Self::new(now) });
        Some((ended.suppressed, now.duration_since(ended.since)))
    }
}

impl<S: Clone> LineLimit<S> {
    pub(super) fn new() -> Self {
        Self { kinds: HashMap::new(), others: None }
    }

    /// Counts an occurrence of a known kind; true if it is to be written. `None` for an unknown one.
    pub(super) fn admit(&mut self, kind: u64, allowed: Allowance) -> Option<bool> {
        self.kinds.get_mut(&kind).map(|kind| kind.interval.admit(allowed.lines))
    }

    /// Counts an occurrence of a kind that was unknown; true if it is to be written.
    pub(super) fn admit_new(
        &mut self,
        kind: u64,
        sample: S,
        allowed: Allowance,
        now: Instant,
    ) -> bool {
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            self.others.get_or_insert_with(|| Interval::new(now)).suppressed += 1;
            return false;
        }
        let kind = self.kinds.entry(kind);
        let kind = kind.or_insert_with(|| Kind { sample, interval: Interval::new(now) });
        kind.interval.admit(allowed.lines)
    }

    /// The sums of the intervals that have ended by `now`. A kind without one is forgotten.
    pub(super) fn take_sums(&mut self, allowed: Allowance, now: Instant) -> Vec<Sum<S>> {
        let mut sums = Vec::new();
        self.kinds.retain(|_, Kind { sample, interval }| {
            let Some((count, within)) = interval.restart(now, allowed.interval_max) else {
                return true;
            };
            if count > 0 {
                sums.push(Sum { sample: Some(sample.clone()), count, within });
            }
            count > 0
        });
        let others = self.others.as_mut();
        if let Some((count, within)) = others.and_then(|it| it.restart(now, FIRST_INTERVAL)) {
            sums.push(Sum { sample: None, count, within });
            self.others = None;
        }
        sums
    }

    /// The sums of all intervals, which end with the process.
    pub(super) fn end(&mut self) -> Vec<Sum<S>> {
        let of_kinds = self.kinds.drain().map(|(_, kind)| (Some(kind.sample), kind.interval));
        let all = of_kinds.chain(self.others.take().map(|interval| (None, interval)));
        let summed = all.filter(|(_, interval)| interval.suppressed > 0);
        let sum = |(sample, Interval { suppressed: count, since, .. }): (_, Interval)| Sum {
            sample,
            count,
            within: since.elapsed(),
        };
        summed.map(sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Allowance, KINDS_MAX, LineLimit, Sum};

    const SECOND: Duration = Duration::from_secs(1);
    const ONE: Allowance = Allowance { lines: 1, interval_max: Duration::from_secs(60) };

    fn occurs(limit: &mut LineLimit<&'static str>, kind: u64, now: Instant) -> bool {
        limit.admit(kind, ONE).unwrap_or_else(|| limit.admit_new(kind, "sample", ONE, now))
    }

    fn sum(count: u64, seconds: u32) -> Sum<&'static str> {
        Sum { sample: Some("sample"), count, within: seconds * SECOND }
    }

    #[test]
    fn the_first_of_a_kind_is_written_and_the_others_are_summed_up() {
        let (mut limit, start) = (LineLimit::new(), Instant::now());
        assert!(occurs(&mut limit, 1, start));
        assert!((0..9).all(|_| !occurs(&mut limit, 1, start)));
        assert!(occurs(&mut limit, 2, start), "another kind");
        assert_eq!(limit.take_sums(ONE, start + SECOND / 2), []);
        assert_eq!(limit.take_sums(ONE, start + SECOND), [sum(9, 1)]);
        assert!(occurs(&mut limit, 2, start + SECOND), "it had no sum and was forgotten");
    }

    #[test]
    fn intervals_double_while_a_kind_recurs_and_each_has_one_line_and_one_sum() {
        let (mut limit, mut now) = (LineLimit::new(), Instant::now());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(occurs(&mut limit, 1, now), "a sample of the next {seconds} s");
            assert!(!occurs(&mut limit, 1, now) && !occurs(&mut limit, 1, now));
            assert_eq!(limit.take_sums(ONE, now + seconds * SECOND - SECOND / 4), []);
            now += seconds * SECOND;
            assert_eq!(limit.take_sums(ONE, now), [sum(2, seconds)]);
        }
        now += 60 * SECOND;
        assert_eq!(limit.take_sums(ONE, now), []);
        assert!(occurs(&mut limit, 1, now));
        assert!(!occurs(&mut limit, 1, now));
        assert_eq!(limit.take_sums(ONE, now + SECOND), [sum(1, 1)], "the first interval again");
    }

    #[test]
    fn an_allowance_of_several_lines_writes_them_before_it_sums_up() {
        let (mut limit, now) = (LineLimit::new(), Instant::now());
        let three = Allowance { lines: 3, interval_max: SECOND };
        assert!(limit.admit_new(1, "sample", three, now));
        let written = (0..9).filter(|_| limit.admit(1, three) == Some(true)).count();
        assert_eq!(written, 2);
        assert_eq!(limit.take_sums(three, now + SECOND), [sum(7, 1)]);
        assert_eq!(limit.admit(1, three), Some(true));
        assert_eq!(limit.take_sums(three, now + 2 * SECOND), [], "the interval stays a second");
    }

    #[test]
    fn kinds_above_the_bound_are_counted_together() {
        let (mut limit, start) = (LineLimit::new(), Instant::now());
        let most = KINDS_MAX as u64;
        assert!((0..most).all(|kind| occurs(&mut limit, kind, start)));
        assert!((0..5).all(|kind| !occurs(&mut limit, most + kind, start)));
        let others = Sum { sample: None, count: 5, within: SECOND };
        assert_eq!(limit.take_sums(ONE, start + SECOND), [others]);
        assert!(occurs(&mut limit, most, start + SECOND));
    }

    #[test]
    fn the_end_of_the_process_loses_no_sum() {
        let (mut limit, now) = (LineLimit::new(), Instant::now());
        for kind in [1, 1, 1, 2] {
            occurs(&mut limit, kind, now);
        }
        let counts: Vec<u64> = limit.end().into_iter().map(|sum| sum.count).collect();
        assert_eq!(counts, [2]);
        assert_eq!(limit.end(), []);
    }
}
