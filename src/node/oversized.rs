//! The log of events whose data hosted Pusher would refuse: one line a minute for each event name.
//!
//! A back end that sends such events sends many of them. Each is delivered and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::app::App;
use crate::log_throttle::{LogThrottle, Suppressed};

const INTERVAL: Duration = Duration::from_secs(60);

/// The log of one app.
pub(super) struct Oversized {
    app: Arc<App>,
    throttle: Mutex<LogThrottle<String>>,
}

impl Oversized {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, throttle: Mutex::new(LogThrottle::new(INTERVAL)) }
    }

    /// Counts an event, and logs it if it is the first of its name in the interval.
    pub(super) fn note(&self, event: &str, bytes: usize, now: Instant) {
        if self.throttle.lock().admit(event, now) {
            let (app, limit) = (&self.app.id, self.app.limits.event_data_warn_bytes);
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
    pub(super) fn tick(&self, now: Instant) {
        let suppressed = self.throttle.lock().take_suppressed(now);
        for Suppressed { kind: event, count } in suppressed {
            let (app, limit) = (&self.app.id, self.app.limits.event_data_warn_bytes);
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
