//! The webhook events of an app, in memory.

use parking_lot::Mutex;
use resound::channel_rules::{WebhookEvent, WebhookSink};

/// Stores every webhook event until it is taken.
#[derive(Default)]
pub(crate) struct Record(Mutex<Vec<WebhookEvent>>);

impl Record {
    /// Everything since the last time.
    pub(crate) fn take(&self) -> Vec<WebhookEvent> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl WebhookSink for Record {
    fn send(&self, event: WebhookEvent) {
        self.0.lock().push(event);
    }
}
