//! The vocabulary that the nodes and Redis share: identities, names of keys, requests, replies, and the
//! messages on topics. Plain data; depends on [`protocol`](crate::protocol) alone.
//!
//! "The directory" is what Redis stores for the nodes of one cluster.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

pub(super) mod agreement;
pub(super) mod key;
pub(super) mod message;
pub(super) mod reply;
pub(super) mod request;

/// The version of what nodes write: messages, requests and values in Redis. Nodes of different versions
/// drop each other's messages.
const FORMAT: u8 = 2;

/// Identifies one process among all that have ever run: drawn at its start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl NodeId {
    /// A new one from a random number. 0 belongs to no node.
    pub fn from_random(random: NonZeroU64) -> Self {
        Self(random.get())
    }

    /// The form in which Redis stores it.
    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Reads the form in which Redis stores it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        Self::from_bytes(bytes).ok_or_else(|| serde::de::Error::invalid_length(bytes.len(), &"8"))
    }
}

/// One of the parts of an installation; its prefix is that of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
    /// The prefix of the installation as a whole.
    pub installation: String,
}

impl Partition {
    /// Its number for the log; `None` where there is one.
    pub(super) fn shown(&self) -> Option<u32> {
        (self.count > 1).then_some(self.index)
    }
}

/// Which of several Redis has a partition, by its place in `cluster.urls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionPlace {
    /// There, and this node takes part.
    At(usize),
    /// Probably there, and the link waits.
    Closed {
        /// The place.
        url: usize,
        /// Why it waits; `None` before the Redis was asked.
        cause: Option<Arc<str>>,
    },
}

impl PartitionPlace {
    /// The place of the Redis.
    pub fn url(&self) -> usize {
        match self {
            Self::At(url) | Self::Closed { url, .. } => *url,
        }
    }
}

/// The Redis at the end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisIdentity {
    /// The process: changes with each start.
    pub run: String,
    /// Its data: drawn by the first node that found none.
    pub epoch: String,
}

/// Packs plain data with the names of its fields, as the scripts read it with `cmsgpack.unpack`.
pub(super) fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("plain data can be packed")
}

/// Reads what `cmsgpack.pack` or [`pack`] has written; `None` for anything else.
pub(super) fn unpack<'a, T: Deserialize<'a>>(packed: &'a [u8]) -> Option<T> {
    rmp_serde::from_slice(packed).ok()
}
