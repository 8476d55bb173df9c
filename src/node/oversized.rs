//! The log of events whose data hosted Pusher would refuse: one line a minute for each event name.
//!
//! A back end that sends such events sends many of them. Each is delivered and counted.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::log_throttle::{LogThrottle, Suppressed};

const INTERVAL: Duration = Duration::from_secs(60);

/// The log of one app.
pub(super) struct Oversized {
    app_id: String,
    throttle: Mutex<LogThrottle<String>>,
}

impl Oversized {
    pub(super) fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), throttle: Mutex::new(LogThrottle::new(INTERVAL)) }
    }

    /// Counts an event above `limit` bytes, and logs it if it is the first of its name in the interval.
    pub(super) fn note(&self, event: &str, bytes: usize, limit: usize, now: Instant) {
        if self.throttle.lock().admit(event, now) {
            let app = &self.app_id;
            tracing::warn!(
                app,
                event,
                bytes,
                limit,
                "event data is larger than hosted Pusher accepts"
            );
        }
    }

    /// Logs the counts of the intervals that have ended.
    pub(super) fn tick(&self, limit: usize, now: Instant) {
        let suppressed = self.throttle.lock().take_suppressed(now);
        for Suppressed { kind: event, count } in suppressed {
            let app = &self.app_id;
            tracing::warn!(
                app,
                event,
                count,
                limit,
                "more event data is larger than hosted Pusher accepts"
            );
        }
    }
}
