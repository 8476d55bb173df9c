//! Turns each event of the process into a line, unless its kind has had its lines: the one place where
//! what peers can cause is limited, which no log call can bypass.
//!
//! The kind of an event is its place in the source, its message and its fields of [`KIND_FIELDS`].
//! Texts of peers belong into other fields.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::{LineContent, LineStyle, line};
use super::line_limit::{Allowance, LineLimit, Sum};
use crate::config::LogConfig;

/// Fields that tell kinds of one place apart. Each has few values: ids and urls of the configuration, codes,
/// labels.
/// The names of events are those of back ends, reloads have numbers, and the bound on kinds holds for them.
const KIND_FIELDS: [&str; 8] =
    ["app", "code", "status", "reason", "event", "url", "input", "reload"];

/// One line in full per kind and interval, and its sum: what stands for long leaves two lines a minute.
const SAMPLES: Allowance = Allowance { lines: 1, interval_max: Duration::from_secs(60) };

/// Of debug and trace, and of everything with `log.debug`: single peers are watched there.
const DETAILS: Allowance = Allowance { lines: 100, interval_max: Duration::from_secs(1) };

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// What a sum shows of its kind.
#[derive(Debug, Clone)]
struct Sample {
    metadata: &'static Metadata<'static>,
    content: LineContent,
}

/// Where lines go.
pub(super) trait LineSink: Send + Sync + 'static {
    /// Takes a line with its line end; never waits.
    fn take(&self, line: &str);
}

/// The lines of the process: their style, their limits, where they go.
pub(super) struct Lines<Q> {
    style: LineStyle,
    sink: Q,
    /// By level, so that no level crowds out the kinds of another.
    limits: [Mutex<LineLimit<Sample>>; 5],
    hashes: RandomState,
    /// Whether `log.debug` is set.
    shows_details: AtomicBool,
}

impl<Q: LineSink> Lines<Q> {
    pub(super) fn new(style: LineStyle, sink: Q) -> Self {
        let limits = LEVELS.map(|_| Mutex::new(LineLimit::new()));
        let hashes = RandomState::new();
        Self { style, sink, limits, hashes, shows_details: AtomicBool::new(false) }
    }

    /// With `log.debug`, everything is limited as debug is.
    pub(super) fn show_details(&self, config: &LogConfig) {
        self.shows_details.store(config.debug, Ordering::Relaxed);
    }

    pub(super) fn sink(&self) -> &Q {
        &self.sink
    }

    fn allowed(&self, level: Level) -> Allowance {
        match level > Level::INFO || self.shows_details.load(Ordering::Relaxed) {
            true => DETAILS,
            false => SAMPLES,
        }
    }

    /// Counts an event; true if it is to be written.
    fn admit(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let (kind, allowed) = (self.kind(event), self.allowed(*metadata.level()));
        let limit = &self.limits[index(*metadata.level())];
        if let Some(is_admitted) = limit.lock().admit(kind, allowed) {
            return is_admitted;
        }
        // Formatted without the lock: a value may be of any type.
        let content = LineContent::of(event, self.style, |name| KIND_FIELDS.contains(&name));
        limit.lock().admit_new(kind, Sample { metadata, content }, allowed, Instant::now())
    }

    fn kind(&self, event: &Event<'_>) -> u64 {
        let mut hasher = HashingVisitor(self.hashes.build_hasher());
        event.metadata().callsite().hash(&mut hasher.0);
        event.record(&mut hasher);
        hasher.0.finish()
    }

    /// Writes the sums that are due.
    pub(super) fn write_due_sums(&self, now: Instant) {
        for (limit, level) in self.limits.iter().zip(LEVELS) {
            let sums = limit.lock().take_sums(self.allowed(level), now);
            self.write_sums(sums);
        }
    }

    /// Writes the sums of all intervals, at the end of the process.
    pub(super) fn write_last_sums(&self) {
        for limit in &self.limits {
            let sums = limit.lock().end();
            self.write_sums(sums);
        }
    }

    fn write_sums(&self, sums: Vec<Sum<Sample>>) {
        for Sum { sample, count, within } in sums {
            let Some(Sample { metadata, mut content }) = sample else {
                tracing::warn!(
                    count,
                    "so many kinds of log lines occur that further ones are counted together: raise log.level"
                );
                continue;
            };
            content.message =
                format!("… and {} more of these: {}", grouped(count), content.message);
            content.push_number(self.style, "count", count);
            content.push_number(self.style, "within_ms", millis(within));
            self.sink.take(&line(self.style, metadata, &content));
        }
    }
}

/// Passes the events of the process to its [`Lines`].
pub(super) struct LineLayer<Q>(pub(super) Arc<Lines<Q>>);

impl<S: Subscriber, Q: LineSink> Layer<S> for LineLayer<Q> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.0.admit(event) {
            let style = self.0.style;
            let content = LineContent::of(event, style, |_| true);
            self.0.sink.take(&line(style, event.metadata(), &content));
        }
    }
}

fn index(level: Level) -> usize {
    LEVELS.iter().position(|other| *other == level).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Hashes the message and the fields of [`KIND_FIELDS`].
struct HashingVisitor<H>(H);

impl<H: Hasher> Visit for HashingVisitor<H> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" || KIND_FIELDS.contains(&field.name()) {
            field.name().hash(&mut self.0);
            let _ = write!(HashedText(&mut self.0), "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_hash(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_hash(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record_hash(field, value);
    }
}

impl<H: Hasher> HashingVisitor<H> {
    fn record_hash(&mut self, field: &Field, value: impl Hash) {
        if KIND_FIELDS.contains(&field.name()) {
            field.name().hash(&mut self.0);
            value.hash(&mut self.0);
        }
    }
}

struct HashedText<'a, H>(&'a mut H);

impl<H: Hasher> fmt::Write for HashedText<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1204, "1 204"), (1_000_000, "1 000 000")] {
            assert_eq!(grouped(number), text);
        }
    }
}
