//! What a session returns: the actions that [`node`](crate::node) carries out for its socket.

use std::sync::Arc;

use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::{ChannelName, CloseCode, Frame, Member, User};

/// One action; those of a message are carried out in order.
#[derive(Debug)]
pub enum Action {
    /// Send a frame to the client.
    Send(Frame),
    /// Send `pusher:error`; the socket stays open.
    Reject(ErrorEvent),
    /// Answer a refused subscription; the socket stays open.
    Refuse {
        /// The channel as the client sent it.
        channel: String,
        /// The cause.
        error: SubscriptionError,
        /// Which messages carry the cause.
        addressee: Addressee,
        /// What the client sent, if its signature was refused.
        claim: Option<Box<AuthClaim>>,
    },
    /// Join a channel, then report the result: [`subscription_granted`], [`subscription_refused`].
    ///
    /// [`subscription_granted`]: super::Session::subscription_granted
    /// [`subscription_refused`]: super::Session::subscription_refused
    Subscribe {
        /// The channel.
        channel: ChannelName,
        /// The member, on presence channels.
        member: Option<Member>,
    },
    /// Answer a second subscription to a channel like the first; nothing else changes.
    Confirm {
        /// The channel.
        channel: ChannelName,
    },
    /// Leave a channel.
    Unsubscribe {
        /// The channel.
        channel: ChannelName,
        /// The user id of the member, on presence channels.
        user_id: Option<Arc<str>>,
    },
    /// Relay a client event to the channel's other subscribers.
    Publish(Relay),
    /// Join the user's channel, then send the answers, and start the user's watchlist.
    SignIn {
        /// The user.
        user: User,
        /// That the sign-in succeeded.
        answer: Frame,
        /// That the watchlist was too long, if it was.
        cut: Option<ErrorEvent>,
    },
    /// Answer a second sign-in as the same user; nothing else changes.
    ConfirmSignIn(Frame),
    /// Answer a refused sign-in with its cause, then close.
    RefuseSignIn(ErrorEvent),
    /// Send the reason, then close.
    Close(CloseCode),
}

/// What a client sent to be allowed into a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthClaim {
    /// `auth`.
    pub auth: Option<String>,
    /// `channel_data`.
    pub channel_data: Option<String>,
}

/// Which messages answer a refused subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// `pusher:subscription_error` for the channel, and `pusher:error` for the connection.
    Channel,
    /// `pusher:error` alone: the client would try to decrypt a message of the channel.
    Connection,
}

/// A client event that passed all checks.
#[derive(Debug)]
pub struct Relay {
    /// The channel of the event.
    pub channel: ChannelName,
    /// The encoded event.
    pub frame: Frame,
    /// The name of the event.
    pub event: String,
    /// The payload in the frame.
    pub data: String,
    /// The user id of the sender, on presence channels.
    pub user_id: Option<Arc<str>>,
}
