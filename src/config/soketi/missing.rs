//! What soketi has and this server has not.
//!
//! Owns the reason for each, in a sentence that names what to use instead. A value is never part of one.

use super::settings::{IN_GROUPS, PREFIX, SETTINGS, value};
use super::{redis, webhooks};
use crate::config::environment::{Environment, is_set};
use crate::config::suggest::nearest;

const DATABASES: &str =
    "apps are configured in a file or in variables, and no database is asked for them";
const NO_NATS: &str =
    "nodes share a Redis, and NATS is not supported: set SOKETI_ADAPTER_DRIVER=redis";
const NO_DISCOVERY: &str =
    "nodes find each other through Redis and not over UDP: set SOKETI_ADAPTER_DRIVER=redis";
const NO_QUEUE: &str = "webhooks are sent by the server itself, with retries, and need no queue";
const ONE_LINK: &str = "one link to Redis serves all, and SOKETI_DB_REDIS_* are its address";
const NO_REQUEST_RATE: &str = "the HTTP API has no limit of requests a second";

/// The beginnings of names without the prefix, and why they set nothing. The first that fits counts.
const MISSING: [(&str, &str); 27] = [
    ("ADAPTER_DRIVER", "only redis has a counterpart, the cluster of nodes"),
    ("ADAPTER_NATS_", NO_NATS),
    ("ADAPTER_CLUSTER_", NO_DISCOVERY),
    ("ADAPTER_REDIS_CLUSTER_MODE", "a node of Redis says whether it is part of a Redis Cluster"),
    ("ADAPTER_REDIS_", ONE_LINK),
    ("CLUSTER_", NO_DISCOVERY),
    ("APP_MANAGER_CACHE_", DATABASES),
    ("APP_MANAGER_", DATABASES),
    ("DB_MYSQL_", DATABASES),
    ("DB_POSTGRES_", DATABASES),
    ("DB_POOLING_", DATABASES),
    ("DB_REDIS_KEY_PREFIX", "every key begins with SOKETI_ADAPTER_REDIS_PREFIX (cluster.prefix)"),
    ("CACHE_REDIS_", ONE_LINK),
    (
        "CACHE_",
        "cache channels keep their events in memory, and in a cluster on every node of theirs",
    ),
    ("RATE_LIMITER_REDIS_", ONE_LINK),
    ("RATE_LIMITER_", "limits are counted by each node"),
    ("QUEUE_", NO_QUEUE),
    ("DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC", NO_REQUEST_RATE),
    ("DEFAULT_APP_MAX_READ_REQ_PER_SEC", NO_REQUEST_RATE),
    (
        "DEFAULT_APP_WEBHOOKS",
        "its endpoints with lambda_function are left out, since AWS Lambda is not called",
    ),
    ("HTTP_ACCEPT_TRAFFIC_MEMORY_THRESHOLD", "memory is bounded by limits.memory_bytes"),
    ("METRICS_DRIVER", "metrics are those of Prometheus"),
    ("METRICS_PROMETHEUS_PREFIX", "the names of metrics begin with resound_"),
    ("MODE", "one process serves sockets and sends webhooks"),
    ("SSL_PASS", "the key must stand in its file without a passphrase"),
    (
        "SSL_CA",
        "clients are not asked for certificates; issuers belong into the file of SOKETI_SSL_CERT",
    ),
    ("USER_AUTHENTICATION_TIMEOUT", "it counts with SOKETI_DEFAULT_APP_USER_AUTHENTICATION=true"),
];

/// Values that ask for what this server does anyway.
const ANYWAY: [(&str, &str); 12] = [
    ("ADAPTER_DRIVER", "local"),
    ("ADAPTER_DRIVER", "redis"),
    ("APP_MANAGER_DRIVER", "array"),
    ("APP_MANAGER_CACHE_ENABLED", "false"),
    ("CACHE_DRIVER", "memory"),
    ("RATE_LIMITER_DRIVER", "local"),
    ("QUEUE_DRIVER", "sync"),
    ("DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC", "-1"),
    ("DEFAULT_APP_MAX_READ_REQ_PER_SEC", "-1"),
    ("METRICS_DRIVER", "prometheus"),
    ("MODE", "full"),
    ("DB_POOLING_ENABLED", "false"),
];

/// One sentence for each variable of soketi that sets nothing here; `has_port` is whether something sets the port.
pub(crate) fn notes(variables: &Environment, has_port: bool) -> Vec<String> {
    let names = variables.names().filter_map(|name| name.strip_prefix(PREFIX));
    let mut notes: Vec<String> = names.filter_map(|name| note(name, variables)).collect();
    if !has_port && is_set(variables, "SOKETI_DEFAULT_APP_ID") {
        notes.push(
            "soketi listens on port 6001 where SOKETI_PORT is not set, and this server on 8080; set SOKETI_PORT=6001 \
             if clients and back ends use that"
                .to_owned(),
        );
    }
    notes
}

fn note(name: &str, variables: &Environment) -> Option<String> {
    let (text, origin) = value(variables, name)?;
    let is_anyway = ANYWAY.contains(&(name, text));
    let sets_something = match name {
        "ADAPTER_DRIVER" => false,
        "DEFAULT_APP_WEBHOOKS" => !webhooks::has_lambda(text),
        "USER_AUTHENTICATION_TIMEOUT" => value(variables, "DEFAULT_APP_USER_AUTHENTICATION")
            .is_some_and(|(text, _)| matches!(text, "true" | "1")),
        _ => known().any(|known| known == name),
    };
    if is_anyway || sets_something {
        return None;
    }
    if name == "DEFAULT_APP_WEBHOOKS" {
        return Some(format!("{origin}: {}", reason(name)?));
    }
    let advice = reason(name).map(str::to_owned).unwrap_or_else(|| match nearest(name, known()) {
        Some(near) => format!("did you mean {PREFIX}{near}?"),
        None => "soketi has no such setting".to_owned(),
    });
    Some(format!("{origin} has no effect; {advice}"))
}

fn reason(name: &str) -> Option<&'static str> {
    MISSING.iter().find(|(start, _)| name.starts_with(start)).map(|(_, reason)| *reason)
}

/// The names that set something, without the prefix.
fn known() -> impl Iterator<Item = &'static str> {
    let settings = SETTINGS.into_iter().map(|(name, _, _)| name);
    let credentials = ["DEFAULT_APP_KEY", "DEFAULT_APP_SECRET"];
    settings.chain(IN_GROUPS).chain(credentials).chain(redis::names())
}
