//! What a Redis reports of itself to a user that connects as a node or as Laravel does.
//!
//! Owns the few commands for it. Where the connection leads, and why it failed in words, is
//! `redis_connection`'s.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{InfoDict, RedisError};

use crate::config::RedisConfig;
use crate::redis_connection::{Connector, KeyNames, KeySpace, LinkError, LinkPhase};

/// Answers whose time is measured.
const ANSWERS: usize = 3;

/// How long the key of the probe lives, in milliseconds.
const KEY_LIFETIME_MS: u32 = 1000;

/// What the user of the connection needs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisUse<'a> {
    /// Keys and topics of a cluster, which begin with this prefix.
    Cluster(&'a str),
    /// Any: it only has to answer.
    Laravel,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RedisFacts {
    /// The address, without credentials.
    pub address: String,
    /// The version.
    pub version: String,
    /// From a command to its answer, at best.
    pub ping: Duration,
    /// The settings that the user may read, by name.
    pub settings: HashMap<String, String>,
    /// `maxmemory`, of INFO, where 0 is no limit.
    pub maxmemory_bytes: u64,
    /// `maxmemory_policy`, of INFO.
    pub maxmemory_policy: String,
}

/// Connects and asks; the error is a text with what to change.
pub async fn ask_redis(
    redis: &RedisConfig,
    needed: RedisUse<'_>,
    limit: Duration,
) -> Result<RedisFacts, String> {
    let connector = match needed {
        RedisUse::Cluster(prefix) => Connector::new(redis, prefix),
        RedisUse::Laravel => Connector::named(redis, "", KeyNames::Laravel),
    };
    let mut connector = connector.map_err(|error| error.to_string())?;
    let asked = async {
        let mut connection = match needed {
            RedisUse::Cluster(prefix) => connect_as_node(&mut connector, prefix, limit).await?,
            RedisUse::Laravel => connector.connect(limit, |_| Ok(())).await?,
        };
        facts(&mut connection, redis.address.to_string()).await
    };
    let error = match tokio::time::timeout(limit, asked).await {
        Ok(Ok(facts)) => return Ok(facts),
        Ok(Err(error)) => error,
        // Each step may take as long as all of them.
        Err(_) => LinkError::Redis(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    };
    Err(connector.explain(&error, LinkPhase::Connecting))
}

/// A connection over which a node could work: it is tried.
async fn connect_as_node(
    connector: &mut Connector,
    prefix: &str,
    limit: Duration,
) -> Result<MultiplexedConnection, LinkError> {
    // Of a Redis Cluster, the node that has the keys.
    let guard = KeySpace::of_redis_cluster(prefix).guard();
    let (mut connection, server) =
        connector.connect_introduced(&guard, limit, || |_| Ok(())).await?;
    connector.check(&server)?;
    use_as_node(&mut connection, &server.names(prefix)).await?;
    Ok(connection)
}

async fn facts(
    connection: &mut MultiplexedConnection,
    address: String,
) -> Result<RedisFacts, LinkError> {
    let info: InfoDict = redis::cmd("INFO").arg("server").query_async(connection).await?;
    let version: String = info.get("redis_version").unwrap_or_default();
    let memory: InfoDict = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    Ok(RedisFacts {
        address,
        version,
        ping: answer_time(connection).await?,
        settings: settings(connection).await,
        maxmemory_bytes: memory.get("maxmemory").unwrap_or(0),
        maxmemory_policy: memory.get("maxmemory_policy").unwrap_or_default(),
    })
}

/// The shortest time of some answers: a single one may be late because this machine is busy.
async fn answer_time(connection: &mut MultiplexedConnection) -> Result<Duration, RedisError> {
    let mut shortest = Duration::MAX;
    for _ in 0..ANSWERS {
        let since = Instant::now();
        // A command that every user of a node has; PING is not among them.
        let _: InfoDict = redis::cmd("INFO").arg("clients").query_async(connection).await?;
        shortest = shortest.min(since.elapsed());
    }
    Ok(shortest)
}

/// What a node does there, on a key and a topic of the probe's own.
async fn use_as_node(
    connection: &mut MultiplexedConnection,
    names: &KeySpace,
) -> Result<(), RedisError> {
    let (name, words) =
        (format!("{}:doctor-{:08x}", names.prefix(), rand::random::<u32>()), names.words());
    let mut commands = redis::pipe();
    commands.cmd("SET").arg(&name).arg("1").arg("PX").arg(KEY_LIFETIME_MS).ignore();
    commands.cmd(words.publish).arg(&name).arg("").ignore();
    commands.cmd("SCRIPT").arg("LOAD").arg("return 1").ignore();
    commands.cmd("DEL").arg(&name).ignore();
    commands.cmd(words.subscribe).arg(&name).ignore();
    commands.cmd(words.unsubscribe).arg(&name).ignore();
    commands.exec_async(connection).await
}

/// The settings of interest; none where the user may not read them, which a node need not.
async fn settings(connection: &mut MultiplexedConnection) -> HashMap<String, String> {
    let mut settings = HashMap::new();
    for name in ["client-output-buffer-limit", "notify-keyspace-events", "maxclients"] {
        let read = redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
        let read: Result<HashMap<String, String>, _> = read;
        settings.extend(read.unwrap_or_default());
    }
    settings
}
