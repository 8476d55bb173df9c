//! soketi's address of Redis, which counts in a cluster only.
//!
//! Owns the names and the form of the lists of sentinels and of nodes of a Redis Cluster. The address is checked where ours is.

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

/// One sentinel, or one node of a Redis Cluster.
#[derive(Deserialize)]
struct Server {
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
        let master = master.map_or(MASTER, |(name, _)| name);
        let url = format!("redis+sentinel://{}/{master}", servers(text, &origin)?);
        layer.set("cluster.url", url.into(), &origin);
    } else if let Some((text, origin)) = value(variables, "DB_REDIS_CLUSTER_NODES") {
        let url = format!("redis://{}", servers(text, &origin)?);
        layer.set("cluster.url", url.into(), &origin);
    }
    Ok(layer)
}

/// A list of servers as it stands in a URL.
fn servers(text: &str, origin: &ValueOrigin) -> Result<String, ConfigError> {
    let list: Option<Vec<Server>> = serde_json::from_str(text).ok();
    let list = list.filter(|list| !list.is_empty()).ok_or_else(|| {
        origin.flaw(r#"must be a list such as [{"host":"10.0.0.1","port":26379}]"#)
    })?;
    let hosts: Vec<String> = list.iter().map(|it| format!("{}:{}", it.host, it.port)).collect();
    Ok(hosts.join(","))
}

/// The names without the prefix.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let lists = ["DB_REDIS_SENTINELS", "DB_REDIS_INSTANCE_NAME", "DB_REDIS_CLUSTER_NODES"];
    REDIS.into_iter().map(|(name, _)| name).chain(lists)
}
