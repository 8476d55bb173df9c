//! Which sockets are looked for, and what one step of a look finds.
//!
//! Values only. A shard compares its sockets with them, some hundred a turn.

use std::collections::HashSet;
use std::sync::Arc;

use super::ids::{ChannelId, HubId};
use super::sighting::SocketSighting;
use crate::protocol::SocketId;

/// Which sockets are looked for; a part that is absent excludes nothing.
#[derive(Debug, Clone, Default)]
pub struct SocketMatch {
    /// Of this app.
    pub hub: Option<HubId>,
    /// One of these.
    pub sockets: Option<HashSet<SocketId>>,
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
    pub sockets: HashSet<SocketId>,
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

/// One step of a look at a shard: from this place on.
pub(super) struct Look {
    pub(super) from: usize,
    pub(super) what: Arc<SocketMatch>,
}

/// What a step has seen.
#[derive(Debug, Default)]
pub struct Looked {
    /// The sockets that fit.
    pub found: Vec<SocketSighting>,
    /// Where the next step begins, if there is one.
    pub next: Option<usize>,
}
