//! A latency histogram as lines of text: one bar for each step of 1, 2, 5, 10, …
//!
//! Owns the steps and the bars.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::metric::Unit;

/// Characters of the longest bar.
const BAR_CHARS: usize = 48;
/// From one eighth of a character to a whole one.
const BLOCKS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const MARKS: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// One step: up to and including `to_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) to_ns: u64,
    pub(super) count: u64,
}

/// The steps from the least latency to the greatest, empty ones between them included.
pub(super) fn buckets(histogram: &Histogram<u64>) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    if histogram.is_empty() {
        return buckets;
    }
    let (mut to_ns, mut nth, mut from_ns) = (1_u64, 0, 0);
    while from_ns < histogram.max() {
        // A value is in one step, even where the histogram's own cells reach over its end.
        let below = |ns| if ns == 0 { 0 } else { histogram.count_between(0, ns) };
        let count = below(to_ns) - below(from_ns);
        if count > 0 || !buckets.is_empty() {
            buckets.push(Bucket { to_ns, count });
        }
        from_ns = to_ns;
        to_ns = if nth % 3 == 1 { to_ns / 2 * 5 } else { to_ns * 2 };
        nth += 1;
    }
    while buckets.last().is_some_and(|bucket| bucket.count == 0) {
        buckets.pop();
    }
    buckets
}

/// One line for each step.
pub(super) fn draw(histogram: &Histogram<u64>) -> String {
    let buckets = buckets(histogram);
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let mut text = String::new();
    let mut from_ns = 0;
    for Bucket { to_ns, count } in buckets {
        let upper = Unit::Duration.show(to_ns as f64);
        let share = Unit::Share.show(count as f64 / histogram.len() as f64);
        let within = |value: f64| {
            let at = histogram.value_at_quantile(value);
            at > from_ns && at <= to_ns
        };
        let marks = MARKS.iter().filter(|(_, value)| within(*value)).map(|(name, _)| *name);
        let marks = marks.collect::<Vec<_>>().join(" ");
        let line = format!("  ≤ {upper:>8} {:<BAR_CHARS$} {share:>7}  {marks}", bar(count, most));
        writeln!(text, "{}", line.trim_end()).expect("memory takes all");
        from_ns = to_ns;
    }
    text
}

/// As long as its part of the most; a count above 0 is at least an eighth of a character.
fn bar(count: u64, most: u64) -> String {
    let eighths = (count as f64 / most as f64 * (BAR_CHARS * 8) as f64).round() as usize;
    let eighths = if count > 0 { eighths.max(1) } else { 0 };
    let mut bar = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        bar.push(BLOCKS[eighths % 8 - 1]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::{Bucket, buckets, draw};

    fn histogram(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 120_000_000_000, 3).unwrap();
        values.iter().for_each(|(ns, count)| histogram.record_n(*ns, *count).unwrap());
        histogram
    }

    #[test]
    fn every_latency_is_in_one_step() {
        let values = [(900, 3), (1_000_000, 10), (3_000_000, 7), (70_000_000_000, 1)];
        let buckets = buckets(&histogram(&values));
        assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 21);
        assert_eq!(buckets[0], Bucket { to_ns: 1000, count: 3 });
        assert_eq!(buckets.last(), Some(&Bucket { to_ns: 100_000_000_000, count: 1 }));
    }

    #[test]
    fn bars_have_eighths_shares_and_marks() {
        let drawn = draw(&histogram(&[(150_000, 96), (400_000, 12), (900_000, 1)]));
        let full = "█".repeat(48);
        let expected = [
            format!("  ≤   200 µs {full}  88.1 %  p50"),
            format!("  ≤   500 µs {:<48}  11.0 %  p90 p99", "██████"),
            format!("  ≤  1.00 ms {:<48}  0.92 %  p999", "▌"),
        ];
        assert_eq!(drawn.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nothing_draws_nothing() {
        assert_eq!(draw(&histogram(&[])), "");
    }
}
