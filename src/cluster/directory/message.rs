//! What travels on topics: one version byte, one kind byte, then numbers and texts with lengths.
//!
//! Read without trust: whoever reaches the Redis can publish here. What is no message of this
//! version is `None`, to be counted and forgotten. Events carry the client's bytes as they are,
//! behind 35 bytes of head; no secret is ever written.

use super::NodeId;
use super::outcome::Outcome;
use crate::protocol::SocketId;

/// The first two bytes of every message of this version.
const VERSION: [u8; 2] = *b"R\x01";

/// A message as it was received.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicMessage<'a> {
    /// What is published to a channel's subscribers.
    Event(EventMessage<'a>),
    /// What changed on a channel, told by the node that changed it (0: by whoever cleaned up).
    Change(RosterChange<'a>),
    /// The directory's answer to this node's own request, at its place in the order of things.
    Outcome(u64, Outcome<'a>),
    /// Every connection of this user is to be closed.
    Terminate {
        /// The app's id.
        app: &'a str,
        /// The user.
        user_id: &'a str,
    },
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
    /// Why bytes are none of the messages of this version.
    pub(in crate::cluster) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [first, version, ..] if *first == VERSION[0] && *version != VERSION[1] => {
                Self::OtherFormat
            }
            _ => Self::Malformed,
        }
    }

    /// As the metric's label.
    pub(in crate::cluster) fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherFormat => "other_format",
            Self::UnknownRequest => "unknown_request",
            Self::AbsurdNumber => "absurd_number",
        }
    }

    /// What happens, and what to change.
    pub(in crate::cluster) fn text(self) -> &'static str {
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

/// An event and where it stands in its channel.
#[derive(Debug, PartialEq, Eq)]
pub struct EventMessage<'a> {
    /// The node that published it, and the number of the publish there.
    pub origin: NodeId,
    /// Its number at the origin.
    pub serial: u64,
    /// The socket that must not receive it.
    pub except: Option<SocketId>,
    /// Cache channels remember it: it comes from a back end.
    pub kept: bool,
    /// Its number in the channel: without holes as long as nothing is lost.
    pub number: u64,
    /// The client's message.
    pub text: &'a str,
}

/// Who came and went in the cluster's view, and how many there are if they are to be told.
#[derive(Debug, PartialEq, Eq)]
pub struct RosterChange<'a> {
    /// Who changed it.
    pub origin: NodeId,
    /// User ids.
    pub removed: Vec<&'a str>,
    /// User ids and their infos.
    pub added: Vec<(&'a str, &'a str)>,
    /// The subscription count, where the app wants it told.
    pub count: Option<u32>,
    /// It is another one, and nobody has told it: whoever serves the channel is to ask.
    pub recount: bool,
}

/// What stands for a count that was not told.
const RECOUNT: u32 = u32::MAX;

/// The head of an event, up to its number, which the directory writes.
pub(in crate::cluster) fn event_head(
    origin: NodeId,
    serial: u64,
    except: Option<SocketId>,
    kept: bool,
) -> Vec<u8> {
    let mut head = head(if kept { b'K' } else { b'E' }, origin);
    head.extend_from_slice(&serial.to_be_bytes());
    let (first, second) = except.map_or((0, 0), SocketId::halves);
    head.extend_from_slice(&first.to_be_bytes());
    head.extend_from_slice(&second.to_be_bytes());
    head
}

/// The head of a change.
pub(in crate::cluster) fn change_head(origin: NodeId) -> Vec<u8> {
    head(b'C', origin)
}

/// The head of an outcome.
pub(in crate::cluster) fn outcome_head(request: u64) -> Vec<u8> {
    head(b'O', NodeId(request))
}

/// A whole message that closes a user's connections.
pub(in crate::cluster) fn terminate(app_id: &str, user_id: &str) -> Vec<u8> {
    let mut message = [&VERSION[..], b"T"].concat();
    for text in [app_id, user_id] {
        message.extend_from_slice(&(text.len() as u32).to_be_bytes());
        message.extend_from_slice(text.as_bytes());
    }
    message
}

fn head(kind: u8, first: NodeId) -> Vec<u8> {
    [&VERSION[..], &[kind], &first.0.to_be_bytes()].concat()
}

impl<'a> TopicMessage<'a> {
    /// Reads a message; `None` for anything else.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes.strip_prefix(&VERSION)?);
        let message = match rest.byte()? {
            kind @ (b'E' | b'K') => return EventMessage::read(rest, kind == b'K').map(Self::Event),
            b'C' => Self::Change(RosterChange::read(&mut rest)?),
            b'O' => Self::Outcome(rest.u64()?, Outcome::read(&mut rest)?),
            b'T' => Self::Terminate { app: rest.text()?, user_id: rest.text()? },
            _ => return None,
        };
        rest.0.is_empty().then_some(message)
    }
}

impl<'a> EventMessage<'a> {
    fn read(mut rest: Reader<'a>, kept: bool) -> Option<Self> {
        let (origin, serial) = (NodeId(rest.u64()?), rest.u64()?);
        let except = SocketId::of_halves(rest.u32()?, rest.u32()?);
        let number = rest.u64()?;
        let text = std::str::from_utf8(rest.0).ok()?;
        Some(Self { origin, serial, except, kept, number, text })
    }
}

impl<'a> RosterChange<'a> {
    fn read(rest: &mut Reader<'a>) -> Option<Self> {
        let origin = NodeId(rest.u64()?);
        let removed = rest.list(Reader::text)?;
        let added = rest.list(|rest| Some((rest.text()?, rest.text()?)))?;
        let count = rest.u32()?;
        let told = (1..RECOUNT).contains(&count).then_some(count);
        Some(Self { origin, removed, added, count: told, recount: count == RECOUNT })
    }
}

/// Reads numbers and texts off the front; `None` where there is less than announced.
pub(in crate::cluster) struct Reader<'a>(pub(in crate::cluster) &'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::cluster) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(in crate::cluster) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    pub(in crate::cluster) fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*first))
    }

    pub(in crate::cluster) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    pub(in crate::cluster) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Nothing is reserved for an announced length: the list grows with what is there.
    pub(in crate::cluster) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(one(self)?);
        }
        Some(all)
    }
}
