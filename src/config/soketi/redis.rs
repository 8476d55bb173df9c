//! soketi's address of Redis, which counts in a cluster only.
//!
//! Owns the names and the form of the list of sentinels. The address is checked where ours is.

use serde::Deserialize;

use super::settings::value;
use crate::config::environment::Environment;
use crate::config::error::{ConfigError, ValueOrigin};
use crate::config::layers::Layer;
use crate::config::schema::Schema;

/// Their names without the prefix, and the keys that they set.
const REDIS: [(&str, &str); 7] = [
    ("DB_REDIS_HOST", "cluster.host"),
    ("DB_REDIS_PORT", "cluster.port"),
    ("DB_REDIS_DB", "cluster.database"),
    ("DB_REDIS_USERNAME", "cluster.username"),
    ("DB_REDIS_PASSWORD", "cluster.password"),
    ("DB_REDIS_SENTINEL_PASSWORD", "cluster.sentinel_password"),
    ("ADAPTER_REDIS_PREFIX", "cluster.prefix"),
];

/// The master that soketi asks sentinels for.
const MASTER: &str = "mymaster";

/// One sentinel.
#[derive(Deserialize)]
struct Sentinel {
    host: String,
    port: u16,
}

/// The layer of the address, for a cluster.
pub(crate) fn redis_layer(variables: &Environment, schema: &Schema) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (name, key) in REDIS {
        if let Some((text, origin)) = value(variables, name) {
            layer.set(key, schema.parse(key, text, &origin)?, &origin);
        }
    }
    if let Some((text, origin)) = value(variables, "DB_REDIS_SENTINELS") {
        let master = value(variables, "DB_REDIS_INSTANCE_NAME");
        let url = url(text, master.map_or(MASTER, |(name, _)| name), &origin)?;
        layer.set("cluster.url", url.into(), &origin);
    }
    Ok(layer)
}

/// The address of a master that sentinels name.
fn url(sentinels: &str, master: &str, origin: &ValueOrigin) -> Result<String, ConfigError> {
    let list: Option<Vec<Sentinel>> = serde_json::from_str(sentinels).ok();
    let list = list.filter(|list| !list.is_empty()).ok_or_else(|| {
        origin.flaw(r#"must be a list such as [{"host":"10.0.0.1","port":26379}]"#)
    })?;
    let hosts: Vec<String> = list.iter().map(|it| format!("{}:{}", it.host, it.port)).collect();
    Ok(format!("redis+sentinel://{}/{master}", hosts.join(",")))
}

/// The names without the prefix.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let sentinels = ["DB_REDIS_SENTINELS", "DB_REDIS_INSTANCE_NAME"];
    REDIS.into_iter().map(|(name, _)| name).chain(sentinels)
}
