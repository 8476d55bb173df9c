//! What the cluster has decided for this node, as values in order: [`node`](crate::node) applies them to its
//! hubs, and a test records them.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::channel_rules::WebhookEvent;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::message::{Inquiry, InquiryAnswer};
use crate::cluster::directory::reply::QueryAnswer;
use crate::protocol::{ChannelName, Frame, SocketId};

/// One thing to do on this node.
#[derive(Debug)]
pub enum Effect {
    /// On a channel.
    Channel {
        /// The app, by its position in the configuration.
        app: usize,
        /// The channel.
        channel: ChannelName,
        /// What to do.
        action: ChannelEffect,
    },
    /// A webhook event that this node sends, and no other.
    Webhook {
        /// The app, by its position in the configuration.
        app: usize,
        /// The event; final, since the directory has applied the delay.
        event: WebhookEvent,
    },
    /// A user came online or went offline: the sockets that watch the user are notified.
    Watchers {
        /// The app, by its position in the configuration.
        app: usize,
        /// The user.
        user_id: Arc<str>,
        /// Whether the user is online now.
        online: bool,
    },
    /// A socket that signed in receives the states of the users on its watchlist.
    Watchlist {
        /// The app, by its position in the configuration.
        app: usize,
        /// The socket.
        socket: SocketId,
        /// Users who are online.
        online: Vec<Arc<str>>,
        /// Users who are not.
        offline: Vec<Arc<str>>,
    },
    /// All connections of a user are closed.
    Terminate {
        /// The app, by its position in the configuration.
        app: usize,
        /// The user.
        user_id: Arc<str>,
    },
    /// Another node asks this one, for an operator.
    Inquiry {
        /// The node that asks.
        from: NodeId,
        /// The id of the inquiry.
        id: u64,
        /// What is asked; empty ends it.
        text: String,
    },
    /// A part of the answer of another node.
    InquiryAnswer {
        /// The node that answers.
        from: NodeId,
        /// The id of the inquiry.
        id: u64,
        /// The part.
        part: String,
        /// Whether no part comes behind it.
        is_last: bool,
    },
    /// The publisher that waits for an event receives how far it went.
    Published(oneshot::Sender<PublishScope>, PublishScope),
    /// A connection that waits for a permit receives the decision.
    Permit(oneshot::Sender<bool>, bool),
    /// A query is answered.
    Answered(oneshot::Sender<QueryAnswer>, QueryAnswer),
}

impl Effect {
    /// An inquiry of another node.
    pub(super) fn asked(from: NodeId, inquiry: &Inquiry<'_>) -> Self {
        Self::Inquiry { from, id: inquiry.id, text: inquiry.text.to_owned() }
    }

    /// A part of an answer.
    pub(super) fn inquiry_answer(from: NodeId, answer: &InquiryAnswer<'_>) -> Self {
        let &InquiryAnswer { id, part, is_last } = answer;
        Self::InquiryAnswer { from, id, part: part.to_owned(), is_last }
    }
}

/// One thing to do on a channel.
#[derive(Debug)]
pub enum ChannelEffect {
    /// The join of a socket was accepted: it receives the reply, and then everything that is delivered.
    AddSubscriber(SocketId, JoinReply),
    /// A socket receives a reply without becoming a subscriber: it has left since, or is one already.
    Answer(SocketId, JoinReply),
    /// A socket has left.
    RemoveSubscriber(SocketId),
    /// The join of a socket was refused: the channel has all its members. The user is `None` if the socket has
    /// left since.
    Refuse(SocketId, Option<Arc<str>>),
    /// A frame for all subscribers but one.
    Deliver {
        /// The frame.
        frame: Frame,
        /// The socket that does not receive it.
        except: Option<SocketId>,
        /// When a back end triggered it at this node.
        triggered_at: Option<Instant>,
    },
    /// The last event of a cache channel, stored for the time without Redis.
    CacheEvent(Frame),
    /// Events were lost on the way to this node.
    Missed(MissedEvents),
}

/// The events that a channel's sockets on this node did not receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissedEvents {
    /// So many events of other nodes.
    Events(u64),
    /// Perhaps none: Redis has lost its count, or sockets joined while it was away.
    Unknown,
}

/// The first frames for a socket that has joined.
#[derive(Debug)]
pub struct JoinReply {
    /// The answer to the subscription; a user's own channel is joined without one.
    pub answer: Option<Frame>,
    /// The channel's last event.
    pub cached: CachedReply,
}

/// The last event of a channel, for a socket that has joined.
#[derive(Debug, Clone)]
pub enum CachedReply {
    /// The channel keeps none.
    NotKept,
    /// The last event.
    Event(Frame),
    /// No event is cached.
    Miss,
    /// Redis is away: the event that this node has stored, if any.
    Local,
}

/// How far an event went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishScope {
    /// To every node that serves its channel.
    Cluster,
    /// To Redis; no node has a subscriber of its channel.
    Unoccupied,
    /// To this node's sockets only; the others receive it when Redis is back, if that is soon.
    NodeOnly,
}
