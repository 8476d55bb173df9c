//! The state machine of one socket: a message or the time goes in, [`Action`]s come out.
//!
//! Owns the subscriptions of the socket, its user, its rate limits and its liveness. The caller
//! carries out the actions in order and reports whether the channel granted a subscription; channels,
//! rosters and transports are not visible from here.

use std::sync::Arc;
use std::time::Instant;

use super::client_message::{ClientEvent, ClientMessage, SignIn, Subscribe};
use super::liveness::Liveness;
use super::rate_limit::{FLOOD_RATE, FixedWindow, TokenBucket, TokenRate};
use super::server_message::{self, OutboundEvent, SubscriptionError};
use super::signature;
use super::{ChannelName, ChannelType, ClientLibrary, CloseCode, Frame, Member, RefusalCause};
use super::{SocketId, User};
use crate::app::{App, ClientEvents};

mod action;
mod refusal;
mod subscriptions;

pub use action::{Action, Addressee, AuthClaim, Relay};
pub use refusal::presence_full;

use refusal::{
    FLOODING, error_event, limit_reached, refuse_sign_in, reject, reject_beyond, unsupported,
};
use subscriptions::Subscriptions;

/// The protocol state of one socket.
#[derive(Debug)]
pub struct Session {
    app: Arc<App>,
    socket_id: SocketId,
    subscriptions: Subscriptions,
    /// Boxed: most sockets sign in as no user, and the state of an idle one stays 64 bytes smaller.
    user: Option<Box<User>>,
    /// When the socket is closed unless `is_authorized`.
    authorize_by: Option<Instant>,
    /// Whether it has signed in or joined a channel that needs a signature.
    is_authorized: bool,
    library: ClientLibrary,
    messages: FixedWindow,
    client_events: TokenBucket,
    /// Messages that reached no other client.
    unrelayed: TokenBucket,
    liveness: Liveness,
}

impl Session {
    /// The session of a new socket, and the first message to send on it.
    pub fn open(
        app: Arc<App>,
        socket_id: SocketId,
        library: ClientLibrary,
        now: Instant,
    ) -> (Self, Frame) {
        let established = server_message::connection_established(socket_id, app.activity_timeout);
        let session = Self {
            socket_id,
            subscriptions: Subscriptions::default(),
            user: None,
            authorize_by: app.authorization_timeout.map(|timeout| now + timeout),
            is_authorized: false,
            library,
            messages: FixedWindow::default(),
            client_events: TokenBucket::default(),
            unrelayed: TokenBucket::default(),
            liveness: Liveness::new(now),
            app,
        };
        (session, established)
    }

    /// The settings of the app have been replaced. They apply from here on; the times that were
    /// announced or set at the start stay.
    pub fn set_app(&mut self, app: &Arc<App>) {
        if !Arc::ptr_eq(&self.app, app) {
            self.app = app.clone();
        }
    }

    /// The id of the socket.
    pub fn socket_id(&self) -> SocketId {
        self.socket_id
    }

    /// A text message arrived: the actions it causes.
    pub fn receive(&mut self, text: &str, now: Instant) -> Vec<Action> {
        self.record_activity(now);
        if let Some(rate) = self.app.limits.messages
            && !self.messages.allow(rate, now)
        {
            let closes = rate.terminate_on_limit || self.exceeds_flood_rate(now);
            let (close, text) = (CloseCode::RateLimited, "Rate limit exceeded");
            let rejection = || reject_beyond("rate_limiting", text);
            return vec![if closes { Action::Close(close) } else { rejection() }];
        }
        let message = ClientMessage::parse(text);
        let is_event = matches!(message, Ok(ClientMessage::ClientEvent(_)));
        // Checked first: a subscription that is not carried out must not be stored.
        if !is_event && self.exceeds_flood_rate(now) {
            return vec![FLOODING];
        }
        match message {
            Ok(ClientMessage::Ping) => vec![Action::Send(server_message::pong())],
            Ok(ClientMessage::Pong) => Vec::new(),
            Ok(ClientMessage::Subscribe(subscribe)) => vec![self.subscribe(&subscribe)],
            Ok(ClientMessage::Unsubscribe { channel }) => self.unsubscribe(&channel),
            Ok(ClientMessage::SignIn(sign_in)) => self.sign_in(&sign_in),
            Ok(ClientMessage::ClientEvent(event)) => vec![self.relay(&event, now)],
            Ok(ClientMessage::Unsupported { event }) => vec![unsupported(&event)],
            Err(invalid) => vec![reject(4200, format!("Invalid message format: {invalid}"))],
        }
    }

    /// The client is alive for another reason than a message, such as bytes it accepted.
    pub fn record_activity(&mut self, now: Instant) {
        self.liveness.record_activity(now);
    }

    /// A ping or pong frame arrived.
    pub fn receive_control_frame(&mut self, now: Instant) -> Option<Action> {
        self.liveness.record_control_frame(now);
        self.exceeds_flood_rate(now).then_some(FLOODING)
    }

    /// When [`tick`](Self::tick) has to be called if the client sends nothing until then.
    pub fn deadline(&self) -> Instant {
        let liveness = self.liveness.deadline(self.app.ping_interval, self.app.pong_timeout);
        self.authorization_deadline().map_or(liveness, |authorize_by| authorize_by.min(liveness))
    }

    /// When to call [`tick`](Self::tick), given that messages do not move the timer: an answer to a ping
    /// brings the deadline forward, at most to one ping interval from now.
    pub fn next_tick(&self, now: Instant) -> Instant {
        self.deadline().min(now + self.app.ping_interval)
    }

    /// At the deadline: pings a silent client, or closes one that did not answer or authorize in time.
    pub fn tick(&mut self, now: Instant) -> Option<Action> {
        if now < self.deadline() {
            return None;
        }
        if self.authorization_deadline().is_some_and(|authorize_by| authorize_by <= now) {
            return Some(Action::Close(CloseCode::NotAuthorizedInTime));
        }
        Some(match self.liveness.ping(now, self.app.pong_timeout) {
            Some(ping) => Action::Send(ping),
            None => Action::Close(CloseCode::PongNotReceived),
        })
    }

    /// A subscription that the session allowed is pending until it is granted or withdrawn.
    pub fn subscription_pending(&mut self, channel: &ChannelName) {
        self.subscriptions.set_pending(channel);
    }

    /// A subscription is granted, at once or after it was pending.
    pub fn subscription_granted(&mut self, channel: &ChannelName) {
        self.is_authorized |= self.subscriptions.grant(channel) && channel.needs_auth();
    }

    /// The channel is full and refused a subscription that the session had allowed.
    pub fn subscription_refused(&mut self, channel: &ChannelName) -> Action {
        self.subscriptions.remove(channel.as_str());
        self.refuse(channel.as_str(), presence_full(self.app.limits.presence_members), None)
    }

    /// A pending subscription is refused, and the client has its answer. Returns the user id of the
    /// member.
    pub fn subscription_withdrawn(&mut self, channel: &ChannelName) -> Option<Arc<str>> {
        self.subscriptions.withdraw(channel)
    }

    /// The user that the socket is signed in as.
    pub fn user(&self) -> Option<&User> {
        self.user.as_deref()
    }

    /// So many of its channels, granted or pending, with the user id of the member, in order of name.
    pub fn subscriptions(&self, most: usize) -> Vec<(ChannelName, Option<Arc<str>>)> {
        self.subscriptions.first(most)
    }

    /// The number of all of them.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Removes all subscriptions: the socket leaves its channels.
    pub fn take_subscriptions(
        &mut self,
    ) -> impl Iterator<Item = (ChannelName, Option<Arc<str>>)> + '_ {
        self.subscriptions.take()
    }

    /// `None` once the socket is authorized, and while a subscription that may authorize it is pending.
    fn authorization_deadline(&self) -> Option<Instant> {
        self.authorize_by
            .filter(|_| !self.is_authorized && !self.subscriptions.awaits_authorization())
    }

    fn subscribe(&mut self, request: &Subscribe<'_>) -> Action {
        match self.authorize(request) {
            Ok(action) => action,
            Err(error) => {
                let is_signature = matches!(error.cause, RefusalCause::Signature(_));
                let text = |text: &std::borrow::Cow<'_, str>| text.to_string();
                let claim = is_signature.then(|| {
                    let auth = request.auth.as_ref().map(text);
                    let channel_data = request.channel_data.as_ref().map(text);
                    Box::new(AuthClaim { auth, channel_data })
                });
                self.refuse(&request.channel, error, claim)
            }
        }
    }

    fn refuse(
        &self,
        channel: &str,
        error: SubscriptionError,
        claim: Option<Box<AuthClaim>>,
    ) -> Action {
        let is_decrypted = self.library.decrypts_every_message()
            && ChannelType::of_prefix(channel) == ChannelType::Encrypted;
        let addressee = if is_decrypted { Addressee::Connection } else { Addressee::Channel };
        Action::Refuse { channel: channel.to_owned(), error, addressee, claim }
    }

    fn authorize(&mut self, request: &Subscribe<'_>) -> Result<Action, SubscriptionError> {
        let limits = &self.app.limits;
        let channel = ChannelName::parse(&request.channel, limits.channel_name_bytes)?;
        if self.subscriptions.contains(&channel) {
            return Ok(Action::Confirm { channel });
        }
        if channel.channel_type() == ChannelType::ServerToUser {
            return self.authorize_user_channel(&channel);
        }
        if self.subscriptions.len() >= limits.subscriptions {
            let most = limits.subscriptions;
            let error =
                format!("the connection has {most} subscriptions, the limit (max_subscriptions)");
            return Err(limit_reached(4100, "max_subscriptions", error));
        }
        let channel_data = request.channel_data.as_deref();
        if channel.needs_auth() {
            let auth = request.auth.as_deref();
            signature::check_channel(
                &self.app,
                self.socket_id,
                channel.as_str(),
                auth,
                channel_data,
            )?;
        }
        let member = match &self.user {
            _ if !channel.is_presence() => None,
            Some(user) if channel_data.is_none_or(str::is_empty) => {
                Some(user.member().within(limits)?)
            }
            _ => Some(Member::parse(channel_data, limits)?),
        };
        let user_id = member.as_ref().map(|member| member.user_id.clone());
        self.subscriptions.insert(channel.clone(), user_id);
        Ok(Action::Subscribe { channel, member })
    }

    /// Signing in joins the user's own channel, so a subscription to it only gets its answer; a
    /// subscription to the channel of another user is refused.
    fn authorize_user_channel(&self, channel: &ChannelName) -> Result<Action, SubscriptionError> {
        let own = self.user.as_ref().map(|user| &*user.id);
        if own.is_some() && own == channel.user_id() {
            return Ok(Action::Confirm { channel: channel.clone() });
        }
        let error = "a #server-to-user- channel is for connections signed in as that user".into();
        let cause = RefusalCause::Other;
        Err(SubscriptionError { kind: "AuthError", error, status: 401, cause })
    }

    fn sign_in(&mut self, request: &SignIn<'_>) -> Vec<Action> {
        let (auth, user_data) = (&request.auth, &request.user_data);
        if let Err(why) = signature::check_user(&self.app, self.socket_id, auth, user_data) {
            return vec![refuse_sign_in(&why)];
        }
        let user = match User::parse(user_data, &self.app.limits) {
            Ok(user) => user,
            Err(why) => return vec![refuse_sign_in(&why)],
        };
        let answer = server_message::signin_success(user_data);
        match &self.user {
            Some(before) if before.id == user.id => return vec![Action::ConfirmSignIn(answer)],
            Some(_) => {
                return vec![reject(4009, "The connection is signed in as another user already")];
            }
            None => {}
        }
        self.is_authorized = true;
        self.user = Some(Box::new(user.clone()));
        let most = self.app.limits.watchlist_users;
        let cut = user.watchlist_over.map(|ids| {
            error_event(4302, format!("The watchlist has {ids} ids; the first {most} are watched"))
        });
        vec![Action::SignIn { user, answer, cut }]
    }

    fn unsubscribe(&mut self, channel: &str) -> Vec<Action> {
        let removed = self.subscriptions.remove(channel);
        removed
            .map(|(channel, user_id)| Action::Unsubscribe { channel, user_id })
            .into_iter()
            .collect()
    }

    /// Relays a client event. Relayed ones have a limit of their own; refused ones count as unrelayed.
    fn relay(&mut self, message: &ClientEvent<'_>, now: Instant) -> Action {
        let action = self.client_event(message, now);
        let is_relayed = matches!(action, Action::Publish(_));
        if is_relayed || !self.exceeds_flood_rate(now) { action } else { FLOODING }
    }

    /// Counts a message that reaches no other client; true if they are too many.
    fn exceeds_flood_rate(&mut self, now: Instant) -> bool {
        !self.unrelayed.allow(FLOOD_RATE, now)
    }

    fn client_event(&mut self, message: &ClientEvent<'_>, now: Instant) -> Action {
        let app = &self.app;
        if app.accept_client_events_from == ClientEvents::None {
            return reject(4301, "The app does not have client messaging enabled.");
        }
        let Some((channel, user_id)) = self.subscriptions.get(&message.channel) else {
            return reject(4009, "The client is not a member of the specified channel.");
        };
        if !channel.needs_auth() && app.accept_client_events_from != ClientEvents::All {
            return reject(
                4301,
                "Client events are only supported on private and presence channels",
            );
        }
        if channel.is_encrypted() {
            return reject(
                4301,
                "Client events are not supported on encrypted channels: they are not encrypted",
            );
        }
        let chars = message.event.chars().count();
        if chars > app.limits.event_name_chars {
            let most = app.limits.event_name_chars;
            let text = format!(
                "The event name has {chars} characters; the limit is {most} (max_event_name_chars)"
            );
            return reject_beyond("max_event_name_chars", text);
        }
        let bytes = message.data.len();
        if bytes > app.limits.event_data_bytes {
            let most = app.limits.event_data_bytes;
            let text = format!(
                "The event data has {bytes} bytes; the limit is {most} (max_event_data_bytes)"
            );
            return reject_beyond("max_event_data_bytes", text);
        }
        if let Some(limit) = app.limits.client_events_per_second
            && !self.client_events.allow(TokenRate::per_second(limit), now)
        {
            let text = "Rate limit exceeded: too many client events in one second";
            return reject_beyond("max_client_events_per_second", text);
        }
        let event = OutboundEvent::new(&message.event, &message.data);
        let frame = match user_id {
            Some(user_id) => event.frame_from(channel, user_id),
            None => event.frame(channel),
        };
        Action::Publish(Relay {
            channel: channel.clone(),
            frame,
            event: message.event.to_string(),
            data: message.data.to_string(),
            user_id: user_id.clone(),
        })
    }
}
