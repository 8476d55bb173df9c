//! How many lines the log of this process has lost, for metrics and readiness.
//!
//! One number for the process, since it has one log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a loss is reported as the present state.
const RECENT: Duration = Duration::from_secs(60);

/// Lines that no log has.
#[derive(Debug)]
pub struct LogLosses {
    lines: AtomicU64,
    last: Mutex<Option<Instant>>,
}

/// The losses of the log that [`start`](super::start) has installed.
pub(super) static OF_THIS_PROCESS: LogLosses = LogLosses::new();

impl LogLosses {
    pub(super) const fn new() -> Self {
        Self { lines: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// The losses of the log of this process.
    pub fn of_this_process() -> &'static Self {
        &OF_THIS_PROCESS
    }

    pub(super) fn add(&self, lines: u64, now: Instant) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        *self.last.lock() = Some(now);
    }

    /// Lines lost since the start.
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Whether a line was lost within the last minute.
    pub fn are_recent(&self, now: Instant) -> bool {
        self.last.lock().is_some_and(|last| now.saturating_duration_since(last) < RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, LogLosses, RECENT};

    #[test]
    fn a_loss_is_recent_for_a_minute() {
        let (losses, now) = (LogLosses::new(), Instant::now());
        assert!(!losses.are_recent(now));
        losses.add(3, now);
        losses.add(2, now);
        assert_eq!(losses.lines(), 5);
        assert!(losses.are_recent(now));
        assert!(!losses.are_recent(now + RECENT));
    }
}
