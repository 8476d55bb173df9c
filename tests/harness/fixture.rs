//! An app, shards and an event cache without a server around them.
//!
//! The suites `properties` and `fuzzing` and the benches of `benches/micro` run the hub in memory and include this
//! file by its path: all need the same app and the same limits, and nothing else of the harness,
//! which starts whole servers.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use resound::app::App;
use resound::config::{Config, ConfigFile, Sources, WebSocketConfig};
use resound::hub::{EventCache, Shard, Shards};
use resound::metrics::Metrics;
use resound::protocol::ChannelName;

const APP: &str = "[[apps]]\nid = \"1\"\nkey = \"key\"\nsecret = \"secret\"\n";

/// Far more than waits for a transport in memory, which is never slow.
pub(crate) const BYTES: usize = 1 << 24;

/// Two shards, as on two cores: messages that cross from one to the other are part of every run.
const SHARDS: usize = 2;

/// An app with the defaults of the configuration, but without a limit of client events.
pub(crate) fn app() -> App {
    static DEFAULT: LazyLock<App> = LazyLock::new(|| {
        let file = ConfigFile { name: "fixture.toml".to_owned(), text: APP.to_owned() };
        let sources = Sources { file: Some(file), ..Sources::default() };
        let apps = Config::new(&sources).expect("a valid configuration").apps;
        let mut app = (**apps.by_id("1").unwrap()).clone();
        app.limits.client_events_per_second = None;
        app
    });
    DEFAULT.clone()
}

/// Shards that the caller turns, and their inboxes. Messages from `deflate_min_bytes` on are deflated.
pub(crate) fn shards(
    metrics: &Arc<Metrics>,
    deflate_min_bytes: usize,
) -> (Arc<Shards>, Vec<Shard>) {
    let limits = Config::new(&Sources::default()).expect("the defaults are valid").websocket;
    let limits =
        WebSocketConfig { outbox_bytes: BYTES, inbox_bytes: BYTES, deflate_min_bytes, ..limits };
    Shards::new(SHARDS, limits, metrics)
}

/// A cache that forgets only with time.
pub(crate) fn cache(ttl: Duration) -> EventCache {
    EventCache::new(ttl, BYTES)
}

/// A valid channel name.
pub(crate) fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}
