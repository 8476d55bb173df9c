//! Which sockets are looked for, and what one step of a look finds.
//!
//! Values only. A shard compares its sockets with them, some hundred a turn.

use std::sync::Arc;
use std::time::Duration;

use super::ids::{ChannelId, HubId};
use super::sighting::SocketSighting;
use super::socket_order::{SocketOrder, SocketRank};
use crate::protocol::SocketId;

/// Which sockets are looked for; a part that is absent excludes nothing.
#[derive(Debug, Clone, Default)]
pub struct SocketMatch {
    /// Of this app.
    pub hub: Option<HubId>,
    /// One of these.
    pub sockets: Option<SocketSet>,
    /// In the channel with one of these ids.
    pub channels: Option<ChannelIds>,
    /// The address begins with this.
    pub address: Option<String>,
    /// Library, version, origin or user agent contain this, in lower case.
    pub client: Option<String>,
    /// One of these fits.
    pub any: Option<AnyMatch>,
}

/// What may fit of a socket.
#[derive(Debug, Clone, Default)]
pub struct AnyMatch {
    /// The id or the address begins with this, or the client contains it, in lower case.
    pub text: String,
    /// It is one of these.
    pub sockets: SocketSet,
    /// It is in one of these channels.
    pub channels: ChannelIds,
}

/// The ids that one channel has at the shards.
#[derive(Debug, Clone, Default)]
pub struct ChannelIds(pub(super) Vec<ChannelId>);

impl ChannelIds {
    /// Those of several channels.
    pub fn of(all: impl IntoIterator<Item = Self>) -> Self {
        Self(all.into_iter().flat_map(|ids| ids.0).collect())
    }
}

/// Some sockets, without duplicates and in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct SocketSet(pub(super) Vec<SocketId>);

impl FromIterator<SocketId> for SocketSet {
    fn from_iter<I: IntoIterator<Item = SocketId>>(ids: I) -> Self {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }
}

impl SocketSet {
    pub(super) fn contains(&self, socket: SocketId) -> bool {
        self.0.binary_search(&socket).is_ok()
    }
}

/// What all steps of a look have in common.
#[derive(Debug, Clone, Default)]
pub struct LookPlan {
    /// Which sockets are looked for.
    pub what: SocketMatch,
    /// Which of them come first.
    pub order: SocketOrder,
    /// How many are listed.
    pub most: usize,
}

/// One step of a look at a shard: from this place on.
pub(super) struct Look {
    pub(super) plan: Arc<LookPlan>,
    pub(super) from: usize,
    /// What ranks behind this is counted alone: the list has enough that ranks before it.
    pub(super) last: Option<SocketRank>,
}

/// What a step has seen.
#[derive(Debug, Default)]
pub struct Looked {
    /// The sockets that may be listed, with their ranks, in no order.
    pub found: Vec<(SocketRank, SocketSighting)>,
    /// How many fit.
    pub matched: usize,
    /// Where the next step begins, if there is one.
    pub next: Option<usize>,
    /// How long it kept the shard from its other work.
    pub took: Duration,
}
