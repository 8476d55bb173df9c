//! What the rules want done for one socket. Values only: [`node`](crate::node) carries them out.

use std::sync::Arc;

use crate::protocol::server_message::{ErrorEvent, SubscriptionError};
use crate::protocol::{ChannelName, CloseCode, Frame, Member, User};

/// What is to be done, in the order given.
#[derive(Debug)]
pub enum Action {
    /// Say this to the client.
    Send(Frame),
    /// Tell the client what it did wrong; the socket stays open.
    Reject(ErrorEvent),
    /// Answer a subscription that was not granted; the socket stays open.
    Refuse {
        /// The channel as the client named it.
        channel: String,
        /// Why.
        error: SubscriptionError,
        /// Where the client can read that.
        addressee: Addressee,
    },
    /// Join a channel; the channel answers ([`Session::subscription_granted`](super::Session::subscription_granted), [`Session::subscription_refused`](super::Session::subscription_refused)).
    Subscribe {
        /// The channel.
        channel: ChannelName,
        /// Who joins, on presence channels.
        member: Option<Member>,
    },
    /// Answer a second subscription to a channel as the first: nothing else changes.
    Confirm {
        /// The channel.
        channel: ChannelName,
    },
    /// Leave a channel.
    Unsubscribe {
        /// The channel.
        channel: ChannelName,
        /// Who leaves, on presence channels.
        user_id: Option<Arc<str>>,
    },
    /// Relay a client event to the channel's other subscribers.
    Publish(Relay),
    /// The socket belongs to a user now, who watches others and is watched.
    SignIn {
        /// The user.
        user: User,
    },
    /// Answer a sign-in that was not granted with its cause, and close.
    RefuseSignIn(ErrorEvent),
    /// Say why and close.
    Close(CloseCode),
}

/// What the answer to a refused subscription is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// The channel, with `pusher:subscription_error`, and the connection, with `pusher:error`.
    Channel,
    /// The connection alone: the client would decrypt what is about the channel.
    Connection,
}

/// A client event that may go to the channel's other subscribers.
#[derive(Debug)]
pub struct Relay {
    /// The channel.
    pub channel: ChannelName,
    /// The event, encoded.
    pub frame: Frame,
    /// Its name.
    pub event: String,
    /// Its payload, as it is relayed.
    pub data: String,
    /// The sender, on presence channels.
    pub user_id: Option<Arc<str>>,
}
