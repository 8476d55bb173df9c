//! What the cluster wants done on this node, in the order given. Values only: [`node`](crate::node)
//! carries them out on the hubs, a test writes them down.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::channel_rules::WebhookEvent;
use crate::cluster::directory::request::QueryAnswer;
use crate::protocol::{ChannelName, Frame, SocketId};

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// On a channel.
    Channel {
        /// The app, by its place in the configuration.
        app: usize,
        /// The channel.
        channel: ChannelName,
        /// What.
        action: ChannelEffect,
    },
    /// This node, and no other, reports the event to the app's webhooks.
    Webhook {
        /// The app.
        app: usize,
        /// The event; final, since the directory applied the delay.
        event: WebhookEvent,
    },
    /// Whoever watches this user is told.
    Watchers {
        /// The app.
        app: usize,
        /// Who came or went.
        user_id: Arc<str>,
        /// Which of the two.
        online: bool,
    },
    /// A socket is told who of its watchlist is there.
    Watchlist {
        /// The app.
        app: usize,
        /// The socket.
        socket: SocketId,
        /// Who is.
        online: Vec<Arc<str>>,
        /// Who is not.
        offline: Vec<Arc<str>>,
    },
    /// This user's connections are closed.
    Terminate {
        /// The app.
        app: usize,
        /// The user.
        user_id: Arc<str>,
    },
    /// Somebody who waited for an event to be published goes on.
    Published(oneshot::Sender<PublishScope>, PublishScope),
    /// Somebody who waited for a place goes on: with it, or refused.
    Permit(oneshot::Sender<bool>, bool),
    /// Somebody who waited for an answer goes on.
    Answered(oneshot::Sender<QueryAnswer>, QueryAnswer),
}

/// What is done on a channel.
#[derive(Debug)]
pub enum ChannelEffect {
    /// The socket is told these and then everything that is published.
    Seat(SocketId, JoinReply),
    /// It was answered, but has left since.
    Answer(SocketId, JoinReply),
    /// It receives no more.
    Unseat(SocketId),
    /// It cannot join as this user: the channel is full. `None` if it has left already.
    Refuse(SocketId, Option<Arc<str>>),
    /// All but one are told this.
    Deliver(Frame, Option<SocketId>),
    /// The newest event of a cache channel; kept here for the time without Redis.
    Keep(Frame),
    /// Events were lost on the way to this node.
    Missed(MissedEvents),
}

/// What a channel's sockets on this node did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissedEvents {
    /// So many events of other nodes.
    Events(u64),
    /// Perhaps none: Redis has lost its count, or sockets came while it was away.
    Unknown,
}

/// What a newcomer is told first.
#[derive(Debug)]
pub struct JoinReply {
    /// The answer to the subscription; a user's own channel is joined without one.
    pub answer: Option<Frame>,
    /// The channel's last event.
    pub cached: CachedReply,
}

/// The last event of a channel.
#[derive(Debug)]
pub enum CachedReply {
    /// It keeps none.
    NotKept,
    /// This.
    Event(Frame),
    /// There is none.
    Miss,
    /// Redis is away: what this node remembers.
    Local,
}

/// How far an event went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishScope {
    /// To every node that serves its channel.
    Cluster,
    /// To this node's sockets only; the others get it when Redis is back, if that is soon.
    NodeOnly,
}
