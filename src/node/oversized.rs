//! Events above the size that hosted Pusher refuses: logged once a minute for each event name.
//!
//! A back end that sends such events sends many of them; each is delivered and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::app::App;
use crate::log_throttle::{LogThrottle, Suppressed};

const INTERVAL: Duration = Duration::from_secs(60);

/// Those of one app.
pub(super) struct Oversized {
    app: Arc<App>,
    throttle: Mutex<LogThrottle<String>>,
}

impl Oversized {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, throttle: Mutex::new(LogThrottle::new(INTERVAL)) }
    }

    /// One was accepted.
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

    /// Logs how many more there were in each minute that has ended.
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
