//! One connected client as the rules see it: a session whose actions are carried out on the hub.
//!
//! Transport-free and synchronous, so the same value runs under a TCP connection and in the
//! conformance transcripts. Dropping it leaves every channel: no way out of a connection can
//! forget that.

use std::sync::Arc;
use std::time::Instant;

use super::{Node, readable};
use crate::hub::{Hub, Outlet, PresenceFull};
use crate::metrics::Metrics;
use crate::protocol::close_code::CloseCode;
use crate::protocol::session::{Action, Session};
use crate::protocol::{SocketId, server_message};

/// A socket that was admitted and greeted.
pub struct Socket {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    session: Session,
}

impl Socket {
    /// Takes a place among the app's sockets and greets the client through `outlet`; refused
    /// when the app has all the sockets it may have.
    pub fn open(
        node: &Node,
        hub: &Arc<Hub>,
        id: SocketId,
        now: Instant,
        outlet: impl FnOnce() -> Box<dyn Outlet>,
    ) -> Result<Self, CloseCode> {
        if !hub.reserve_socket() {
            return Err(CloseCode::OverConnectionLimit);
        }
        let (session, greeting) = Session::open(hub.app().clone(), id, now);
        node.shards().open(id, outlet());
        hub.send(id, greeting);
        node.metrics().opened();
        tracing::debug!(target: "resound::stream", socket = %id, app = hub.app().id, "connection established");
        Ok(Self { hub: hub.clone(), metrics: node.metrics().clone(), session })
    }

    /// The id the client was told.
    pub fn id(&self) -> SocketId {
        self.session.socket_id()
    }

    /// A text message arrived.
    pub fn receive(&mut self, text: &str, now: Instant) {
        self.metrics.received();
        if tracing::enabled!(target: "resound::stream", tracing::Level::DEBUG) {
            let message = readable(text);
            tracing::debug!(target: "resound::stream", socket = %self.id(), message, "message received");
        }
        for action in self.session.receive(text, now) {
            self.carry_out(action, now);
        }
    }

    /// A ping or pong frame arrived.
    pub fn heard_control_frame(&mut self, now: Instant) {
        self.session.heard_control_frame(now);
    }

    /// When [`tick`](Self::tick) is due next, whatever is heard until then.
    pub fn next_look(&self, now: Instant) -> Instant {
        self.session.next_look(now)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if let Some(action) = self.session.tick(now) {
            self.carry_out(action, now);
        }
    }

    /// The server closes the socket: the reason is said, then the close frame.
    pub fn end(&self, code: CloseCode) {
        self.hub.end(self.id(), code);
    }

    fn carry_out(&mut self, action: Action, now: Instant) {
        let id = self.id();
        match action {
            Action::Send(frame) => self.hub.send(id, frame),
            Action::Reject(error) => {
                self.metrics.message_rejected();
                tracing::info!(socket = %id, app = self.hub.app().id, code = error.code, reason = error.message, "message rejected");
                self.hub.send(id, server_message::error(error.code, &error.message));
            }
            Action::Refuse { channel, error } => {
                self.metrics.subscription_refused();
                tracing::info!(socket = %id, app = self.hub.app().id, channel, reason = error.error, "subscription refused");
                self.hub.send(id, server_message::subscription_error(&channel, &error));
                // Clients that do not know the event above wait for this one; 4009 as in Reverb.
                let text =
                    if error.status == 401 { "Connection is unauthorized" } else { &error.error };
                let code = if error.status == 401 { 4009 } else { error.status };
                self.hub.send(id, server_message::error(code, text));
            }
            Action::Subscribe { channel, member } => {
                match self.hub.subscribe(id, &channel, member.as_ref(), now) {
                    Ok(()) => self.session.granted(&channel),
                    Err(PresenceFull) => {
                        let refusal = self.session.refused(&channel);
                        self.carry_out(refusal, now);
                    }
                }
            }
            Action::Confirm { channel } => self.hub.confirm(id, &channel),
            Action::Unsubscribe { channel, user_id } => {
                self.hub.unsubscribe(id, &channel, user_id.as_ref(), now);
            }
            Action::Publish(relay) => self.hub.publish(relay, id),
            Action::SignIn { user, answer } => self.hub.sign_in(id, &user, answer),
            Action::Close(code) => self.hub.end(id, code),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (id, now) = (self.id(), Instant::now());
        if let Some(user) = self.session.user() {
            self.hub.sign_out(id, user);
        }
        for (channel, user_id) in self.session.leave() {
            self.hub.unsubscribe(id, &channel, user_id.as_ref(), now);
        }
        self.hub.release_socket();
        self.metrics.gone();
        tracing::debug!(target: "resound::stream", socket = %id, "connection closed");
    }
}
