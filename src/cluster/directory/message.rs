//! The messages on topics.
//!
//! Each begins with `R`, the format, a kind and eight bytes: the node that sent it, or the request it
//! answers. Behind that an event has fixed fields and the client's text as it is; other messages are
//! packed by `cmsgpack` with named fields. Read without trust: anything that can reach the Redis can
//! publish on a topic. No secret is ever written.

use serde::{Deserialize, Deserializer, Serialize};

use super::{FORMAT, NodeId, pack, unpack};
use crate::protocol::SocketId;

const MARK: u8 = b'R';

const EVENT: u8 = b'E';
const CACHED_EVENT: u8 = b'K';
const CHANGE: u8 = b'C';
const OUTCOME: u8 = b'O';
const TERMINATE: u8 = b'T';
const INQUIRY: u8 = b'I';
const ANSWER: u8 = b'A';

/// A message as it was received.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicMessage<'a> {
    /// What is published to a channel's subscribers.
    Event(EventMessage<'a>),
    /// What changed in a channel.
    Change(RosterChange<'a>),
    /// The outcome of this node's own request with this number, in one order with everything else that
    /// the node receives.
    Outcome(u64, Outcome<'a>),
    /// Every connection of a user is to be closed.
    Terminate(Terminate<'a>),
    /// A node asks all others, for an operator.
    Inquiry(NodeId, Inquiry<'a>),
    /// A part of what another node answers to an inquiry.
    Answer(NodeId, InquiryAnswer<'a>),
}

/// Why a message on a topic of the cluster is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InvalidTopicMessage {
    /// It is no message of a Resound.
    Malformed,
    /// It is one of another version.
    OtherFormat,
    /// It answers a request that this node has not made.
    UnknownRequest,
    /// An event whose number is of another series than the channel's.
    AbsurdNumber,
}

impl InvalidTopicMessage {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Malformed, Self::OtherFormat, Self::UnknownRequest, Self::AbsurdNumber];

    /// Why bytes are none of the messages of this version.
    pub(in crate::cluster) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [MARK, format, ..] if *format != FORMAT => Self::OtherFormat,
            _ => Self::Malformed,
        }
    }

    /// As the metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherFormat => "other_format",
            Self::UnknownRequest => "unknown_request",
            Self::AbsurdNumber => "absurd_number",
        }
    }

    /// What happens, and what to change.
    pub fn text(self) -> &'static str {
        match self {
            Self::OtherFormat => {
                "messages of another version of Resound arrive on the topics of this cluster and are dropped: run the same version on all nodes, or set another cluster.prefix there"
            }
            _ => {
                "messages that no node of this cluster has sent arrive on its topics and are dropped: let nothing else publish below cluster.prefix on this Redis, or set another cluster.prefix"
            }
        }
    }
}

/// An event and its number in its channel.
///
/// Its bytes, big-endian: `R`, format, kind (1 each), origin (8), serial (8), both halves of the excluded
/// socket's id (4 each, 0 for none); then the number (8), which `publish.lua` writes; then the text.
#[derive(Debug, PartialEq, Eq)]
pub struct EventMessage<'a> {
    /// The node that published it.
    pub origin: NodeId,
    /// Its number among the events of the origin.
    pub serial: u64,
    /// The socket that must not receive it.
    pub except: Option<SocketId>,
    /// Cache channels store it: it comes from a back end.
    pub kept: bool,
    /// Its number in the channel: without gaps as long as nothing is lost.
    pub number: u64,
    /// The client's message.
    pub text: &'a str,
}

/// How the cluster's view of a channel changed. `publish_change` in `prelude.lua` writes it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RosterChange<'a> {
    /// The node that changed it; 0 if another node cleaned up behind a dead one.
    #[serde(skip)]
    pub origin: NodeId,
    /// User ids.
    #[serde(borrow)]
    pub removed: Vec<&'a str>,
    /// User ids and their infos.
    #[serde(borrow)]
    pub added: Vec<(&'a str, &'a str)>,
    /// The new subscription count, for the subscribers.
    pub count: Option<u32>,
    /// The count changed and was not announced: a node that serves the channel is to ask for it.
    pub recount: bool,
}

/// What the directory answers when a node reports what it has in a channel: what came before it on the
/// channel's topic is in it, what comes after is not. `state.lua` writes it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Outcome<'a> {
    /// The number of the channel's last event.
    pub number: u64,
    /// The serial of this node's last event there, if the roster was to be compared.
    pub own: u64,
    /// Subscribed sockets of all nodes.
    pub total: u32,
    /// This made the channel occupied, and this node sends the webhook.
    pub report_occupied: bool,
    /// Whether the subscribers get their new number.
    pub count: Count,
    /// A join found no cached event, and this node sends the webhook.
    pub report_miss: bool,
    /// Users that were refused: the channel is full.
    #[serde(borrow)]
    pub refused: Vec<&'a str>,
    /// Users who are in the channel because of this.
    #[serde(borrow)]
    pub added: Vec<&'a str>,
    /// Users who are in it no more.
    #[serde(borrow)]
    pub removed: Vec<&'a str>,
    /// Of the added, those for whom this node sends the webhook.
    #[serde(borrow)]
    pub report_added: Vec<&'a str>,
    /// All members, if they were requested.
    #[serde(borrow, deserialize_with = "read_roster")]
    pub roster: Option<Vec<RosterEntry<'a>>>,
    /// The cached event, if it was requested and there is one.
    pub cached: Option<&'a str>,
    /// Event messages since the number the node had, if they are stored.
    #[serde(borrow)]
    pub missed: Vec<&'a [u8]>,
    /// There may be more of them: request them again.
    pub more: bool,
}

/// Whether subscribers get their new number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Count {
    /// Nothing changed, or the app has no such events.
    #[default]
    No,
    /// This request sent it to all other nodes.
    Sent,
    /// It was sent too recently: request it again.
    Later,
}

/// One member of a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterEntry<'a> {
    /// Its position in the order of arrival.
    pub arrival: u64,
    /// Its id.
    pub user_id: &'a str,
    /// Its info, as JSON.
    pub info: &'a str,
}

/// What the directory stores of a member; `pack_member` in `prelude.lua` writes it, as an array.
#[derive(Deserialize)]
pub(in crate::cluster) struct StoredMember<'a> {
    pub(in crate::cluster) arrival: u64,
    /// The ids of its nodes, eight bytes each: only the scripts read them.
    #[allow(dead_code, reason = "a part of the layout")]
    nodes: &'a [u8],
    info: &'a str,
}

/// Closes every connection of a user.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminate<'a> {
    /// The app's id.
    pub app: &'a str,
    /// The user.
    pub user_id: &'a str,
}

/// What an operator asks all nodes. Anything that reaches the Redis can ask, so it changes nothing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry<'a> {
    /// Drawn at random; answers carry it.
    pub id: u64,
    /// What is asked; empty ends it.
    pub text: &'a str,
}

/// A part of the answer of one node.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InquiryAnswer<'a> {
    /// The id of the inquiry.
    pub id: u64,
    /// The parts make the answer, one behind the other.
    pub part: &'a str,
    /// Whether no part comes behind it.
    pub is_last: bool,
}

/// The roster as Redis returns a hash: user ids and values in turn.
fn read_roster<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<RosterEntry<'a>>>, D::Error> {
    let fields = Vec::<&'de [u8]>::deserialize(deserializer)?;
    let entry = |pair: &[&'de [u8]]| {
        let [user_id, value] = pair else { return None };
        let StoredMember { arrival, info, .. } = unpack(value)?;
        Some(RosterEntry { arrival, user_id: std::str::from_utf8(user_id).ok()?, info })
    };
    let roster: Option<Vec<_>> = fields.chunks(2).map(entry).collect();
    roster.map(Some).ok_or_else(|| serde::de::Error::custom("no member"))
}

/// The bytes of an event up to its number, which the directory writes.
pub fn event_head(origin: NodeId, serial: u64, except: Option<SocketId>, kept: bool) -> Vec<u8> {
    let (first, second) = except.map_or((0, 0), SocketId::halves);
    [
        &head(if kept { CACHED_EVENT } else { EVENT }, origin.0)[..],
        &serial.to_be_bytes(),
        &first.to_be_bytes(),
        &second.to_be_bytes(),
    ]
    .concat()
}

/// The bytes in front of a packed change.
pub(in crate::cluster) fn change_head(origin: NodeId) -> [u8; 11] {
    head(CHANGE, origin.0)
}

/// The bytes in front of a packed outcome.
pub(in crate::cluster) fn outcome_head(request: u64) -> [u8; 11] {
    head(OUTCOME, request)
}

/// A whole message that closes a user's connections.
pub(in crate::cluster) fn terminate(app: &str, user_id: &str) -> Vec<u8> {
    [&head(TERMINATE, 0)[..], &pack(&Terminate { app, user_id })].concat()
}

/// A whole message that asks all other nodes.
pub(in crate::cluster) fn inquiry(from: NodeId, inquiry: &Inquiry<'_>) -> Vec<u8> {
    [&head(INQUIRY, from.0)[..], &pack(inquiry)].concat()
}

/// A whole message with a part of an answer.
pub(in crate::cluster) fn answer(from: NodeId, answer: &InquiryAnswer<'_>) -> Vec<u8> {
    [&head(ANSWER, from.0)[..], &pack(answer)].concat()
}

fn head(kind: u8, sender: u64) -> [u8; 11] {
    let mut head = [MARK, FORMAT, kind, 0, 0, 0, 0, 0, 0, 0, 0];
    head[3..].copy_from_slice(&sender.to_be_bytes());
    head
}

impl<'a> TopicMessage<'a> {
    /// Reads a message; `None` for anything else.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[MARK, FORMAT, kind], rest) = bytes.split_first_chunk()? else { return None };
        let (sender, rest) = rest.split_first_chunk()?;
        let sender = u64::from_be_bytes(*sender);
        Some(match kind {
            EVENT | CACHED_EVENT => {
                Self::Event(EventMessage::read(NodeId(sender), kind == CACHED_EVENT, rest)?)
            }
            CHANGE => Self::Change(RosterChange { origin: NodeId(sender), ..unpack(rest)? }),
            OUTCOME => Self::Outcome(sender, unpack(rest)?),
            TERMINATE => Self::Terminate(unpack(rest)?),
            INQUIRY => Self::Inquiry(NodeId(sender), unpack(rest)?),
            ANSWER => Self::Answer(NodeId(sender), unpack(rest)?),
            _ => return None,
        })
    }
}

impl<'a> EventMessage<'a> {
    fn read(origin: NodeId, kept: bool, rest: &'a [u8]) -> Option<Self> {
        let (serial, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (second, rest) = rest.split_first_chunk()?;
        let (number, text) = rest.split_first_chunk()?;
        let except = SocketId::of_halves(u32::from_be_bytes(*first), u32::from_be_bytes(*second));
        let (serial, number) = (u64::from_be_bytes(*serial), u64::from_be_bytes(*number));
        Some(Self { origin, serial, except, kept, number, text: std::str::from_utf8(text).ok()? })
    }
}
