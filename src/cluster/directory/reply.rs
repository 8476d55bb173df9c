//! What the directory answers to the connection that made a request.
//!
//! Plain data. What must be in one order with the events of a channel is answered on the node's topic
//! instead ([`Outcome`](super::message::Outcome)).

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::request::ChannelRecord;
use super::{NodeId, unpack};

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Redis has executed it.
    Done,
    /// An event was published.
    Published(PublishReply),
    /// The state of the nodes.
    Heartbeat(HeartbeatReply),
    /// How many channels the node is still in; `None` if it is alive.
    Reaped(Option<u64>),
    /// The channels in which the directory has this node.
    Channels(Vec<ChannelRecord>),
    /// The share of an app's connections.
    Connections(ConnectionShare),
    /// What a query has read.
    Answer(QueryAnswer),
}

/// The reply to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishReply {
    /// The event's number; 0 if there is no subscriber and was none of late.
    pub number: u64,
    /// Whether the channel has a subscriber.
    pub is_occupied: bool,
}

/// How many sockets of an app may be open. `connections.lua` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ConnectionShare {
    /// On this node.
    pub granted: u32,
    /// On all nodes.
    pub total: u32,
}

/// The reply to a heartbeat. `heartbeat.lua` writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HeartbeatReply {
    /// The lease of this node had ended, or it is new: what it had may be gone.
    pub lapsed: bool,
    /// Nodes that are alive.
    pub alive: u32,
    /// Nodes whose lease has ended.
    pub dead: Vec<NodeId>,
    /// Leaves that webhooks report now.
    #[serde(deserialize_with = "read_leaves")]
    pub due: Vec<PendingLeave>,
    /// Identifies the directory's data: changes if they were lost.
    pub epoch: String,
}

/// A leave that is reported to webhooks if no return cancels it. The directory stores it packed, as an
/// array (`leave` in `prelude.lua`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingLeave {
    /// The channel.
    pub channel: ChannelRecord,
    /// The user who left; `None` if the channel was vacated.
    pub user_id: Option<String>,
}

/// What a query has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryAnswer {
    /// One channel.
    Channel(ChannelInfo),
    /// Name, sockets and users of channels, in order of name.
    Occupied(Vec<(String, u32, u32)>),
    /// User ids, in order of arrival.
    Members(Vec<String>),
    /// Connections on all nodes.
    Connections(u32),
    /// Names of channels, in order.
    Names(Vec<String>),
    /// The leases of the nodes, in any order.
    Leases(Vec<NodeLease>),
}

/// How long a node counts as alive. `leases.lua` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct NodeLease {
    /// The node.
    pub node: NodeId,
    /// Milliseconds until its lease ends; below zero if it has ended, and the node is not removed yet.
    pub left_ms: i64,
    /// Milliseconds for which it has held one without a break.
    pub held_ms: u64,
}

/// What the directory has of one channel. `channel_info.lua` writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ChannelInfo {
    /// Subscribed sockets.
    pub sockets: u32,
    /// Distinct users.
    pub users: u32,
    /// Nodes that have some of the sockets.
    pub nodes: u32,
    /// How long ago its first socket subscribed, unless it was vacated for a few seconds only since then.
    #[serde(default)]
    pub occupied_ms: Option<u64>,
    /// How long ago its last socket left, if that was a few seconds ago.
    #[serde(default)]
    pub vacated_ms: Option<u64>,
    /// The cached event and how long it is still stored.
    #[serde(default, deserialize_with = "read_cached")]
    pub cached: Option<(String, Duration)>,
}

/// Leaves that cannot be read were written by another program and are left out.
fn read_leaves<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PendingLeave>, D::Error> {
    let all = Vec::<&'de [u8]>::deserialize(deserializer)?;
    let leave = |packed: &'de [u8]| {
        let (channel, user_id): (&[u8], String) = unpack(packed)?;
        Some(PendingLeave {
            channel: unpack(channel)?,
            user_id: Some(user_id).filter(|user_id| !user_id.is_empty()),
        })
    };
    Ok(all.into_iter().filter_map(leave).collect())
}

fn read_cached<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<(String, Duration)>, D::Error> {
    let cached = Option::<(String, u64)>::deserialize(deserializer)?;
    Ok(cached.map(|(text, left_ms)| (text, Duration::from_millis(left_ms))))
}
