//! The judge of a run: what a publisher had answered, beside what a subscriber received.
//!
//! Pure: it compares two records. What an event costs a subscriber is counted per subscription of one connection, in
//! the words of Resound's own promise: an event is lost if its publish was answered 200 after the subscription was
//! granted, and the connection, which is still open or received later events, did not get it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One publish, in the order in which they were sent: each after the answer to the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) number: u64,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    /// Whether the answer was 200.
    pub(crate) accepted: bool,
}

/// One subscription of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) granted: Instant,
    /// The end of the connection and the close code, if there was one.
    pub(crate) ended: Option<(Instant, Option<u16>)>,
    pub(crate) arrivals: Vec<(u64, Instant)>,
    /// Events that gap events announced as lost, and gap events that could not count them.
    pub(crate) announced: u64,
    pub(crate) uncounted: u64,
}

/// What became of the events of one publisher at one subscriber, or at many.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) published: u64,
    pub(crate) lost: u64,
    /// Lost in a visit without a gap event that covers them.
    pub(crate) silent: u64,
    pub(crate) announced: u64,
    pub(crate) uncounted: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) silence: Duration,
    /// From sending a publish to its arrival.
    pub(crate) latencies: Vec<Duration>,
}

impl Visit {
    pub(crate) const fn beginning(granted: Instant) -> Self {
        Self { granted, ended: None, arrivals: Vec::new(), announced: 0, uncounted: 0 }
    }

    /// The highest number that arrived.
    pub(crate) fn highest(&self) -> u64 {
        self.arrivals.iter().map(|(number, _)| *number).max().unwrap_or(0)
    }
}

/// Judges one visit. Numbers beyond `horizon` may still be under way.
pub(crate) fn judge(published: &[Published], visit: &Visit, horizon: u64) -> Tally {
    // Of a connection that has ended, what was sent behind the last arrival was under way.
    let until = if visit.ended.is_some() { visit.highest().min(horizon) } else { horizon };
    let arrived: BTreeSet<u64> = visit.arrivals.iter().map(|(number, _)| *number).collect();
    let due = published.iter().filter(|one| one.accepted && one.sent > visit.granted);
    let lost = due.filter(|one| one.number <= until && !arrived.contains(&one.number)).count();
    let lost = lost as u64;
    let is_announced = visit.uncounted > 0 || visit.announced >= lost;
    let (mut highest, mut reordered, mut seen) = (0, 0, BTreeSet::new());
    for &(number, _) in &visit.arrivals {
        let is_new = seen.insert(number);
        reordered += u64::from(is_new && number < highest);
        highest = highest.max(number);
    }
    let latencies = visit.arrivals.iter().filter_map(|(number, arrival)| {
        let at = published.binary_search_by_key(number, |one| one.number).ok()?;
        Some(arrival.saturating_duration_since(published[at].sent))
    });
    Tally {
        published: published.iter().filter(|one| one.accepted).count() as u64,
        lost,
        silent: if is_announced { 0 } else { lost },
        announced: visit.announced,
        uncounted: visit.uncounted,
        duplicated: (visit.arrivals.len() - seen.len()) as u64,
        reordered,
        silence: silence(published, &visit.arrivals),
        latencies: latencies.collect(),
    }
}

/// The longest time without an event while one was due: from the first publish that was accepted behind an arrival, to the
/// next arrival.
fn silence(published: &[Published], arrivals: &[(u64, Instant)]) -> Duration {
    let of_pair = |pair: &[(u64, Instant)]| {
        let (before, after) = (pair[0].1, pair[1].1);
        let at = published.partition_point(|one| one.sent < before);
        let due = published[at..].iter().find(|one| one.accepted)?;
        Some(after.saturating_duration_since(due.sent))
    };
    arrivals.windows(2).filter_map(of_pair).max().unwrap_or_default()
}

impl Tally {
    /// Adds what another visit had of the same publisher, or of another one.
    pub(crate) fn add(&mut self, other: Self) {
        self.published = self.published.max(other.published);
        self.lost += other.lost;
        self.silent += other.silent;
        self.announced += other.announced;
        self.uncounted += other.uncounted;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.silence = self.silence.max(other.silence);
        self.latencies.extend(other.latencies);
    }

    /// Of all arrivals.
    pub(crate) fn p99(&self) -> Duration {
        p99(self.latencies.clone())
    }
}

/// The time within which 99 of 100 were done.
pub(crate) fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

/// From sending a publish to its answer.
pub(crate) fn answer_times(published: &[Published]) -> Vec<Duration> {
    published.iter().map(|one| one.answered - one.sent).collect()
}
