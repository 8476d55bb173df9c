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
use crate::protocol::{Frame, SocketId, server_message};

/// One of the sockets an app may have. Dropping it gives it back.
pub struct Place(Arc<Hub>);

impl Place {
    /// Takes one, unless the app has all it may have.
    pub fn take(hub: &Arc<Hub>) -> Result<Self, CloseCode> {
        let taken = hub.reserve_socket().then(|| Self(hub.clone()));
        taken.ok_or(CloseCode::OverConnectionLimit)
    }

    /// The hub it is on.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.release_socket();
    }
}

/// A socket that was admitted and greeted.
pub struct Socket {
    place: Place,
    metrics: Arc<Metrics>,
    session: Session,
}

impl Socket {
    /// Greets a client through `outlet`, behind the `answer` to its handshake.
    pub fn open(
        node: &Node,
        place: Place,
        id: SocketId,
        now: Instant,
        outlet: Arc<dyn Outlet>,
        answer: Option<Frame>,
    ) -> Self {
        let hub = place.hub();
        let (session, greeting) = Session::open(hub.app().clone(), id, now);
        node.shards().open(id, outlet);
        answer.into_iter().for_each(|answer| hub.send(id, answer));
        hub.send(id, greeting);
        node.metrics().opened();
        tracing::debug!(target: "resound::stream", socket = %id, app = hub.app().id, "connection established");
        Self { metrics: node.metrics().clone(), session, place }
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
        self.hub().end(self.id(), code);
    }

    fn hub(&self) -> &Hub {
        &self.place.0
    }

    fn carry_out(&mut self, action: Action, now: Instant) {
        let id = self.id();
        match action {
            Action::Send(frame) => self.hub().send(id, frame),
            Action::Reject(error) => {
                self.metrics.message_rejected();
                tracing::info!(socket = %id, app = self.hub().app().id, code = error.code, reason = error.message, "message rejected");
                self.hub().send(id, server_message::error(error.code, &error.message));
            }
            Action::Refuse { channel, error } => {
                self.metrics.subscription_refused();
                tracing::info!(socket = %id, app = self.hub().app().id, channel, reason = error.error, "subscription refused");
                self.hub().send(id, server_message::subscription_error(&channel, &error));
                // Clients that do not know the event above wait for this one; 4009 as in Reverb.
                let text =
                    if error.status == 401 { "Connection is unauthorized" } else { &error.error };
                let code = if error.status == 401 { 4009 } else { error.status };
                self.hub().send(id, server_message::error(code, text));
            }
            Action::Subscribe { channel, member } => {
                match self.hub().subscribe(id, &channel, member.as_ref(), now) {
                    Ok(()) => self.session.granted(&channel),
                    Err(PresenceFull) => {
                        let refusal = self.session.refused(&channel);
                        self.carry_out(refusal, now);
                    }
                }
            }
            Action::Confirm { channel } => self.hub().confirm(id, &channel),
            Action::Unsubscribe { channel, user_id } => {
                self.hub().unsubscribe(id, &channel, user_id.as_ref(), now);
            }
            Action::Publish(relay) => self.hub().publish(relay, id),
            Action::SignIn { user, answer } => self.hub().sign_in(id, &user, answer),
            Action::Close(code) => self.hub().end(id, code),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (id, now) = (self.id(), Instant::now());
        if let Some(user) = self.session.user() {
            self.hub().sign_out(id, user);
        }
        for (channel, user_id) in self.session.leave() {
            self.place.hub().unsubscribe(id, &channel, user_id.as_ref(), now);
        }
        self.metrics.gone();
        tracing::debug!(target: "resound::stream", socket = %id, "connection closed");
    }
}
