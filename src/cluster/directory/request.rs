//! What a node asks of the directory, and what it is answered.
//!
//! Plain data: [`redis`](super::redis) makes commands of it, a test makes a directory of its own.
//! Everything that must stand in the order of the channels is answered on the node's topic
//! ([`TopicMessage::Outcome`](super::TopicMessage)); what is here is answered on the side.

use std::sync::Arc;
use std::time::Duration;

use super::NodeId;
use crate::protocol::Frame;

/// One request. All of one node are carried out in the order they are made.
#[derive(Debug, Clone)]
pub enum Request {
    /// Hear a topic from now on.
    Subscribe(Arc<str>),
    /// Hear it no more.
    Unsubscribe(Arc<str>),
    /// PublishRequest an event on its channel.
    Publish(PublishRequest),
    /// Say what this node has in a channel.
    State(Box<ChannelState>),
    /// Say that this node lives.
    Heartbeat {
        /// For how long it may be silent.
        lease: Duration,
        /// Whether it tells webhooks, and so takes the leaves that are due.
        tells: bool,
        /// What this Redis has if it is not behind another that was there before.
        proof: Option<DataProof>,
    },
    /// Take a dead node (or this one, when it leaves) out of some of its channels.
    Reap {
        /// Which.
        node: NodeId,
        /// Even if it lives.
        leaving: bool,
    },
    /// Which channels the directory has this node in.
    References,
    /// How many sockets of an app there are here, and how many want to be.
    Connections {
        /// The app's id.
        app_id: String,
        /// Open here.
        open: u32,
        /// Open here and waiting to.
        wanted: u32,
        /// The app's bound, over all nodes.
        most: Option<u32>,
    },
    /// Tell every node.
    Broadcast(Vec<u8>),
    /// ChannelInfo something up.
    Query(DirectoryQuery),
}

/// The last event that a node knows Redis to have taken. What is younger may be missing behind it,
/// nothing that is older: a replica gets everything in order.
#[derive(Debug, Clone)]
pub struct DataProof {
    /// Its channel's.
    pub topic: Arc<str>,
    /// Its number among those of the node.
    pub serial: u64,
    /// The data it belongs to. If the event is not there, this is declared to be lost.
    pub epoch: String,
}

/// An event on its way.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// The channel's.
    pub topic: Arc<str>,
    /// The message up to the number that the directory gives it.
    pub head: Vec<u8>,
    /// What the subscribers get.
    pub frame: Frame,
    /// Kept for newcomers, on cache channels.
    pub cached: bool,
    /// It may have been published before, over a link that was lost.
    pub again: bool,
}

/// What one node has in one channel, in absolute terms: saying it twice is saying it once.
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
    /// What kind of channel it is.
    pub facts: ChannelTraits,
    /// What else is asked.
    pub asked: StateFlags,
    /// Distinct users the channel may have.
    pub members_max: usize,
    /// The number of the last event this node knows.
    pub known: u64,
    /// Users of this node who came (with their info) or went since the last time.
    pub rows: Vec<Row>,
}

/// A user of this node, with the info if the user is present.
pub(in crate::cluster) type Row = (Arc<str>, Option<Box<str>>);

/// What the directory has to know of a channel to look after it without its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelTraits {
    /// It is shown in lists.
    pub listed: bool,
    /// It has a roster.
    pub roster: bool,
    /// Webhooks want to hear of it.
    pub webhooks: bool,
    /// Its subscribers want to hear how many they are.
    pub counts: bool,
}

/// What a node asks while it says its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateFlags {
    /// The rows are all there are: others of this node are stale.
    pub whole: bool,
    /// PendingJoins may be refused.
    pub bounded: bool,
    /// Who is there.
    pub roster: bool,
    /// The cached event.
    pub cached: bool,
    /// The events since the known number, where they are kept.
    pub missed: bool,
}

/// What can be looked up.
#[derive(Debug, Clone)]
pub enum DirectoryQuery {
    /// Sockets, users and cached event of the channel with this topic.
    Channel(Arc<str>),
    /// The occupied channels of an app whose names begin so.
    Occupied {
        /// The app's id.
        app_id: String,
        /// The beginning.
        prefix: String,
    },
    /// The members of the channel with this topic.
    Members(Arc<str>),
    /// The connections of an app.
    Connections(String),
}

/// An answer on the side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// The event's number; 0 where nobody is subscribed nor was of late.
    Published(u64),
    /// Who lives.
    Heartbeat(HeartbeatReply),
    /// How many channels of the node are left; `None` if it lives.
    Reaped(Option<u64>),
    /// Each as [`ChannelTraits`], app id and name.
    References(Vec<String>),
    /// How many sockets this node may have open, and how many there are on all nodes.
    Connections {
        /// Here.
        granted: u32,
        /// Everywhere.
        total: u32,
    },
    /// What was looked up.
    Answer(QueryAnswer),
}

/// The answer to a beat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// This node was given up, or new: what it had may be gone.
    pub lapsed: bool,
    /// Nodes that live.
    pub alive: u32,
    /// Nodes that do not.
    pub dead: Vec<NodeId>,
    /// Leaves that webhooks are to be told of now: each a reference and a user, or no user.
    pub due: Vec<String>,
    /// Of the directory's data: another one if it was lost.
    pub epoch: String,
}

/// What was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryAnswer {
    /// Of one channel.
    Channel(ChannelInfo),
    /// Name, sockets, users; in order of name.
    Occupied(Vec<(String, u32, u32)>),
    /// In order of arrival.
    Members(Vec<String>),
    /// On all nodes.
    Connections(u32),
}

/// What there is to be said of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Subscribed sockets.
    pub sockets: u32,
    /// Distinct users.
    pub users: u32,
    /// The cached event and for how long it is kept.
    pub cached: Option<(String, Duration)>,
}

impl ChannelTraits {
    /// As letters, the way scripts read them.
    pub(in crate::cluster) fn letters(self) -> String {
        let all =
            [('l', self.listed), ('r', self.roster), ('w', self.webhooks), ('s', self.counts)];
        all.into_iter().filter(|(_, is_so)| *is_so).map(|(letter, _)| letter).collect()
    }
}

impl StateFlags {
    pub(in crate::cluster) fn letters(self) -> String {
        let all = [
            ('o', self.whole),
            ('b', self.bounded),
            ('f', self.roster),
            ('c', self.cached),
            ('m', self.cached),
            ('x', self.missed),
        ];
        all.into_iter().filter(|(_, is_so)| *is_so).map(|(letter, _)| letter).collect()
    }
}

/// How a channel is called in the directory: facts, app and name, so that whoever finds it there can
/// look after it.
pub(in crate::cluster) fn reference(facts: ChannelTraits, app_id: &str, name: &str) -> String {
    format!("{}\0{app_id}\0{name}", facts.letters())
}

/// App id and name of a reference.
pub(in crate::cluster) fn read_reference(text: &str) -> Option<(&str, &str)> {
    text.split_once('\0')?.1.split_once('\0')
}
