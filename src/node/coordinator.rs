//! The interface between the channels of an app and what decides them: this node alone
//! ([`SingleNode`](super::single_node::SingleNode)), or all nodes of a cluster
//! ([`ClusterNode`](super::cluster_node::ClusterNode)).
//!
//! Four traits, one for each kind of caller. An implementation queues its answers for the sockets on
//! the hub; what it returns is only what the caller acts on.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::pending_joins::PendingJoins;
use crate::cluster::{PermitDecision, PublishScope};
use crate::explanation::Subscribers;
use crate::hub::{ChannelCounts, PresenceFull};
use crate::protocol::server_message::OutboundEvent;
use crate::protocol::session::Relay;
use crate::protocol::{ChannelName, Frame, Member, SocketId, User};

/// Everything that depends on whether there are other nodes.
pub(super) trait Coordinator:
    SocketChanges + Publishing + Lookup + Evidence + Permits
{
}

impl<T: SocketChanges + Publishing + Lookup + Evidence + Permits> Coordinator for T {}

/// What a socket changes.
pub(super) trait SocketChanges: Send + Sync {
    /// Joins a channel.
    fn subscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        member: Option<&Member>,
        now: Instant,
    ) -> Result<JoinAnswer, PresenceFull>;

    /// Answers a second subscription to a channel like the first.
    fn confirm(&self, socket: SocketId, name: &ChannelName) -> JoinAnswer;

    /// Leaves a channel; `user_id` is that of the member.
    fn unsubscribe(
        &self,
        socket: SocketId,
        name: &ChannelName,
        user_id: Option<&Arc<str>>,
        now: Instant,
    );

    /// Signs a socket in as a user. These answers are sent when it is in the user's channel: from then on events to the user
    /// reach it. Returns the bytes of those that were queued.
    fn sign_in(&self, socket: SocketId, user: &User, answers: [Option<Frame>; 2]) -> usize;

    /// Answers a second sign-in of a socket: not before the first one is answered. Returns the bytes that were queued.
    fn confirm_sign_in(&self, socket: SocketId, answer: Frame) -> usize;

    /// Signs a socket out that is closed.
    fn sign_out(&self, socket: SocketId, user: &User, now: Instant);
}

/// What reaches subscribers.
pub(super) trait Publishing: Send + Sync {
    /// Publishes an event of a back end, and caches it on cache channels.
    fn trigger(&self, event: TriggeredEvent<'_>, now: Instant) -> Triggered;

    /// Delivers an event that each node receives itself to the sockets of this node, and caches it on cache
    /// channels. Returns the number of the subscribers on this node.
    fn deliver(&self, event: TriggeredEvent<'_>, now: Instant) -> usize;

    /// Publishes a client event to the channel's other subscribers. Returns the number of all on this node, where
    /// it is known.
    fn client_event(&self, relay: Relay, sender: SocketId, now: Instant) -> Option<usize>;

    /// Closes every socket of a user, on every node.
    fn terminate_user<'a>(&'a self, user_id: &'a str) -> Deferred<'a, ()>;

    /// A wait until events take less memory on their way to other nodes; `None` while there is no need.
    fn backlog(&self) -> Option<Deferred<'_, ()>>;
}

/// What the HTTP API reports.
pub(super) trait Lookup: Send + Sync {
    /// The counts of one channel; `None` when it is not occupied.
    fn counts<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Option<ChannelCounts>>;

    /// Every occupied channel whose name starts with `prefix`, sorted by name.
    fn occupied<'a>(&'a self, prefix: &'a str) -> Deferred<'a, Vec<(ChannelName, ChannelCounts)>>;

    /// The distinct members of a presence channel, in order of arrival.
    fn members<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, Vec<Arc<str>>>;

    /// So many members of a presence channel with their `user_info`, as far as this node has them: on a cluster,
    /// of channels that it has subscribers in.
    fn member_infos(&self, name: &ChannelName, most: usize) -> Vec<(Arc<str>, Box<str>)>;

    /// The last event of a cache channel.
    fn last_event<'a>(
        &'a self,
        name: &'a ChannelName,
        now: Instant,
    ) -> Deferred<'a, Option<LastEvent>>;

    /// Open sockets of the app.
    fn socket_count(&self) -> Deferred<'_, u32>;

    /// Whether a socket of this node is in a channel, or its join is undecided.
    fn is_joined(&self, name: &ChannelName) -> bool;
}

/// What explanations are made from.
pub(super) trait Evidence: Send + Sync {
    /// The subscribers of a channel, and since when it has some, or none.
    fn reach<'a>(&'a self, name: &'a ChannelName) -> Deferred<'a, ChannelReach>;

    /// Names of occupied channels that begin with one of `prefixes`, so many of each at most.
    fn names<'a>(&'a self, prefixes: &'a [String], most: usize) -> Deferred<'a, Vec<ChannelName>>;

    /// The partition of a channel and its Redis, where there are several and its link is down.
    fn away(&self, name: &ChannelName) -> Option<String>;

    /// Whether there may be other nodes, of whose past this one has no memory.
    fn has_other_nodes(&self) -> bool;
}

/// What bounds the sockets of an app.
pub(super) trait Permits: Send + Sync {
    /// Requests a permit for one more socket.
    fn request_permit(&self) -> PermitDecision;

    /// Returns a permit that was granted.
    fn release_permit(&self);

    /// Open sockets of the app on this node.
    fn open_sockets(&self) -> u32;

    /// The wait for the decision on every join requested so far; `None` where they are decided.
    fn pending_joins(&self) -> Option<PendingJoins>;
}

/// A result that may need a round trip to Redis.
pub(super) type Deferred<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a subscription is answered.
#[derive(Clone, Copy)]
pub(super) enum JoinAnswer {
    /// Granted: the answer is queued for the socket.
    Queued {
        /// Its bytes.
        bytes: usize,
    },
    /// Pending: the cluster decides and answers later.
    Pending,
}

/// The subscribers of a channel on all nodes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChannelReach {
    pub(super) reach: Subscribers,
    /// How long it has subscribers, if other nodes are asked and that is known.
    pub(super) occupied_for: Option<Duration>,
    /// How long it has none, likewise.
    pub(super) vacated_for: Option<Duration>,
}

/// An event that a back end sent for one channel.
#[derive(Clone, Copy)]
pub(super) struct TriggeredEvent<'a> {
    pub(super) channel: &'a ChannelName,
    pub(super) event: &'a OutboundEvent<'a>,
    pub(super) data: &'a str,
    /// The socket that does not receive it.
    pub(super) except: Option<SocketId>,
}

/// An event that was accepted from a back end.
#[derive(Debug)]
pub enum Triggered {
    /// Delivered to this number of sockets, which are all.
    Delivered(usize),
    /// On its way to all nodes.
    Published(oneshot::Receiver<PublishScope>),
}

impl Triggered {
    /// The sockets to which it was delivered, which are all; `None` if it is on its way to all nodes.
    pub fn subscribers(&self) -> Option<usize> {
        match self {
            Self::Delivered(subscribers) => Some(*subscribers),
            Self::Published(_) => None,
        }
    }

    /// Waits until Redis has the event.
    pub async fn end(self) -> TriggerEnd {
        match self {
            Self::Delivered(0) => TriggerEnd::Missed,
            Self::Delivered(_) => TriggerEnd::Received,
            Self::Published(scope) => match scope.await {
                Ok(PublishScope::NodeOnly) => TriggerEnd::ThisNodeOnly,
                Ok(PublishScope::Unoccupied) => TriggerEnd::Missed,
                Ok(PublishScope::Cluster) | Err(_) => TriggerEnd::Received,
            },
        }
    }
}

/// What became of an event of a back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerEnd {
    /// The channel has subscribers.
    Received,
    /// It has none.
    Missed,
    /// Redis is away: at most sockets of this node received it.
    ThisNodeOnly,
}

/// The last event of a cache channel, as the HTTP API reports it.
#[derive(Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// The data of the event.
    pub data: Arc<str>,
    /// Seconds until it expires.
    pub ttl: u64,
}
