//! By which numbers shards know channels and apps: never used twice.

/// Identifies a channel among those of all apps of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChannelId(pub(super) u64);

/// Identifies the hub of one app among those of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubId(pub(super) u32);
