//! Events above the size that hosted Pusher refuses: logged once a minute for each event name.
//!
//! A back end that sends such events sends many of them; each is delivered and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::app::App;
use crate::repeats::{Repeated, Repeats};

const INTERVAL: Duration = Duration::from_secs(60);

/// Those of one app.
pub(super) struct Oversized {
    app: Arc<App>,
    repeats: Mutex<Repeats<String>>,
}

impl Oversized {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, repeats: Mutex::new(Repeats::new(INTERVAL)) }
    }

    /// One was accepted.
    pub(super) fn note(&self, event: &str, bytes: usize, now: Instant) {
        if self.repeats.lock().note(event, now) {
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
        let ended = self.repeats.lock().ended(now);
        for Repeated { kind: event, count } in ended {
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
