//! What a node requests of the directory.
//!
//! Plain data: [`redis`](crate::cluster::redis) makes commands of it, a test has a directory of its own.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::NodeId;
use crate::protocol::Frame;

/// One request. Redis executes the requests of a node in order.
#[derive(Debug, Clone)]
pub enum Request {
    /// Subscribes to a topic.
    Subscribe(Arc<str>),
    /// Unsubscribes from a topic.
    Unsubscribe(Arc<str>),
    /// Numbers an event and publishes it on its channel.
    Publish(PublishRequest),
    /// Stores the last event of a cache channel, which nodes got from another program and not through here.
    Cache {
        /// The topic of the channel.
        topic: Arc<str>,
        /// What the subscribers get.
        frame: Frame,
        /// How long it is kept.
        ttl: Duration,
    },
    /// Stores what this node has in a channel.
    State(Box<ChannelState>),
    /// Renews the lease of this node.
    Heartbeat {
        /// How long the lease lasts.
        lease: Duration,
        /// Whether this node sends webhooks, and so takes the leaves that are due.
        takes_leaves: bool,
        /// What this Redis has if it is not behind another that was there before.
        proof: Option<DataProof>,
    },
    /// Removes a dead node (or this one, when it leaves) from some of its channels.
    Reap {
        /// The node.
        node: NodeId,
        /// Removes it although its lease has not ended.
        leaving: bool,
    },
    /// Lists the channels in which the directory has this node.
    ListChannels,
    /// Reports the sockets of an app on this node, and requests more of its bound.
    Connections {
        /// The app's id.
        app_id: String,
        /// Open here.
        open: u32,
        /// Open here and waiting to be.
        wanted: u32,
        /// The app's bound, over all nodes.
        most: Option<u32>,
    },
    /// Sends a message to every node.
    Broadcast(Vec<u8>),
    /// Sends a message to one node.
    Send {
        /// The node.
        node: NodeId,
        /// The message.
        message: Vec<u8>,
    },
    /// Reads the directory.
    Query(DirectoryQuery),
}

impl Request {
    /// Its name in the error about its answer.
    pub(in crate::cluster) fn name(&self) -> &'static str {
        match self {
            Self::Subscribe(_) | Self::Unsubscribe(_) => "a subscription",
            Self::Publish(_) | Self::Cache { .. } => "an event",
            Self::State(_) => "the state of a channel",
            Self::Heartbeat { .. } => "a beat",
            Self::Reap { .. } => "a clean-up",
            Self::ListChannels => "the list of this node's channels",
            Self::Connections { .. } => "the number of connections",
            Self::Broadcast(_) => "a message to all nodes",
            Self::Send { .. } => "a message to one node",
            Self::Query(_) => "a look-up",
        }
    }
}

/// The last event of a node that Redis has confirmed. Younger ones may be missing behind it, older ones
/// are not: a replica gets everything in order.
#[derive(Debug, Clone)]
pub struct DataProof {
    /// The topic of its channel.
    pub topic: Arc<str>,
    /// Its number among the events of the node.
    pub serial: u64,
    /// The data it belongs to, which is declared lost if the event is not there.
    pub epoch: String,
}

/// An event to be published.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// The topic of its channel.
    pub topic: Arc<str>,
    /// The message up to the number, which the directory writes.
    pub head: Vec<u8>,
    /// What the subscribers get.
    pub frame: Frame,
    /// Stored for later subscribers, on cache channels.
    pub cached: bool,
    /// It may have been published before, over a link that was lost.
    pub again: bool,
}

/// What one node has in one channel, in absolute terms: a repetition changes nothing.
#[derive(Debug, Clone)]
pub struct ChannelState {
    /// The number under which the outcome comes.
    pub request: u64,
    /// The channel's topic.
    pub topic: Arc<str>,
    /// The app's id.
    pub app_id: String,
    /// The channel's name.
    pub name: Arc<str>,
    /// Sockets of this node.
    pub count: u32,
    /// How the directory treats the channel.
    pub traits: ChannelTraits,
    /// What else the request does.
    pub flags: StateFlags,
    /// Distinct users the channel may have.
    pub members_max: usize,
    /// The number of the last event this node has received.
    pub known: u64,
    /// Users of this node who came (with their info) or went since the last request.
    pub rows: Vec<StateRow>,
}

/// A user of this node and its info; `None` if it left.
pub type StateRow = (Arc<str>, Option<Box<str>>);

/// How the directory treats a channel, also when none of its nodes is alive to say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelTraits {
    /// It appears in lists of channels.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
    /// It has a roster.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub roster: bool,
    /// Webhooks report its changes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub webhooks: bool,
    /// Its subscribers get subscription counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub counts: bool,
}

/// What the directory stores of a channel for each node in it, packed: enough to remove a dead node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelRecord {
    /// The app's id.
    pub app_id: String,
    /// The channel's name.
    pub name: String,
    /// How the directory treats it.
    pub traits: ChannelTraits,
}

/// What a request does beside reporting the state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateFlags {
    /// The rows are complete: the directory removes all others of this node.
    pub whole: bool,
    /// Users are refused when the channel is full.
    pub bounded: bool,
    /// Reads the roster.
    pub roster: bool,
    /// Reads the cached event.
    pub cached: bool,
    /// Reads the events since the known number, where they are stored.
    pub missed: bool,
}

/// What a node can read in the directory.
#[derive(Debug, Clone)]
pub enum DirectoryQuery {
    /// Sockets, users and cached event of the channel with this topic.
    Channel(Arc<str>),
    /// Occupied channels of an app whose names have this prefix, in order of name.
    Occupied {
        /// The app's id.
        app_id: String,
        /// The prefix.
        prefix: String,
        /// The name behind which the list begins; empty for its beginning.
        after: String,
        /// The bound of the list.
        most: usize,
    },
    /// The members of the channel with this topic.
    Members(Arc<str>),
    /// The connections of an app.
    Connections(String),
    /// The names of an app's occupied channels that have this prefix, so many at most.
    Names {
        /// The app's id.
        app_id: String,
        /// The prefix.
        prefix: String,
        /// The bound of the list.
        most: usize,
    },
    /// The leases of all nodes.
    Leases,
}
