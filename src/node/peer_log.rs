//! The log of refusals that clients cause.
//!
//! A client can repeat a refused request without end. The metrics count every refusal, and the log itself
//! bounds the lines of each app and code. What a client has chosen is cut, and no part of a message's text. Each
//! refusal is shown to those who look at the node, too.

use std::net::IpAddr;
use std::sync::Arc;

use super::message_log::cut;
use crate::explanation::Reason;
use crate::observation::{Observation, Refusal, RefusedPart};
use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::{CloseCode, SocketId};

/// The log of one app.
pub struct PeerLog {
    app_id: String,
    observation: Arc<Observation>,
}

impl PeerLog {
    pub(super) fn new(app_id: &str, observation: Arc<Observation>) -> Self {
        Self { app_id: app_id.to_owned(), observation }
    }

    /// A message was answered with an error.
    pub(super) fn message_rejected(&self, socket: SocketId, error: &ErrorEvent) {
        let (app, code, cause) = (&self.app_id, error.code, &error.message);
        tracing::info!(app, %socket, code, cause, "message rejected");
        self.show_error(RefusedPart::Message, socket, error);
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
        self.observation.refused(Some(app), || {
            let refusal = Refusal::new(RefusedPart::Subscription, because.unwrap_or(cause));
            let refusal = refusal.of_socket(socket).of_channel(channel).with_code(status);
            refusal.with_reason(reason.or(error.cause.label()))
        });
    }

    /// A sign-in was refused.
    pub(super) fn sign_in_refused(&self, socket: SocketId, error: &ErrorEvent) {
        let (app, code, cause) = (&self.app_id, error.code, &error.message);
        tracing::info!(app, %socket, code, cause, "sign-in refused");
        self.show_error(RefusedPart::SignIn, socket, error);
    }

    fn show_error(&self, part: RefusedPart, socket: SocketId, error: &ErrorEvent) {
        self.observation.refused(Some(&self.app_id), || {
            let refusal = Refusal::new(part, &error.message).of_socket(socket);
            refusal.with_code(error.code).with_reason(error.cause.label())
        });
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
