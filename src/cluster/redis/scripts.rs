//! The Lua scripts, each of which Redis executes as one step, and the constants in them.
//!
//! Loaded once for each connection and called by their hashes. Not a [`redis::Script`]: that one cannot be
//! part of a pipeline, and copies each argument once more.

use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;

use crate::channel_rules::{
    CACHE_MISS_WINDOW, COUNT_INTERVAL, LEAVE_DELAY, UNTHROTTLED_SUBSCRIBERS,
};
use crate::config::ClusterSettings;

/// The hashes by which Redis calls the scripts.
pub(super) struct Scripts {
    pub(super) state: String,
    pub(super) publish: String,
    pub(super) heartbeat: String,
    pub(super) reap: String,
    pub(super) connections: String,
    pub(super) occupied_channels: String,
    pub(super) channel_info: String,
}

impl Scripts {
    /// Loads them into Redis.
    pub(super) async fn load(
        connection: &mut MultiplexedConnection,
        settings: &ClusterSettings,
    ) -> Result<Self, RedisError> {
        let constants = constants(settings);
        let prelude = include_str!("lua/prelude.lua");
        let scripts = [
            [&constants, prelude, include_str!("lua/state.lua")].concat(),
            [&constants, include_str!("lua/publish.lua")].concat(),
            [&constants, prelude, include_str!("lua/heartbeat.lua")].concat(),
            [&constants, prelude, include_str!("lua/reap.lua")].concat(),
            [&constants, prelude, include_str!("lua/connections.lua")].concat(),
            include_str!("lua/occupied_channels.lua").to_owned(),
            include_str!("lua/channel_info.lua").to_owned(),
        ];
        let mut pipeline = redis::pipe();
        for script in &scripts {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(script);
        }
        type Hashes = (String, String, String, String, String, String, String);
        let hashes: Hashes = pipeline.query_async(connection).await?;
        let (state, publish, heartbeat, reap, connections, occupied_channels, channel_info) =
            hashes;
        Ok(Self { state, publish, heartbeat, reap, connections, occupied_channels, channel_info })
    }
}

/// Dead nodes are removed from so many channels by one call: a script that runs for long delays events.
const REAPED_CHANNELS_MAX: u64 = 64;

/// So many leaves are taken by one heartbeat. Lua cannot pass more than some thousand to one command.
const DUE_LEAVES_MAX: u64 = 100;

/// A channel stores the last serials of so many nodes, most of which are long gone.
const SERIALS_MAX: u64 = 256;

/// One outcome holds so many missed events and bytes of them, and one event more.
const MISSED_EVENTS_MAX: u64 = 64;
const MISSED_BYTES_MAX: u64 = 64 << 10;

/// How long the number of a vacated channel is kept: longer than a node stays subscribed to one that it
/// does not need, or the next numbers would look like a gap.
const NUMBERS_KEPT: Duration = Duration::from_secs(10);

/// The same for the numbers and serials of a channel whose last node was given up: it may be alive behind
/// a broken line.
const KEPT_FOR_DEAD: Duration = Duration::from_secs(600);

/// The constants as local variables of Lua. The same on all nodes with the same settings, so that Redis
/// stores each script once.
fn constants(settings: &ClusterSettings) -> String {
    let streams = settings.streams.as_ref();
    let retention = streams.map(|streams| streams.retention);
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let nil = || "nil".to_owned();
    let constants = [
        ("LEASE_MS", milliseconds(settings.beat_holds())),
        ("CACHE_MS", milliseconds(settings.cache_ttl)),
        ("RETENTION_MS", retention.map_or_else(nil, milliseconds)),
        ("RETAINED_EVENTS", streams.map_or_else(nil, |streams| streams.events.to_string())),
        ("NUMBERS_KEPT_MS", milliseconds(retention.unwrap_or(NUMBERS_KEPT))),
        ("SERIALS_KEPT_MS", milliseconds(settings.serials_kept())),
        ("KEPT_FOR_DEAD_MS", milliseconds(retention.unwrap_or_default().max(KEPT_FOR_DEAD))),
        ("LEAVE_DELAY_MS", milliseconds(LEAVE_DELAY)),
        ("CACHE_MISS_WINDOW_MS", milliseconds(CACHE_MISS_WINDOW)),
        ("UNTHROTTLED_SUBSCRIBERS", UNTHROTTLED_SUBSCRIBERS.to_string()),
        ("COUNT_INTERVAL_MS", milliseconds(COUNT_INTERVAL)),
        ("REAPED_CHANNELS_MAX", REAPED_CHANNELS_MAX.to_string()),
        ("DUE_LEAVES_MAX", DUE_LEAVES_MAX.to_string()),
        ("SERIALS_MAX", SERIALS_MAX.to_string()),
        ("MISSED_EVENTS_MAX", MISSED_EVENTS_MAX.to_string()),
        ("MISSED_BYTES_MAX", MISSED_BYTES_MAX.to_string()),
    ];
    constants.map(|(name, value)| format!("local {name} = {value}\n")).concat()
}
