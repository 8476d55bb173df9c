//! The state machine of one socket: (what was said | time passing, now) → actions.
//!
//! Owns what the rules know of a socket: its subscriptions, its rates, its signs of life.
//! Refuses to know channels, rosters, transports and clocks; whoever drives it carries out the
//! [`Action`]s in order and reports back what the channel refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::client_message::{ClientEvent, ClientMessage, SignIn, Subscribe};
use super::liveness::Liveness;
use super::member::InvalidMember;
use super::rate_limit::{FLOOD_RATE, FixedWindow, TokenBucket, TokenRate};
use super::server_message::{self, ErrorEvent, OutboundEvent, SubscriptionError};
use super::signature::{self, AuthError};
use super::{ChannelName, ChannelType, ClientLibrary, CloseCode, Frame, Member, SocketId, User};
use crate::app::{App, ClientEvents};

mod action;

pub use action::{Action, Addressee, Relay};

/// Everything the rules know of one socket.
#[derive(Debug)]
pub struct Session {
    app: Arc<App>,
    socket_id: SocketId,
    /// Each with the user it was joined as, on presence channels.
    subscriptions: HashMap<ChannelName, Option<Arc<str>>>,
    user: Option<User>,
    /// Closed then, unless it has signed in or joined a channel that takes a signature.
    authorize_by: Option<Instant>,
    is_authorized: bool,
    library: ClientLibrary,
    messages: FixedWindow,
    client_events: TokenBucket,
    unrelayed: TokenBucket,
    liveness: Liveness,
}

impl Session {
    /// A socket that was just admitted, and the first thing to say on it.
    pub fn open(
        app: Arc<App>,
        socket_id: SocketId,
        library: ClientLibrary,
        now: Instant,
    ) -> (Self, Frame) {
        let greeting = server_message::connection_established(socket_id, app.activity_timeout);
        let session = Self {
            socket_id,
            subscriptions: HashMap::new(),
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
        (session, greeting)
    }

    /// The id the client was told.
    pub fn socket_id(&self) -> SocketId {
        self.socket_id
    }

    /// A text message arrived.
    pub fn receive(&mut self, text: &str, now: Instant) -> Vec<Action> {
        self.record_activity(now);
        if let Some(rate) = self.app.limits.messages
            && !self.messages.allow(rate, now)
        {
            let ends = rate.terminate_on_limit || self.floods(now);
            let (close, text) = (CloseCode::RateLimited, "Rate limit exceeded");
            return vec![if ends { Action::Close(close) } else { reject(4301, text) }];
        }
        let message = ClientMessage::parse(text);
        let is_event = matches!(message, Ok(ClientMessage::ClientEvent(_)));
        // Before anything is done: a join that is not carried out must not be remembered.
        if !is_event && self.floods(now) {
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

    /// Any sign of life arrived.
    pub fn record_activity(&mut self, now: Instant) {
        self.liveness.record_activity(now);
    }

    /// A ping or pong frame arrived: this client uses control frames.
    pub fn receive_control_frame(&mut self, now: Instant) -> Option<Action> {
        self.liveness.record_control_frame(now);
        self.floods(now).then_some(FLOODING)
    }

    /// When [`tick`](Self::tick) has to be called next, if nothing is heard until then.
    pub fn deadline(&self) -> Instant {
        let silence = self.liveness.deadline(self.app.ping_interval, self.app.pong_timeout);
        self.authorize_by
            .filter(|_| !self.is_authorized)
            .map_or(silence, |authorize_by| authorize_by.min(silence))
    }

    /// When to look again, seen from `now`: at the deadline, but not later than the earliest one
    /// that an answer to a ping may bring.
    pub fn next_tick(&self, now: Instant) -> Instant {
        self.deadline().min(now + self.app.ping_interval)
    }

    /// Time has passed: pings a silent client, gives up on one that did not answer.
    pub fn tick(&mut self, now: Instant) -> Option<Action> {
        if now < self.deadline() {
            return None;
        }
        if !self.is_authorized && self.authorize_by.is_some_and(|authorize_by| authorize_by <= now)
        {
            return Some(Action::Close(CloseCode::NotAuthorizedInTime));
        }
        Some(match self.liveness.ping(now) {
            Some(ping) => Action::Send(ping),
            None => Action::Close(CloseCode::PongNotReceived),
        })
    }

    /// The channel granted a subscription.
    pub fn subscription_granted(&mut self, channel: &ChannelName) {
        self.is_authorized |= channel.needs_auth();
    }

    /// The channel did not grant a subscription that the rules allowed: it is full.
    pub fn subscription_refused(&mut self, channel: &ChannelName) -> Action {
        self.subscriptions.remove(channel);
        self.refuse(channel.as_str(), presence_full(self.app.limits.presence_members))
    }

    /// The channel did not grant it after all, and the client has been told.
    pub fn forget_subscription(&mut self, channel: &ChannelName) {
        self.subscriptions.remove(channel);
    }

    /// Who the socket is signed in as.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Everything the socket was subscribed to, as it goes.
    pub fn take_subscriptions(
        &mut self,
    ) -> impl Iterator<Item = (ChannelName, Option<Arc<str>>)> + '_ {
        self.subscriptions.drain()
    }

    fn subscribe(&mut self, request: &Subscribe<'_>) -> Action {
        match self.authorize(request) {
            Ok(action) => action,
            Err(error) => self.refuse(&request.channel, error),
        }
    }

    fn refuse(&self, channel: &str, error: SubscriptionError) -> Action {
        let decrypts = self.library.decrypts_every_message()
            && ChannelType::of_prefix(channel) == ChannelType::Encrypted;
        let addressee = if decrypts { Addressee::Connection } else { Addressee::Channel };
        Action::Refuse { channel: channel.to_owned(), error, addressee }
    }

    fn authorize(&mut self, request: &Subscribe<'_>) -> Result<Action, SubscriptionError> {
        let limits = &self.app.limits;
        let channel = ChannelName::parse(&request.channel, limits.channel_name_bytes)?;
        if self.subscriptions.contains_key(&channel) {
            return Ok(Action::Confirm { channel });
        }
        if channel.channel_type() == ChannelType::ServerToUser {
            return self.authorize_user_channel(&channel);
        }
        if self.subscriptions.len() >= limits.subscriptions {
            let most = limits.subscriptions;
            let error =
                format!("the connection has {most} subscriptions, the limit (max_subscriptions)");
            return Err(limit_reached(4100, error));
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

    /// A user's channel was joined by signing in; subscribing only gets its answer, and nobody
    /// gets another user's.
    fn authorize_user_channel(&self, channel: &ChannelName) -> Result<Action, SubscriptionError> {
        let own = self.user.as_ref().map(|user| &*user.id);
        if own.is_some() && own == channel.user_id() {
            return Ok(Action::Confirm { channel: channel.clone() });
        }
        let error = "a #server-to-user- channel is for connections signed in as that user".into();
        Err(SubscriptionError { kind: "AuthError", error, status: 401 })
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
            Some(before) if before.id == user.id => return vec![Action::Send(answer)],
            Some(_) => {
                return vec![reject(4009, "The connection is signed in as another user already")];
            }
            None => {}
        }
        self.is_authorized = true;
        self.user = Some(user.clone());
        let most = self.app.limits.watchlist_users;
        let cut = user.watchlist_over.map(|ids| {
            reject(4302, format!("The watchlist has {ids} ids; the first {most} are watched"))
        });
        // Who of the list is there comes last: nodes may have to look it up.
        let said = std::iter::once(Action::Send(answer)).chain(cut);
        said.chain(std::iter::once(Action::SignIn { user })).collect()
    }

    fn unsubscribe(&mut self, channel: &str) -> Vec<Action> {
        let left = self.subscriptions.remove_entry(channel);
        left.map(|(channel, user_id)| Action::Unsubscribe { channel, user_id })
            .into_iter()
            .collect()
    }

    /// Relays a client event; refused ones count as a flood does, relayed ones have their own limit.
    fn relay(&mut self, message: &ClientEvent<'_>, now: Instant) -> Action {
        let action = self.client_event(message, now);
        let is_relayed = matches!(action, Action::Publish(_));
        if is_relayed || !self.floods(now) { action } else { FLOODING }
    }

    /// Counts a message that reaches no other client.
    fn floods(&mut self, now: Instant) -> bool {
        !self.unrelayed.allow(FLOOD_RATE, now)
    }

    fn client_event(&mut self, message: &ClientEvent<'_>, now: Instant) -> Action {
        let app = &self.app;
        if app.accept_client_events_from == ClientEvents::None {
            return reject(4301, "The app does not have client messaging enabled.");
        }
        let Some((channel, user_id)) = self.subscriptions.get_key_value(&*message.channel) else {
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
            let text = format!("The event name has {chars} characters; the limit is {most}");
            return reject(4301, text);
        }
        let bytes = message.data.len();
        if bytes > app.limits.event_data_bytes {
            let most = app.limits.event_data_bytes;
            let text = format!("The event data has {bytes} bytes; the limit is {most}");
            return reject(4301, text);
        }
        if let Some(limit) = app.limits.client_events_per_second
            && !self.client_events.allow(TokenRate::per_second(limit), now)
        {
            return reject(4301, "Rate limit exceeded: too many client events in one second");
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

/// Why a presence channel with this many members takes no further one.
pub fn presence_full(members: usize) -> SubscriptionError {
    let error = format!("the presence channel has {members} members, the limit (presence_members)");
    limit_reached(4100, error)
}

const FLOODING: Action = Action::Close(CloseCode::Flooding);

/// An event name that means nothing to the server is cut in the answer. The channel of a refused
/// subscription is not: the client finds its subscription by the whole name.
const ECHO_CHARS_MAX: usize = 200;

fn unsupported(event: &str) -> Action {
    let event: String = event.chars().take(ECHO_CHARS_MAX).collect();
    let text = format!(
        "Unsupported event {event:?}: clients may send pusher:subscribe, pusher:unsubscribe, pusher:signin, pusher:ping, pusher:pong and client-… events"
    );
    reject(4200, text)
}

fn reject(code: u16, message: impl Into<String>) -> Action {
    Action::Reject(ErrorEvent { code, message: message.into() })
}

fn refuse_sign_in(why: &dyn std::fmt::Display) -> Action {
    let message = format!("Sign-in refused: {why}");
    Action::RefuseSignIn(ErrorEvent { code: CloseCode::SignInRefused.code(), message })
}

fn limit_reached(status: u16, error: String) -> SubscriptionError {
    SubscriptionError { kind: "LimitReached", error, status }
}

impl From<AuthError> for SubscriptionError {
    fn from(why: AuthError) -> Self {
        Self { kind: "AuthError", error: why.to_string(), status: 401 }
    }
}

impl From<super::channel_name::InvalidChannelName> for SubscriptionError {
    fn from(why: super::channel_name::InvalidChannelName) -> Self {
        use super::channel_name::InvalidChannelName::TooLong;
        let kind = if matches!(why, TooLong { .. }) { "LimitReached" } else { "InvalidChannel" };
        Self { kind, error: why.to_string(), status: 4009 }
    }
}

impl From<InvalidMember> for SubscriptionError {
    fn from(why: InvalidMember) -> Self {
        match why {
            InvalidMember::TooLarge { .. } => limit_reached(4301, why.to_string()),
            InvalidMember::Missing | InvalidMember::Data(_) => {
                Self { kind: "AuthError", error: why.to_string(), status: 401 }
            }
        }
    }
}
