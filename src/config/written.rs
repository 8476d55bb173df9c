//! What may be written: the shape of a configuration file.
//!
//! Owns the names of all keys and their TOML types, and refuses every other. Knows no range and
//! no default: a key left out reads as zero or empty here, and `config/defaults.toml`, merged
//! below the file, fills it. The file alone is read into these types only to be checked.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    #[serde(deserialize_with = "table")]
    pub(super) server: Server,
    #[serde(deserialize_with = "table")]
    pub(super) http: Http,
    #[serde(deserialize_with = "table")]
    pub(super) websocket: WebSocket,
    #[serde(deserialize_with = "table")]
    pub(super) cache: Cache,
    #[serde(deserialize_with = "table")]
    pub(super) webhooks: Webhooks,
    #[serde(deserialize_with = "table")]
    pub(super) log: Log,
    #[serde(deserialize_with = "table")]
    pub(super) metrics: Metrics,
    #[serde(deserialize_with = "table")]
    pub(super) cluster: Cluster,
    #[serde(deserialize_with = "table")]
    pub(super) app: App,
    #[serde(deserialize_with = "tables")]
    pub(super) apps: Vec<App>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u64,
    pub(super) path: String,
    pub(super) hostname: String,
    pub(super) drain_seconds: u64,
    pub(super) workers: u64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) max_body_bytes: u64,
    pub(super) max_header_bytes: u64,
    pub(super) max_headers: u64,
    pub(super) header_timeout_seconds: u64,
    pub(super) body_timeout_seconds: u64,
    pub(super) idle_timeout_seconds: u64,
    pub(super) max_pending_connections: u64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebSocket {
    pub(super) outbox_bytes: u64,
    pub(super) inbox_bytes: u64,
    pub(super) deflate: bool,
    pub(super) deflate_min_bytes: u64,
    pub(super) max_fragments: u64,
    pub(super) message_timeout_seconds: u64,
    pub(super) write_timeout_seconds: u64,
    pub(super) close_timeout_seconds: u64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cache {
    pub(super) ttl_seconds: u64,
    pub(super) bytes: u64,
}

/// `[webhooks]`: of all calls; what is called is [`App::webhooks`].
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Webhooks {
    pub(super) queue_events: u64,
    pub(super) connect_timeout_seconds: u64,
    pub(super) request_timeout_seconds: u64,
    pub(super) retry_for_seconds: u64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: String,
    pub(super) level: String,
    pub(super) debug: bool,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) listen: String,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) enabled: bool,
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u64,
    pub(super) username: String,
    /// Of digits alone it may stand without quotes, rather than in the message that refuses it.
    #[serde(deserialize_with = "text_or_number")]
    pub(super) password: String,
    pub(super) sentinel_username: String,
    #[serde(deserialize_with = "text_or_number")]
    pub(super) sentinel_password: String,
    pub(super) database: u64,
    pub(super) ca_file: String,
    pub(super) prefix: String,
    pub(super) lease_seconds: u64,
    pub(super) required: bool,
    pub(super) local_delivery_after_ms: u64,
    pub(super) timeout_ms: u64,
    pub(super) queue_bytes: u64,
    pub(super) transport: String,
    pub(super) stream_retention_seconds: u64,
    pub(super) stream_events: u64,
}

/// `[app]` and one `[[apps]]` entry: the same keys, but only an entry has the first three.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct App {
    /// `app_id` is its name in Reverb's `config/reverb.php`.
    #[serde(alias = "app_id", deserialize_with = "text_or_number")]
    pub(super) id: String,
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) enabled: bool,
    pub(super) allowed_origins: Vec<String>,
    pub(super) require_origin: bool,
    pub(super) ping_interval: u64,
    pub(super) activity_timeout: u64,
    pub(super) pong_timeout_seconds: u64,
    pub(super) require_protocol: bool,
    pub(super) authorization_timeout_seconds: u64,
    pub(super) max_connections: u64,
    pub(super) max_message_size: u64,
    pub(super) max_subscriptions: u64,
    pub(super) accept_client_events_from: String,
    pub(super) max_client_events_per_second: u64,
    pub(super) watchlist_events: bool,
    pub(super) max_watchlist_users: u64,
    pub(super) subscription_count_events: bool,
    pub(super) terminate_presence_users: bool,
    pub(super) gap_event: String,
    #[serde(deserialize_with = "tables")]
    pub(super) webhooks: Vec<Webhook>,
    #[serde(deserialize_with = "table")]
    pub(super) rate_limiting: RateLimiting,
    pub(super) max_channel_name_bytes: u64,
    pub(super) max_event_name_chars: u64,
    pub(super) max_event_data_bytes: u64,
    pub(super) event_data_warn_bytes: u64,
    pub(super) max_channels_per_event: u64,
    pub(super) max_events_per_batch: u64,
    pub(super) max_presence_members: u64,
    pub(super) max_presence_user_id_bytes: u64,
    pub(super) max_presence_user_info_bytes: u64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateLimiting {
    pub(super) enabled: bool,
    pub(super) max_attempts: u64,
    pub(super) decay_seconds: u64,
    pub(super) terminate_on_limit: bool,
}

/// One `[[apps.webhooks]]` or `[[app.webhooks]]` entry. Nothing is merged below it: what is left
/// out has the zero or empty value it reads as here.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) channel_prefix: String,
    pub(super) channel_suffix: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) batch_window_ms: u64,
}

/// A struct alone would take a list too, as its fields in their order.
struct Table<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entries(PhantomData)).map(Self)
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries))
    }
}

fn table<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Table::deserialize(deserializer).map(|Table(table)| table)
}

fn tables<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let tables = Vec::deserialize(deserializer)?;
    Ok(tables.into_iter().map(|Table(table)| table).collect())
}

/// What looks like a number is often written as one, Laravel's ids above all.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Text)
}
