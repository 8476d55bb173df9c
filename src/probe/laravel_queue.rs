//! A queue of Laravel in Redis, looked at from outside: how much waits, what is at work, whether the first job stays.
//!
//! Owns Laravel's keys and their forms. Nothing is taken, and no job is shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::RedisError;
use redis::aio::MultiplexedConnection;

use crate::config::RedisConfig;
use crate::redis_connection::{Connector, KeyNames, LinkError, LinkPhase};

/// Between two looks at jobs that wait. A worker that has work takes the next job at once; one that had none sleeps
/// for three seconds.
pub const WATCH: Duration = Duration::from_millis(3500);

/// What a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// A worker has this many jobs in hand.
    AtWork(u64),
    /// Jobs are taken.
    Moving,
    /// So many jobs wait, and the first one stayed the first.
    Standing(u64),
    /// There is nothing to take.
    Empty,
}

/// One look.
#[derive(Debug, Default)]
pub(super) struct QueueLook {
    pub(super) waiting: u64,
    pub(super) reserved: u64,
    /// What distinguishes the first job that waits.
    pub(super) first: Option<Vec<u8>>,
}

impl QueueLook {
    /// What needs no second look.
    pub(super) fn at_once(&self) -> Option<QueueState> {
        match (self.reserved, self.waiting) {
            (0, 0) => Some(QueueState::Empty),
            (0, _) => None,
            (reserved, _) => Some(QueueState::AtWork(reserved)),
        }
    }

    /// What a second look shows.
    pub(super) fn and_then(&self, after: &Self) -> QueueState {
        let is_standing = after.reserved == 0 && after.waiting > 0 && after.first == self.first;
        if is_standing { QueueState::Standing(after.waiting) } else { QueueState::Moving }
    }
}

/// Looks at the queue under each of `names` (`queues:default` behind the prefix), and again after [`WATCH`] if jobs
/// wait. The error is a text.
pub async fn watch_queue(
    redis: &RedisConfig,
    names: &[String],
    limit: Duration,
) -> Result<QueueState, String> {
    let mut connector =
        Connector::named(redis, "", KeyNames::Laravel).map_err(|error| error.to_string())?;
    let watched = async {
        for name in names {
            // In a Redis Cluster each name may be on another node.
            let connecting = connector.connect_to_owner(name, limit, || |_| Ok(()));
            if let Some(state) = watch(&mut connecting.await?, name).await? {
                return Ok(state);
            }
        }
        Ok::<_, LinkError>(QueueState::Empty)
    };
    match tokio::time::timeout(limit + WATCH, watched).await {
        Ok(Ok(state)) => Ok(state),
        Ok(Err(error)) => Err(connector.explain(&error, LinkPhase::Connecting)),
        Err(_) => Err(format!("no answer came within {} ms", (limit + WATCH).as_millis())),
    }
}

/// What the queue under one name has; `None` if it is empty.
async fn watch(
    connection: &mut MultiplexedConnection,
    name: &str,
) -> Result<Option<QueueState>, RedisError> {
    let before = look(connection, name).await?;
    match before.at_once() {
        Some(QueueState::Empty) => return Ok(None),
        Some(state) => return Ok(Some(state)),
        None => tokio::time::sleep(WATCH).await,
    }
    Ok(Some(before.and_then(&look(connection, name).await?)))
}

async fn look(connection: &mut MultiplexedConnection, name: &str) -> Result<QueueLook, RedisError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // What a worker took has the time until which no other worker takes it; a time that is over is a worker that died.
    let (waiting, first, reserved) = redis::pipe()
        .cmd("LLEN")
        .arg(name)
        .cmd("LINDEX")
        .arg(name)
        .arg(0)
        .cmd("ZCOUNT")
        .arg(format!("{name}:reserved"))
        .arg(now)
        .arg("+inf")
        .query_async(connection)
        .await?;
    Ok(QueueLook { waiting, reserved, first })
}
