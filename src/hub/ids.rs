//! By which numbers shards know channels and apps, never used twice, and the maps by numbers.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Identifies a channel among those of all apps of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChannelId(pub(super) u64);

/// Identifies the hub of one app among those of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubId(pub(super) u32);

/// A map by numbers. Its hash takes a fifth of the instructions of the one of the standard library, which withstands
/// clients that choose keys: these numbers are chosen by this process.
pub(super) type IdMap<K, V> = HashMap<K, V, RandomState>;
