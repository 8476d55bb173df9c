//! `[cluster]`: whether there are several nodes, and what holds them together.
//!
//! Owns the section's values and ranges. Knows nothing of the address (`redis` does) and of what
//! nodes tell each other.

use std::time::Duration;

use super::layers::{self, Layer, Places, Table};
use super::problem::{Place, Problem};
use super::redis::{self, RedisConfig};
use super::written::{Cluster, Written};

/// Beyond it, a node that is gone would be listed for minutes.
const LEASE_SECONDS: std::ops::RangeInclusive<u64> = 2..=300;
/// Below it, an ordinary answer of Redis would be too late; beyond it, nobody waits for an event.
const PATIENCE_MS: std::ops::RangeInclusive<u64> = 10..=10_000;
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=60_000;
/// It stands in every key and every topic.
const LONGEST_PREFIX: usize = 64;
/// Of one channel; more is not what a gap of seconds needs, and Redis keeps it in memory.
const MOST_STREAM_EVENTS: u64 = 1_000_000;

/// `[cluster]`: several nodes that share messages through one Redis or Valkey.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// What they share messages through.
    pub redis: RedisConfig,
    /// Of every key and topic: `A-Z a-z 0-9 _ - . :`, 1 to 64 bytes.
    pub prefix: String,
    /// A node that is silent for so long is gone.
    pub lease: Duration,
    /// Refuse to start without Redis.
    pub required: bool,
    /// After which an event that Redis has not confirmed is delivered to this node's sockets anyway.
    pub patience: Duration,
    /// After which a Redis that does not answer counts as away: not below `patience`, and shorter
    /// than `lease`.
    pub timeout: Duration,
    /// Bytes of events that wait for Redis.
    pub queue_bytes: usize,
    /// Set when events travel in streams, which nodes can read again after a cut. `None`: they are
    /// published, and what is published during a cut is lost to the node that was cut off.
    pub streams: Option<StreamsConfig>,
}

impl ClusterConfig {
    /// What every key and topic begins with: the prefix, and the number of any database but 0. Topics
    /// know no databases, so the name keeps installations apart that differ in nothing else.
    pub fn namespace(&self) -> String {
        match self.redis.database {
            0 => self.prefix.clone(),
            // No prefix has this character.
            database => format!("{}@{database}", self.prefix),
        }
    }
}

/// What streams keep of each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamsConfig {
    /// How long events are kept.
    pub retention: Duration,
    /// How many are kept at most.
    pub events: usize,
}

/// Whether the merged layers switch the cluster on.
pub(super) fn is_on(merged: Table) -> Result<bool, Problem> {
    layers::read(merged).map(|written: Written| written.cluster.enabled)
}

/// `None` while it is off. Ranges are checked even then, so that switching it on brings no
/// surprise; the address is not, since half of it stands in variables that only count when it is on.
pub(super) fn cluster(
    written: &Cluster,
    places: &Places<'_>,
    layers: &[Layer],
) -> Result<Option<ClusterConfig>, Problem> {
    let at = |key: &str| places.at(&format!("cluster.{key}"));
    let millis = |key, found, allowed| at(key).number(found, allowed).map(Duration::from_millis);
    let lease = at("lease_seconds").number(written.lease_seconds, LEASE_SECONDS)?;
    let patience = millis("local_delivery_after_ms", written.local_delivery_after_ms, PATIENCE_MS)?;
    let timeout = millis("timeout_ms", written.timeout_ms, TIMEOUT_MS)?;
    in_order(written, &at("timeout_ms"))?;
    let prefix = prefix(&written.prefix, &at("prefix"))?;
    let queue_bytes = at("queue_bytes").bytes(written.queue_bytes)?;
    let streams = streams(written, places)?;
    if !written.enabled {
        return Ok(None);
    }
    Ok(Some(ClusterConfig {
        redis: redis::redis(written, places, layers)?,
        prefix,
        lease: Duration::from_secs(lease),
        required: written.required,
        patience,
        timeout,
        queue_bytes,
        streams,
    }))
}

/// Each of the three waits ends before the next one does.
fn in_order(written: &Cluster, place: &Place) -> Result<(), Problem> {
    let (timeout, patience, lease) =
        (written.timeout_ms, written.local_delivery_after_ms, written.lease_seconds);
    if timeout < patience {
        let allowed = format!(
            "it must not be less than cluster.local_delivery_after_ms, which is {patience}: a Redis that is \
             still waited for would count as away"
        );
        return Err(place.refuse(timeout, allowed));
    }
    if timeout >= lease * 1000 {
        let allowed = format!(
            "it must be shorter than cluster.lease_seconds, which is {lease}: one slow answer \
             would be the end of this node for the others"
        );
        return Err(place.refuse(timeout, allowed));
    }
    Ok(())
}

/// Braces would mark the part of a key that decides where Redis Cluster keeps it, and patterns and
/// control characters would make some of our topics somebody else's.
fn prefix(text: &str, place: &Place) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_PREFIX || !text.bytes().all(plain) {
        let allowed = format!(
            "it must be 1 to {LONGEST_PREFIX} characters: letters without accents, digits and \
             _ - . :"
        );
        return Err(place.refuse(format_args!("{text:?}"), allowed));
    }
    Ok(text.to_owned())
}

fn streams(written: &Cluster, places: &Places<'_>) -> Result<Option<StreamsConfig>, Problem> {
    let retention = places.at("cluster.stream_retention_seconds");
    let events = places.at("cluster.stream_events");
    let streams = StreamsConfig {
        retention: retention.seconds(written.stream_retention_seconds)?,
        events: events.number(written.stream_events, 1..=MOST_STREAM_EVENTS)?,
    };
    match written.transport.as_str() {
        "pubsub" => Ok(None),
        "streams" => Ok(Some(streams)),
        other => {
            let found = format_args!("{other:?}");
            Err(places.at("cluster.transport").refuse(found, "allowed are pubsub and streams"))
        }
    }
}
