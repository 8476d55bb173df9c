//! The log of refusals that clients cause: the first of a kind in a second with its details, the others
//! with their count.
//!
//! A client can repeat a refused request without end. The metrics count every refusal, and `--debug` logs
//! each.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::message_log::cut;
use crate::log_throttle::{LogThrottle, Suppressed};
use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::{CloseCode, SocketId};

const INTERVAL: Duration = Duration::from_secs(1);

/// The log of one app.
pub struct PeerLog {
    app_id: String,
    throttle: Mutex<LogThrottle<Refusal>>,
}

/// A kind of refusal, and its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Refusal {
    Message(u16),
    Subscription(u16),
    SignIn,
    Connection(u16),
}

/// Logs one refusal in full: at info if it is the first of its kind in the interval, else at debug.
macro_rules! refused {
    ($log:expr, $refusal:expr, $text:literal, $($field:tt)*) => {
        if $log.is_first($refusal) {
            tracing::info!(app = $log.app_id, $($field)*, $text);
        } else {
            tracing::debug!(target: "resound::stream", app = $log.app_id, $($field)*, $text);
        }
    };
}

impl PeerLog {
    pub(super) fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), throttle: Mutex::new(LogThrottle::new(INTERVAL)) }
    }

    /// A message was answered with an error.
    pub(super) fn message_rejected(&self, socket: SocketId, error: &ErrorEvent) {
        let (code, reason) = (error.code, &error.message);
        refused!(self, Refusal::Message(code), "message rejected", %socket, code, reason);
    }

    /// A subscription was refused.
    pub(super) fn subscription_refused(
        &self,
        socket: SocketId,
        channel: &str,
        error: &SubscriptionError,
    ) {
        let (channel, status, reason) = (cut(channel), error.status, &error.error);
        let refusal = Refusal::Subscription(status);
        refused!(self, refusal, "subscription refused", %socket, channel, status, reason);
    }

    /// A sign-in was refused.
    pub(super) fn sign_in_refused(&self, socket: SocketId, error: &ErrorEvent) {
        let (code, reason) = (error.code, &error.message);
        refused!(self, Refusal::SignIn, "sign-in refused", %socket, code, reason);
    }

    /// A handshake was refused with a close code.
    pub fn connection_refused(&self, code: CloseCode, origin: Option<&str>) {
        let (code, reason) = (code.code(), code.reason());
        refused!(self, Refusal::Connection(code), "connection refused", code, reason, origin);
    }

    /// Logs the counts of the intervals that have ended.
    pub(super) fn tick(&self, now: Instant) {
        let suppressed = self.throttle.lock().take_suppressed(now);
        let app = &self.app_id;
        for Suppressed { kind, count } in suppressed {
            match kind {
                Some(Refusal::Message(code)) => {
                    tracing::info!(app, code, count, "more messages rejected");
                }
                Some(Refusal::Subscription(status)) => {
                    tracing::info!(app, status, count, "more subscriptions refused");
                }
                Some(Refusal::SignIn) => {
                    tracing::info!(app, count, "more sign-ins refused");
                }
                Some(Refusal::Connection(code)) => {
                    tracing::info!(app, code, count, "more connections refused");
                }
                None => tracing::info!(app, count, "more refusals"),
            }
        }
    }

    fn is_first(&self, refusal: Refusal) -> bool {
        self.throttle.lock().admit(&refusal, Instant::now())
    }
}
