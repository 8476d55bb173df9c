//! `[cluster]`: whether there are several nodes, and the settings they have in common.
//!
//! Owns the section's values and ranges, and the intervals that follow from them. The address of Redis is
//! read by `redis`; what nodes exchange is up to the cluster.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::ConfigError;
use super::layers::Layer;
use super::redis::{RedisKeys, node_addresses};
use super::values::{Setting, Values};
use crate::app::RedisConfig;

/// Beyond it, a node that is gone would be listed for minutes.
const LEASE_SECONDS: RangeInclusive<u64> = 2..=300;
/// Below it, an ordinary answer of Redis would be too late; an event that comes later than the longest
/// delay is of no use.
const LOCAL_DELIVERY_AFTER_MS: RangeInclusive<u64> = 10..=10_000;
const TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;
/// As many as there are hash tags for.
const PARTITIONS: RangeInclusive<u64> = 1..=64;
/// It stands in every key and every topic.
const MAX_PREFIX_CHARS: usize = 64;
/// Of one channel; more is not what a gap of seconds needs, and Redis keeps it in memory.
const MAX_STREAM_EVENTS: u64 = 1_000_000;

/// `[cluster]`: several nodes that share messages through one Redis or Valkey, or a Redis Cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Where Redis is; of several the first.
    pub redis: RedisConfig,
    /// The others of `cluster.urls`, in their order.
    pub other_redis: Vec<RedisConfig>,
    /// Whether the node refuses to start without Redis.
    pub required: bool,
    /// After which a Redis that does not answer counts as away: not below
    /// [`local_delivery_after`](ClusterSettings::local_delivery_after), and shorter than the lease.
    pub timeout: Duration,
    /// `cluster.prefix`, without the number of the database.
    pub prefix: String,
    /// What the cluster itself needs of the section.
    pub settings: ClusterSettings,
}

/// The settings all nodes of a cluster have in common, and the intervals that follow from them.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// What every key and topic begins with: `cluster.prefix`, and `@` with the number of any database
    /// but 0. Pub/sub ignores databases, so the name keeps installations apart that differ in nothing else.
    pub prefix: String,
    /// How many parts the channels are spread over.
    pub partitions: u32,
    /// A node without a heartbeat for so long is gone.
    pub lease: Duration,
    /// How long an event waits for Redis before this node's sockets get it anyway.
    pub local_delivery_after: Duration,
    /// Bytes of events that may wait for Redis.
    pub queue_bytes: usize,
    /// Set when events travel in streams, which nodes can read again after a cut. `None`: they are
    /// published, and what is published during a cut is lost to the node that was cut off.
    pub streams: Option<StreamSettings>,
    /// How long cache channels remember their last event.
    pub cache_ttl: Duration,
}

/// What streams keep of each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSettings {
    /// How long events are kept.
    pub retention: Duration,
    /// How many are kept at most.
    pub events: usize,
}

impl ClusterConfig {
    /// `None` while it is off. Ranges are checked even then, so that switching it on brings no
    /// surprise; the address is not, since half of it stands in variables that only count when it is on.
    pub(super) fn read(values: Values<'_>, layers: &[Layer]) -> Result<Option<Self>, ConfigError> {
        let lease = values.at("cluster.lease_seconds").number(LEASE_SECONDS)?;
        let lease = Duration::from_secs(lease);
        let after = values.at("cluster.local_delivery_after_ms").millis(LOCAL_DELIVERY_AFTER_MS)?;
        let timeout = timeout(values, after, lease)?;
        let prefix = prefix(&values.at("cluster.prefix"))?;
        let queue_bytes = values.at("cluster.queue_bytes").bytes()?;
        let streams = streams(values)?;
        let partitions: u32 = values.at("cluster.partitions").number(PARTITIONS)?;
        let node_addresses = node_addresses(&values.at("cluster.node_addresses"))?;
        if !is_on(values) {
            return Ok(None);
        }
        let section = "cluster";
        let keys = RedisKeys { values, layers, path: "cluster.", section };
        let listed = RedisConfig::read_list(keys)?;
        let mut all = match listed {
            Some(all) => all,
            None => vec![RedisConfig::read(keys)?],
        };
        all.iter_mut().for_each(|redis| redis.node_addresses.clone_from(&node_addresses));
        let partitions = for_urls(&values.at("cluster.partitions"), partitions, all.len())?;
        let redis = all.remove(0);
        let settings = ClusterSettings {
            prefix: match redis.database {
                0 => prefix.clone(),
                // No prefix has this character.
                database => format!("{prefix}@{database}"),
            },
            partitions,
            lease,
            local_delivery_after: after,
            queue_bytes,
            streams,
            cache_ttl: values.at("cache.ttl_seconds").seconds()?,
        };
        Ok(Some(Self {
            redis,
            other_redis: all,
            required: values.at("cluster.required").truth(),
            timeout,
            prefix,
            settings,
        }))
    }
}

impl ClusterConfig {
    /// All Redis, by their place in `cluster.urls`.
    pub fn servers(&self) -> Vec<RedisConfig> {
        std::iter::once(&self.redis).chain(&self.other_redis).cloned().collect()
    }
}

/// The number of partitions over so many Redis: at least one for each, which is the default.
fn for_urls(setting: &Setting<'_>, partitions: u32, urls: usize) -> Result<u32, ConfigError> {
    let least = u32::try_from(urls).unwrap_or(u32::MAX);
    match partitions >= least {
        true => Ok(partitions),
        false if setting.origin.is_default() => Ok(least),
        false => Err(setting.refuse(
            partitions,
            format_args!(
                "it must not be less than the number of cluster.urls, which is {urls}: each Redis has at least one partition"
            ),
        )),
    }
}

impl ClusterSettings {
    /// The interval between two heartbeats: short enough that a dead node is found, and its channels
    /// are cleaned up, within the lease.
    pub fn beat(&self) -> Duration {
        self.lease / 10
    }

    /// How long an event waits for Redis to come back. Where events are not kept, older ones would
    /// surprise more than help.
    pub fn events_wait(&self) -> Duration {
        self.streams.map_or(Duration::from_secs(30), |streams| streams.retention)
    }

    /// How long Redis keeps which event of a node was its last, in a channel without subscribers: longer than
    /// an event waits to be sent again.
    pub fn serials_kept(&self) -> Duration {
        self.streams.map_or(Duration::from_secs(60), |streams| streams.retention)
    }

    /// For how long Redis remembers at least which event of a node was its last.
    pub fn taken_holds(&self) -> Duration {
        self.serials_kept() * 8 / 10
    }

    /// For how long one heartbeat holds.
    pub fn beat_holds(&self) -> Duration {
        self.lease * 8 / 10
    }
}

/// Whether the values switch the cluster on.
pub(super) fn is_on(values: Values<'_>) -> bool {
    values.at("cluster.enabled").truth()
}

/// Each of the three waits ends before the next one does.
fn timeout(values: Values<'_>, after: Duration, lease: Duration) -> Result<Duration, ConfigError> {
    let setting = values.at("cluster.timeout_ms");
    let timeout = setting.millis(TIMEOUT_MS)?;
    let found = timeout.as_millis();
    if timeout < after {
        let allowed = format!(
            "it must not be less than cluster.local_delivery_after_ms, which is {}: a Redis that is \
             still waited for would count as away",
            after.as_millis()
        );
        return Err(setting.refuse(found, allowed));
    }
    if timeout >= lease {
        let allowed = format!(
            "it must be shorter than cluster.lease_seconds, which is {}: one slow answer would be \
             the end of this node for the others",
            lease.as_secs()
        );
        return Err(setting.refuse(found, allowed));
    }
    Ok(timeout)
}

/// Braces mark the part of a key that decides where Redis Cluster keeps it, and the link adds them; patterns and
/// control characters would make topics of this cluster match those of another one.
fn prefix(setting: &Setting<'_>) -> Result<String, ConfigError> {
    let allowed = format_args!(
        "it must be 1 to {MAX_PREFIX_CHARS} characters: letters without accents, digits and _ - . :"
    );
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let is_plain =
        |text: &str| (1..=MAX_PREFIX_CHARS).contains(&text.len()) && text.bytes().all(fits);
    setting.parsed(|text| is_plain(text).then(|| text.to_owned()), allowed)
}

fn streams(values: Values<'_>) -> Result<Option<StreamSettings>, ConfigError> {
    let streams = StreamSettings {
        retention: values.at("cluster.stream_retention_seconds").seconds()?,
        events: values.at("cluster.stream_events").number(1..=MAX_STREAM_EVENTS)?,
    };
    values.at("cluster.transport").choice(&[("pubsub", None), ("streams", Some(streams))])
}
