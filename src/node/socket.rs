//! One connected client: a session whose actions are carried out on the app's channels.
//!
//! Transport-free and synchronous, so the same value runs under a TCP connection and in the conformance
//! transcripts. Dropping it leaves every channel, so no end of a connection can omit that.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::channels::Channels;
use super::connection_permit::ConnectionPermit;
use super::coordinator::JoinAnswer;
use super::decisions::Decision;
use super::message_log::readable;
use super::pending_joins::PendingJoins;
use crate::hub::{Hub, PresenceFull, SessionSketch, Transport};
use crate::protocol::close_code::CloseCode;
use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::session::{Action, Addressee, Session};
use crate::protocol::{ChannelName, ClientLibrary, Frame, Member, SocketId, server_message};

/// A socket whose handshake was accepted.
pub struct Socket {
    permit: ConnectionPermit,
    session: Session,
    /// Joins that were requested of the cluster since [`pending_joins`](Self::pending_joins) last
    /// returned a wait.
    joins: u32,
    /// It has left every channel.
    is_closed: bool,
}

/// A client whose socket may open.
pub struct Arrival {
    /// The permit of its app.
    pub permit: ConnectionPermit,
    /// The id of the new socket.
    pub id: SocketId,
    /// Its address, if it is known; for the log and for lists.
    pub client: Option<IpAddr>,
    /// The library that the client uses.
    pub library: ClientLibrary,
    /// The write side of its connection.
    pub transport: Arc<dyn Transport>,
    /// The answer to its handshake, which precedes `connection_established`.
    pub answer: Option<Frame>,
}

/// Joins that one socket may have requested without waiting for the cluster: each may be answered
/// with a roster or a cached event, and no bound of the outbox applies to answers.
const JOINS_PENDING_MAX: u32 = 16;

/// Channels of a socket that a viewer sees.
const SHOWN_CHANNELS_MAX: usize = 100;

impl Socket {
    /// Opens a socket and sends it `connection_established`.
    pub fn open(arrival: Arrival, now: Instant) -> Self {
        let Arrival { permit, id, client, library, transport, answer } = arrival;
        let channels = permit.channels();
        let app = Arc::clone(&channels.app());
        let (session, established) = Session::open(app, id, library, now);
        channels.hub().open(id, transport, client);
        for frame in answer.into_iter().chain([established]) {
            channels.hub().answer(id, frame);
        }
        channels.app_metrics().socket_opened();
        channels.hub().history().sockets().opened(id);
        channels.activity().opened(id, client);
        let client = client.map(tracing::field::display);
        tracing::debug!(target: "resound::stream", socket = %id, app = channels.app().id, client, "connection established");
        Self { permit, session, joins: 0, is_closed: false }
    }

    /// The id of the socket.
    pub fn id(&self) -> SocketId {
        self.session.socket_id()
    }

    /// A text message arrived. Returns the bytes of the answers that were queued for it.
    pub fn receive(&mut self, text: &str, now: Instant) -> usize {
        self.channels().app_metrics().messages_received.inc();
        if tracing::enabled!(target: "resound::stream", tracing::Level::DEBUG) {
            let text = readable(text);
            tracing::debug!(target: "resound::stream", socket = %self.id(), text, "message received");
        }
        self.take_changes();
        let actions = self.session.receive(text, now);
        actions.into_iter().map(|action| self.carry_out(action, now)).sum()
    }

    /// A ping or pong frame arrived.
    pub fn control_frame(&mut self, now: Instant) {
        self.take_changes();
        if let Some(action) = self.session.receive_control_frame(now) {
            self.carry_out(action, now);
        }
    }

    /// The client is alive for another reason than a message, such as bytes it accepted.
    pub fn record_activity(&mut self, now: Instant) {
        self.session.record_activity(now);
    }

    /// The wait before the next message, if the cluster has many joins of this socket to decide.
    pub fn pending_joins(&mut self) -> Option<PendingJoins> {
        if self.joins < JOINS_PENDING_MAX {
            return None;
        }
        self.joins = 0;
        self.channels().coordinator().pending_joins()
    }

    /// When to call [`tick`](Self::tick), whatever arrives until then.
    pub fn next_tick(&self, now: Instant) -> Instant {
        self.session.next_tick(now)
    }

    /// Pings or closes the client if that is due.
    pub fn tick(&mut self, now: Instant) {
        self.take_changes();
        if let Some(action) = self.session.tick(now) {
            self.carry_out(action, now);
        }
    }

    /// Sends the client the reason, then closes the socket.
    pub fn end(&self, code: CloseCode) {
        self.hub().end(self.id(), code);
    }

    /// Answers those who ask for its user and its channels.
    pub fn describe(&self) {
        let sketch = SessionSketch {
            user_id: self.session.user().map(|user| user.id.clone()),
            channels: self.session.subscriptions(SHOWN_CHANNELS_MAX),
            channel_count: self.session.subscription_count(),
        };
        self.hub().shards().sketch_requests().answer(self.id(), &sketch);
    }

    fn channels(&self) -> &Channels {
        self.permit.channels()
    }

    fn hub(&self) -> &Hub {
        self.channels().hub()
    }

    /// Brings the session up to date with the settings of its app and with what the cluster has decided.
    fn take_changes(&mut self) {
        let id = self.id();
        self.session.set_app(&self.permit.channels().app());
        for decision in self.permit.channels().decisions().take(id) {
            match decision {
                Decision::Granted(channel) => self.session.subscription_granted(&channel),
                Decision::Refused(channel) => {
                    if let Some(user_id) = self.session.subscription_withdrawn(&channel) {
                        self.hub().left_as(&user_id, id);
                    }
                }
            }
        }
    }

    /// Returns the bytes of the answers that were queued.
    fn carry_out(&mut self, action: Action, now: Instant) -> usize {
        let id = self.id();
        match action {
            Action::Send(frame) => return self.hub().answer(id, frame),
            Action::Reject(error) => return self.reject(&error),
            Action::Refuse { channel, error, addressee, claim } => {
                let channels = self.channels();
                let claim = claim.as_deref();
                let reason = channels.reason_of_refusal(id, &channel, &error, claim, now);
                channels.peer_log().subscription_refused(id, &channel, &error, reason.as_ref());
                return self.refuse(&channel, &error, addressee);
            }
            Action::RefuseSignIn(error) => {
                self.channels().metrics().sockets.refused("sign_in", error.cause);
                self.channels().peer_log().sign_in_refused(id, &error);
                self.hub().answer(id, server_message::error(error.code, &error.message));
                self.hub().end(id, CloseCode::SignInRefused);
            }
            Action::Subscribe { channel, member } => {
                return self.subscribe(&channel, member.as_ref(), now);
            }
            Action::Confirm { channel } => {
                let answer = self.channels().coordinator().confirm(id, &channel);
                return self.queued_bytes(answer);
            }
            Action::Unsubscribe { channel, user_id } => {
                let coordinator = self.channels().coordinator();
                coordinator.unsubscribe(id, &channel, user_id.as_ref(), now);
                self.channels().activity().left(id, &channel, user_id.as_deref());
            }
            Action::Publish(relay) => {
                self.channels().client_event(relay, id, now);
            }
            Action::SignIn { user, answer, cut } => {
                let cut = cut.map(|error| self.rejected(&error));
                return self.channels().coordinator().sign_in(id, &user, [Some(answer), cut]);
            }
            Action::ConfirmSignIn(answer) => {
                return self.channels().coordinator().confirm_sign_in(id, answer);
            }
            Action::Close(code) => self.hub().end(id, code),
        }
        0
    }

    fn subscribe(&mut self, channel: &ChannelName, member: Option<&Member>, now: Instant) -> usize {
        let answer = self.channels().coordinator().subscribe(self.id(), channel, member, now);
        match answer {
            Ok(answer) => {
                match answer {
                    JoinAnswer::Queued { .. } => {
                        let user_id = member.map(|member| &*member.user_id);
                        self.channels().activity().joined(self.id(), channel, user_id);
                        self.session.subscription_granted(channel);
                    }
                    JoinAnswer::Pending => self.session.subscription_pending(channel),
                }
                self.queued_bytes(answer)
            }
            Err(PresenceFull) => {
                let refusal = self.session.subscription_refused(channel);
                self.carry_out(refusal, now)
            }
        }
    }

    fn queued_bytes(&mut self, answer: JoinAnswer) -> usize {
        match answer {
            JoinAnswer::Queued { bytes } => bytes,
            JoinAnswer::Pending => {
                self.joins += 1;
                0
            }
        }
    }

    fn reject(&self, error: &ErrorEvent) -> usize {
        self.hub().answer(self.id(), self.rejected(error))
    }

    /// Counts and logs a rejection; the frame that says it.
    fn rejected(&self, error: &ErrorEvent) -> Frame {
        let metrics = &self.channels().metrics().sockets;
        metrics.messages_rejected.inc();
        metrics.refused("message", error.cause);
        self.channels().peer_log().message_rejected(self.id(), error);
        server_message::error(error.code, &error.message)
    }

    fn refuse(&self, channel: &str, error: &SubscriptionError, addressee: Addressee) -> usize {
        self.channels().metrics().sockets.subscription_refused(error.cause);
        match addressee {
            Addressee::Channel => send_refusal(self.hub(), self.id(), channel, error),
            Addressee::Connection => {
                let frame = server_message::error(error_code(error), &error.error);
                self.hub().answer(self.id(), frame)
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.is_closed {
            self.leave_all(Instant::now());
        }
    }
}

impl Socket {
    /// Leaves every channel, at this time. Dropping does the same at the present one.
    pub fn close(mut self, now: Instant) {
        self.leave_all(now);
    }

    fn leave_all(&mut self, now: Instant) {
        let id = self.id();
        self.is_closed = true;
        let channels = self.permit.channels();
        let coordinator = channels.coordinator();
        if let Some(user) = self.session.user() {
            coordinator.sign_out(id, user, now);
        }
        for (channel, user_id) in self.session.take_subscriptions() {
            coordinator.unsubscribe(id, &channel, user_id.as_ref(), now);
            channels.activity().left(id, &channel, user_id.as_deref());
        }
        // After the leaves: the cluster decides nothing further for this socket.
        channels.decisions().take(id);
        channels.app_metrics().socket_released();
        channels.hub().history().sockets().closed(id);
        tracing::debug!(target: "resound::stream", socket = %id, "connection closed");
    }
}

/// Answers a subscription that was refused; returns the bytes of the answer.
pub(super) fn send_refusal(
    hub: &Hub,
    id: SocketId,
    channel: &str,
    error: &SubscriptionError,
) -> usize {
    let bytes = hub.answer(id, server_message::subscription_error(channel, error));
    // Clients without support for `pusher:subscription_error` wait for this one; 4009 as in Reverb.
    let text = if error.status == 401 { "Connection is unauthorized" } else { &error.error };
    bytes + hub.answer(id, server_message::error(error_code(error), text))
}

/// The code of the `pusher:error`.
fn error_code(error: &SubscriptionError) -> u16 {
    if error.status == 401 { 4009 } else { error.status }
}
