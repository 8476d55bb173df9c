//! One connected client as the rules see it: a session whose actions are carried out on the hub.
//!
//! Transport-free and synchronous, so the same value runs under a TCP connection and in the
//! conformance transcripts. Dropping it leaves every channel: no way out of a connection can
//! forget that.

use std::sync::Arc;
use std::time::Instant;

use super::channels::JoinAnswer;
use super::refusals::Refusals;
use super::{Channels, Node, PendingJoins, Place, readable};
use crate::hub::{Hub, PresenceFull, Transport};
use crate::metrics::Metrics;
use crate::protocol::close_code::CloseCode;
use crate::protocol::server_message::SubscriptionError;
use crate::protocol::session::{Action, Addressee, Session};
use crate::protocol::{ClientLibrary, Frame, SocketId, server_message};

/// A socket that was admitted and greeted.
pub struct Socket {
    place: Place,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
    session: Session,
    /// Joins that were requested of the cluster since [`pending_joins`](Self::pending_joins) last
    /// returned a wait.
    joins: u32,
}

/// A client that has its place.
pub struct Arrival {
    /// The place.
    pub place: Place,
    /// The id it is given.
    pub id: SocketId,
    /// What it is built on.
    pub library: ClientLibrary,
    /// The way to it.
    pub transport: Arc<dyn Transport>,
    /// The answer to its handshake, which goes before the greeting.
    pub answer: Option<Frame>,
}

/// Joins that one socket may have requested without waiting for the cluster: each may be answered
/// with a roster or a cached event, and no bound of the outbox applies to answers.
const JOINS_PENDING_MAX: u32 = 16;

impl Socket {
    /// Greets a client.
    pub fn open(node: &Node, arrival: Arrival, now: Instant) -> Self {
        let Arrival { place, id, library, transport, answer } = arrival;
        let hub = place.channels().hub();
        let (session, greeting) = Session::open(hub.app().clone(), id, library, now);
        node.shards().open(id, transport);
        for frame in answer.into_iter().chain([greeting]) {
            hub.answer(id, frame);
        }
        node.metrics().socket_opened();
        tracing::debug!(target: "resound::stream", socket = %id, app = hub.app().id, "connection established");
        let (metrics, refusals) = (node.metrics().clone(), node.refusals.clone());
        Self { place, metrics, refusals, session, joins: 0 }
    }

    /// The id the client was told.
    pub fn id(&self) -> SocketId {
        self.session.socket_id()
    }

    /// A text message arrived. Returns the bytes of the answers that were queued for it.
    pub fn receive(&mut self, text: &str, now: Instant) -> usize {
        self.metrics.messages_received.inc();
        if tracing::enabled!(target: "resound::stream", tracing::Level::DEBUG) {
            let message = readable(text);
            tracing::debug!(target: "resound::stream", socket = %self.id(), message, "message received");
        }
        self.hear_refusals();
        let actions = self.session.receive(text, now);
        actions.into_iter().map(|action| self.carry_out(action, now)).sum()
    }

    /// A ping or pong frame arrived.
    pub fn control_frame(&mut self, now: Instant) {
        if let Some(action) = self.session.receive_control_frame(now) {
            self.carry_out(action, now);
        }
    }

    /// A sign of life that is no message.
    pub fn heard(&mut self, now: Instant) {
        self.session.record_activity(now);
    }

    /// What to wait for before the next message, if the cluster has many joins of this socket to
    /// decide.
    pub fn pending_joins(&mut self) -> Option<PendingJoins> {
        if self.joins < JOINS_PENDING_MAX {
            return None;
        }
        self.joins = 0;
        self.channels().pending_joins()
    }

    /// When [`tick`](Self::tick) is due next, whatever is heard until then.
    pub fn next_look(&self, now: Instant) -> Instant {
        self.session.next_tick(now)
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
            self.session.forget_subscription(&channel);
        }
    }

    /// Returns the bytes of the answers that were queued.
    fn carry_out(&mut self, action: Action, now: Instant) -> usize {
        let id = self.id();
        match action {
            Action::Send(frame) => return self.hub().answer(id, frame),
            Action::Reject(error) => {
                self.metrics.messages_rejected.inc();
                self.channels().peer_log().message_rejected(id, &error);
                return self.hub().answer(id, server_message::error(error.code, &error.message));
            }
            Action::Refuse { channel, error, addressee } => {
                self.metrics.subscriptions_refused.inc();
                self.channels().peer_log().subscription_refused(id, &channel, &error);
                return match addressee {
                    Addressee::Channel => refuse(self.hub(), id, &channel, &error),
                    Addressee::Connection => {
                        let frame = server_message::error(code(&error), &error.error);
                        self.hub().answer(id, frame)
                    }
                };
            }
            Action::RefuseSignIn(error) => {
                self.channels().peer_log().sign_in_refused(id, &error);
                self.hub().answer(id, server_message::error(error.code, &error.message));
                self.hub().end(id, CloseCode::SignInRefused);
            }
            Action::Subscribe { channel, member } => {
                match self.channels().subscribe(id, &channel, member.as_ref(), now) {
                    Ok(answer) => {
                        self.session.subscription_granted(&channel);
                        return self.answered(answer);
                    }
                    Err(PresenceFull) => {
                        let refusal = self.session.subscription_refused(&channel);
                        return self.carry_out(refusal, now);
                    }
                }
            }
            Action::Confirm { channel } => {
                let answer = self.channels().confirm(id, &channel);
                return self.answered(answer);
            }
            Action::Unsubscribe { channel, user_id } => {
                self.channels().unsubscribe(id, &channel, user_id.as_ref(), now);
            }
            Action::Publish(relay) => self.channels().publish(relay, id, now),
            Action::SignIn { user } => self.channels().sign_in(id, &user),
            Action::Close(code) => self.hub().end(id, code),
        }
        0
    }

    fn answered(&mut self, answer: JoinAnswer) -> usize {
        match answer {
            JoinAnswer::Queued { bytes } => bytes,
            JoinAnswer::Pending => {
                self.joins += 1;
                0
            }
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
        for (channel, user_id) in self.session.take_subscriptions() {
            self.place.channels().unsubscribe(id, &channel, user_id.as_ref(), now);
        }
        self.metrics.socket_released();
        tracing::debug!(target: "resound::stream", socket = %id, "connection closed");
    }
}

/// Answers a client whose subscription was not granted; returns the bytes of the answer.
pub(super) fn refuse(hub: &Hub, id: SocketId, channel: &str, error: &SubscriptionError) -> usize {
    let bytes = hub.answer(id, server_message::subscription_error(channel, error));
    // Clients that do not know the event above wait for this one; 4009 as in Reverb.
    let text = if error.status == 401 { "Connection is unauthorized" } else { &error.error };
    bytes + hub.answer(id, server_message::error(code(error), text))
}

/// The code of the `pusher:error`.
fn code(error: &SubscriptionError) -> u16 {
    if error.status == 401 { 4009 } else { error.status }
}
