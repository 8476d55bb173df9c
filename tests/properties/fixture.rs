//! What every property stands on: an app, shards, a cache, and a record of its webhook events.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use resound::app::App;
use resound::channel_rules::{WebhookEvent, WebhookSink};
use resound::config::{Config, ConfigFile, Sources, WebSocketConfig};
use resound::hub::{EventCache, Shard, Shards};
use resound::metrics::Metrics;
use resound::protocol::ChannelName;

use crate::schedule::CACHE_SECONDS;

const APP: &str = "[[apps]]\nid = \"1\"\nkey = \"key\"\nsecret = \"secret\"\n";

/// Enough for any test here; a reader in memory is never slow.
const BYTES: usize = 1 << 24;

/// An app as the configuration has it if nothing is said, but for the rates.
pub(crate) fn app() -> App {
    static SHIPPED: LazyLock<App> = LazyLock::new(|| {
        let file = ConfigFile { name: "properties.toml".to_owned(), text: APP.to_owned() };
        let sources = Sources { file: Some(file), ..Sources::default() };
        let apps = Config::new(&sources).expect("a valid configuration").apps;
        let mut app = (**apps.by_id("1").unwrap()).clone();
        app.limits.client_events_per_second = None;
        app
    });
    SHIPPED.clone()
}

/// Shards enough that what crosses them is played too.
pub(crate) fn shards(metrics: &Arc<Metrics>) -> (Arc<Shards>, Vec<Shard>) {
    let limits = Config::new(&Sources::default()).expect("the defaults are valid").websocket;
    let limits = WebSocketConfig {
        outbox_bytes: BYTES,
        inbox_bytes: BYTES,
        deflate_min_bytes: 64,
        ..limits
    };
    Shards::new(2, limits, metrics)
}

/// A cache that forgets only with time.
pub(crate) fn cache() -> EventCache {
    EventCache::new(Duration::from_secs(CACHE_SECONDS), BYTES)
}

/// A valid channel name.
pub(crate) fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, 200).unwrap()
}

/// Writes down what happens.
#[derive(Default)]
pub(crate) struct Record(Mutex<Vec<WebhookEvent>>);

impl Record {
    /// Everything since the last time.
    pub(crate) fn take(&self) -> Vec<WebhookEvent> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl WebhookSink for Record {
    fn send(&self, event: WebhookEvent) {
        self.0.lock().push(event);
    }
}
