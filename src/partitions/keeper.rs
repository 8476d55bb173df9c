//! Keeps this node in agreement with the others at one Redis: over how many partitions and Redis channels are spread.
//!
//! Owns a connection of its own and one script, which is one step of Redis: of two nodes that differ and start at the
//! same time, one is refused. Which partition is where by that is left to `board`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, Value};

use super::board::Board;
use crate::cluster::NodeId;
use crate::cluster::redis::number_key;
use crate::config::RedisConfig;
use crate::redis_connection::{Connector, KeySpace, LinkError, LinkPhase, OutageLog, ServerInfo};

/// Between two exchanges, or the lease if that is shorter.
const INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Numbers are kept for so many intervals.
const KEPT_INTERVALS: u32 = 3;

/// A move is announced for longer than two exchanges, so every node that lives has read of it.
const ANNOUNCED_BEYOND: Duration = Duration::from_secs(2);

/// Between two attempts to connect, or to take part.
const AGAIN: Duration = Duration::from_millis(500);

/// The keeper of one Redis.
pub(super) struct Keeper {
    url: usize,
    connector: Connector,
    timeout: Duration,
    interval: Duration,
    node: NodeId,
    installation: String,
    /// How many partitions and Redis this node has.
    partitions: u32,
    urls: u32,
    board: Arc<Board>,
    outage_log: OutageLog,
}

/// What is the same for the keepers of all Redis.
pub(super) struct Installation {
    pub(super) node: NodeId,
    pub(super) prefix: String,
    pub(super) partitions: u32,
    pub(super) urls: u32,
    pub(super) timeout: Duration,
    pub(super) lease: Duration,
}

/// What holds at a Redis.
struct Agreed {
    used: u32,
    /// Another number, and the time to it.
    following: Option<(u32, Duration)>,
    /// Nodes that reach another Redis at the same place.
    differing: Option<LinkError>,
}

impl Keeper {
    pub(super) fn new(
        url: usize,
        redis: &RedisConfig,
        of: &Installation,
        board: Arc<Board>,
    ) -> Result<Self, LinkError> {
        Ok(Self {
            url,
            connector: Connector::new(redis, &of.prefix)?,
            timeout: of.timeout,
            interval: of.lease.min(INTERVAL_MAX),
            node: of.node,
            installation: of.prefix.clone(),
            partitions: of.partitions,
            urls: of.urls,
            board,
            outage_log: OutageLog::default(),
        })
    }

    /// Agrees again and again.
    pub(super) async fn run(mut self) {
        loop {
            let error = match self.connect().await {
                Ok((connection, server)) => self.keep(connection, &server).await,
                Err(error) => error,
            };
            self.report(&error);
            self.board.looked(self.url, None);
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn connect(&mut self) -> Result<(MultiplexedConnection, ServerInfo), LinkError> {
        let guard = KeySpace::of_redis_cluster(&self.installation).guard();
        let connecting = self.connector.connect_introduced(&guard, self.timeout, || |_| Ok(()));
        let (mut connection, server) = connecting.await?;
        self.connector.check(&server)?;
        if server.is_cluster() {
            self.connector.learn_nodes(&mut connection).await;
        }
        let mut ask = redis::cmd("GET");
        let found: Option<String> =
            ask.arg(number_key(&self.installation)).query_async(&mut connection).await?;
        self.board.looked(self.url, found.as_deref().and_then(used_of));
        Ok((connection, server))
    }

    /// Takes part until the connection breaks or this node is refused; returns why.
    async fn keep(
        &mut self,
        mut connection: MultiplexedConnection,
        server: &ServerInfo,
    ) -> LinkError {
        self.board.all_looked().await;
        let loaded = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(include_str!("agreement.lua"))
            .query_async(&mut connection)
            .await;
        let script: String = match loaded {
            Ok(script) => script,
            Err(error) => return error.into(),
        };
        loop {
            let agreed = match self.agree(&mut connection, server, &script).await {
                Ok(agreed) => agreed,
                Err(error) => return error,
            };
            if let Some(differing) = agreed.differing {
                return differing;
            }
            self.board.admitted(self.url, agreed.used);
            if self.outage_log.admit_recovery() {
                tracing::debug!(redis = %self.connector, "the nodes there agree with this one");
            }
            match agreed.following {
                Some((used, left)) if left < self.interval => {
                    tokio::time::sleep(left).await;
                    tracing::info!(redis = %self.connector, urls = used, "partitions move to a further Redis of cluster.urls");
                    self.board.admitted(self.url, used);
                }
                _ => tokio::time::sleep(self.interval).await,
            }
        }
    }

    async fn agree(
        &self,
        connection: &mut MultiplexedConnection,
        server: &ServerInfo,
        script: &str,
    ) -> Result<Agreed, LinkError> {
        let slot = KeySpace::of_redis_cluster(&self.installation);
        let prefix = slot.prefix();
        let nodes = format!("{}:nodes", server.names(&self.installation).prefix());
        let keys = [
            number_key(&self.installation),
            format!("{prefix}:lists"),
            nodes,
            format!("{prefix}:name"),
        ];
        let mut ask = redis::cmd("EVALSHA");
        ask.arg(script).arg(keys.len()).arg(&keys);
        ask.arg(self.node.to_string()).arg(self.partitions).arg(self.urls);
        ask.arg(self.board.proposed(self.url));
        ask.arg(NodeId::from_random(rand::random()).to_string()).arg(self.board.names());
        ask.arg(millis(KEPT_INTERVALS * self.interval));
        ask.arg(millis(2 * self.interval + ANNOUNCED_BEYOND));
        let answer: Vec<Value> = ask.query_async(connection).await?;
        self.read(&answer)
    }

    fn read(&self, answer: &[Value]) -> Result<Agreed, LinkError> {
        let wrong = || LinkError::Answer("the agreement of the nodes");
        let [taken, partitions, used, following, left, name, others @ ..] = answer else {
            return Err(wrong());
        };
        let number = |value: &Value| -> Result<u64, RedisError> {
            Ok(u64::from_redis_value(value.clone())?)
        };
        let small = |value: &Value| Ok::<_, LinkError>(u32::try_from(number(value)?).unwrap_or(0));
        let (found, used) = (small(partitions)?, small(used)?);
        if number(taken)? == 0 {
            return Err(match found == self.partitions {
                true => LinkError::OtherUrls { found: used, own: self.urls },
                false => LinkError::OtherPartitions { found, own: self.partitions },
            });
        }
        let text =
            |value: &Value| String::from_redis_value(value.clone()).map_err(RedisError::from);
        self.board.named(self.url, text(name)?);
        let (mut nodes, mut at) = (Vec::new(), None);
        for other in others.chunks_exact(2) {
            if let Some(place) = self.board.compared(&text(&other[1])?, Instant::now()) {
                at = Some(place);
                nodes.push(text(&other[0])?);
            }
        }
        let nodes = nodes.join(", ");
        let following = small(following)?;
        let left = Duration::from_millis(number(left)?);
        Ok(Agreed {
            used,
            following: (following > 0).then_some((following, left)),
            differing: at.map(|place| LinkError::OtherRedis { place, nodes }),
        })
    }

    /// Notes and logs why this node does not take part. Where it did, the links log that the Redis is away.
    fn report(&mut self, error: &LinkError) {
        let cause = self.connector.explain(error, LinkPhase::Connecting);
        match error {
            LinkError::OtherRedis { place, .. } => self.board.refused(*place, &cause),
            LinkError::OtherPartitions { .. } | LinkError::OtherUrls { .. } => {
                self.board.refused(self.url, &cause);
            }
            _ if self.board.takes_part(self.url) => return,
            _ => self.board.unreachable(self.url, &cause),
        }
        if self.outage_log.admit_failure(&cause, Instant::now()) {
            tracing::error!(redis = %self.connector, reason = cause, "Redis is away: this node serves its own sockets, and tries again");
        }
    }
}

/// The Redis in use, in the text of the numbers.
fn used_of(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once('/')?;
    rest.split('>').next()?.parse().ok()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::used_of;

    #[test]
    fn the_number_in_use_is_read_from_the_text() {
        assert_eq!(used_of("16/2"), Some(2));
        assert_eq!(used_of("16/2>3@1790000000000"), Some(2));
        assert_eq!(used_of("16"), None);
    }
}
