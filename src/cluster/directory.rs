//! What the nodes and Redis have in common: the names of keys, the requests of a node, the answers, and
//! the messages on topics. Plain data; depends on [`protocol`](crate::protocol) alone.
//!
//! "The directory" is what Redis keeps for the nodes of one cluster.

use std::fmt;

pub(super) mod agreement;
pub(super) mod key;
pub(super) mod message;
pub(super) mod outcome;
pub(super) mod request;

/// Names one process among all that ever were: drawn at its start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl NodeId {
    /// A new one. 0 is nobody.
    pub fn random() -> Self {
        Self(rand::random_range(1..=u64::MAX))
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
