//! The log of refusals that clients cause.
//!
//! A client can repeat a refused request without end. The metrics count every refusal, and the log itself
//! bounds the lines of each app and code. What a client has chosen is cut, and no part of a message's text.

use std::net::IpAddr;

use super::message_log::cut;
use crate::explanation::Reason;
use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::{CloseCode, SocketId};

/// The log of one app.
pub struct PeerLog {
    app_id: String,
}

impl PeerLog {
    pub(super) fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned() }
    }

    /// A message was answered with an error.
    pub(super) fn message_rejected(&self, socket: SocketId, error: &ErrorEvent) {
        let (app, code, cause) = (&self.app_id, error.code, &error.message);
        tracing::info!(app, %socket, code, cause, "message rejected");
    }

    /// A subscription was refused.
    pub(super) fn subscription_refused(
        &self,
        socket: SocketId,
        channel: &str,
        error: &SubscriptionError,
        reason: Option<&Reason>,
    ) {
        let (app, channel) = (&self.app_id, &*cut(channel));
        let (status, cause) = (error.status, &error.error);
        let found = reason.filter(|reason| reason.sentence != *cause);
        let (reason, because) =
            (found.map(|found| found.code), found.map(|found| &*found.sentence));
        tracing::info!(app, %socket, channel, status, cause, reason, because, "subscription refused");
    }

    /// A sign-in was refused.
    pub(super) fn sign_in_refused(&self, socket: SocketId, error: &ErrorEvent) {
        let (app, code, cause) = (&self.app_id, error.code, &error.message);
        tracing::info!(app, %socket, code, cause, "sign-in refused");
    }

    /// A handshake was refused with a close code.
    pub fn connection_refused(
        &self,
        code: CloseCode,
        origin: Option<&str>,
        client: Option<IpAddr>,
    ) {
        let (app, origin) = (&self.app_id, origin.map(cut));
        let (code, cause, client) =
            (code.code(), code.reason(), client.map(tracing::field::display));
        let origin = origin.as_deref();
        tracing::info!(app, code, cause, origin, client, "connection refused");
    }
}
