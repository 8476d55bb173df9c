//! One connected client as the rules see it: a session whose actions are carried out on the hub.
//!
//! Transport-free and synchronous, so the same value runs under a TCP connection and in the
//! conformance transcripts. Dropping it leaves every channel: no way out of a connection can
//! forget that.

use std::sync::Arc;
use std::time::Instant;

use super::refusals::Refusals;
use super::{Channels, Node, Place, readable};
use crate::hub::{Hub, Outlet, PresenceFull};
use crate::metrics::Metrics;
use crate::protocol::close_code::CloseCode;
use crate::protocol::session::{Action, Session};
use crate::protocol::{Frame, SocketId, server_message};

/// A socket that was admitted and greeted.
pub struct Socket {
    place: Place,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
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
        let hub = place.channels().hub();
        let (session, greeting) = Session::open(hub.app().clone(), id, now);
        node.shards().open(id, outlet);
        answer.into_iter().for_each(|answer| hub.send(id, answer));
        hub.send(id, greeting);
        node.metrics().opened();
        tracing::debug!(target: "resound::stream", socket = %id, app = hub.app().id, "connection established");
        let (metrics, refusals) = (node.metrics().clone(), node.refusals.clone());
        Self { place, metrics, refusals, session }
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
        self.hear_refusals();
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

    fn channels(&self) -> &Channels {
        self.place.channels()
    }

    fn hub(&self) -> &Hub {
        self.channels().hub()
    }

    fn hear_refusals(&mut self) {
        for channel in self.refusals.take(self.id()) {
            self.session.forget(&channel);
        }
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
            Action::Refuse { .. } => refuse(self.hub(), &self.metrics, id, action),
            Action::Subscribe { channel, member } => {
                match self.channels().subscribe(id, &channel, member.as_ref(), now) {
                    Ok(()) => self.session.granted(&channel),
                    Err(PresenceFull) => {
                        let refusal = self.session.refused(&channel);
                        self.carry_out(refusal, now);
                    }
                }
            }
            Action::Confirm { channel } => self.channels().confirm(id, &channel),
            Action::Unsubscribe { channel, user_id } => {
                self.channels().unsubscribe(id, &channel, user_id.as_ref(), now);
            }
            Action::Publish(relay) => self.channels().publish(relay, id, now),
            Action::SignIn { user } => self.channels().sign_in(id, &user),
            Action::Close(code) => self.hub().end(id, code),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (id, now) = (self.id(), Instant::now());
        self.hear_refusals();
        if let Some(user) = self.session.user() {
            self.channels().sign_out(id, user, now);
        }
        for (channel, user_id) in self.session.leave() {
            self.place.channels().unsubscribe(id, &channel, user_id.as_ref(), now);
        }
        self.metrics.gone();
        tracing::debug!(target: "resound::stream", socket = %id, "connection closed");
    }
}

/// Tells a client that a subscription was not granted.
pub(super) fn refuse(hub: &Hub, metrics: &Metrics, id: SocketId, action: Action) {
    let Action::Refuse { channel, error } = action else { return };
    metrics.subscription_refused();
    tracing::info!(socket = %id, app = hub.app().id, channel, reason = error.error, "subscription refused");
    hub.send(id, server_message::subscription_error(&channel, &error));
    // Clients that do not know the event above wait for this one; 4009 as in Reverb.
    let text = if error.status == 401 { "Connection is unauthorized" } else { &error.error };
    let code = if error.status == 401 { 4009 } else { error.status };
    hub.send(id, server_message::error(code, text));
}
