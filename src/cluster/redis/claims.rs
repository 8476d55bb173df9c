//! Writes this node's claim into the directory, and reads those of the nodes that live; keeps nodes apart that spread
//! channels over another number of partitions.
//!
//! Beside the requests of the core, on the same connection: three commands every five seconds.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, Value};

use crate::cluster::directory::agreement::Claim;
use crate::cluster::directory::{NodeId, Partition};
use crate::redis_connection::{KeySpace, LinkError, ServerInfo};

/// A running node notices one that disagrees within this time.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long the number of partitions is kept: longer than between two exchanges.
const COUNT_KEPT: Duration = Duration::from_secs(15);

/// Field and value of a hash.
type Pair = (Vec<u8>, Vec<u8>);

/// The exchange of one node.
pub(super) struct ClaimExchange<F> {
    node: NodeId,
    /// The keys of the claims and of the nodes.
    claims: String,
    nodes: String,
    /// The key of the number of partitions, and the number, if this is the link that keeps it.
    count: Option<(String, u32)>,
    /// What this node is configured with now.
    own: F,
}

impl<F: Fn() -> Claim> ClaimExchange<F> {
    pub(super) fn new(node: NodeId, (prefix, partition): (&str, &Partition), own: F) -> Self {
        let is_kept = partition.count > 1 && partition.index == 0;
        Self {
            node,
            claims: format!("{prefix}:claims"),
            nodes: format!("{prefix}:nodes"),
            count: is_kept.then(|| (count_key(partition), partition.count)),
            own,
        }
    }

    /// Keeps the claim in the directory, and reports the claims of the other nodes, as long as the future
    /// lives.
    pub(super) async fn run(
        self,
        mut connection: MultiplexedConnection,
        report: impl Fn(&[(NodeId, Option<Claim>)]),
    ) -> Infallible {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            match self.exchange(&mut connection).await {
                Ok(others) => report(&others),
                // The link notices by itself if the connection is broken; an ACL that forbids a command
                // forbids others, too.
                Err(error) => tracing::debug!(%error, "the claims of other nodes cannot be read"),
            }
        }
    }

    /// Writes the own claim; returns those of the other nodes that are alive. Claims of nodes that are gone
    /// are removed: each node that is alive writes its own again.
    async fn exchange(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<(NodeId, Option<Claim>)>, RedisError> {
        let own = serde_json::to_string(&(self.own)()).expect("a claim is a map with text keys");
        let mut ask = redis::pipe();
        if let Some((key, count)) = &self.count {
            ask.cmd("SET")
                .arg(key)
                .arg(*count)
                .arg("PX")
                .arg(COUNT_KEPT.as_millis() as u64)
                .ignore();
        }
        ask.cmd("HSET").arg(&self.claims).arg(&self.node.to_bytes()[..]).arg(own).ignore();
        ask.cmd("HGETALL").arg(&self.claims).cmd("HGETALL").arg(&self.nodes);
        let (all, alive): (Value, Value) = ask.query_async(connection).await?;
        let alive: Vec<Vec<u8>> = pairs(alive)?.into_iter().map(|(node, _)| node).collect();
        let (mut others, mut gone) = (Vec::new(), redis::cmd("HDEL"));
        gone.arg(&self.claims);
        let mut any_gone = false;
        for (field, text) in pairs(all)? {
            let Some(node) = NodeId::from_bytes(&field) else { continue };
            if node == self.node {
                continue;
            }
            if alive.contains(&field) {
                others.push((node, serde_json::from_slice(&text).ok()));
            } else {
                gone.arg(field);
                any_gone = true;
            }
        }
        if any_gone {
            let _: u64 = gone.query_async(connection).await?;
        }
        Ok(others)
    }
}

/// Where the number of partitions is, if there are several: in the slot of the first.
fn count_key(partition: &Partition) -> String {
    format!("{}:partitions", KeySpace::of_redis_cluster(&partition.installation).prefix())
}

/// Fails where nodes run that spread channels over another number of partitions: nothing would be shared with them.
/// The first link of a node asks; with one partition nothing is written.
pub(super) async fn agree_on_partitions(
    connection: &mut MultiplexedConnection,
    partition: &Partition,
    server: &ServerInfo,
) -> Result<(), LinkError> {
    let (own, key) = (partition.count, count_key(partition));
    if partition.index > 0 {
        return Ok(());
    }
    let mut ask = redis::pipe();
    if own > 1 {
        let others = format!("{}:nodes", server.names(&partition.installation).prefix());
        let (time, leases): ((u64, u64), Vec<Vec<u8>>) =
            redis::pipe().cmd("TIME").cmd("HVALS").arg(others).query_async(connection).await?;
        let now = time.0 * 1000;
        let ends = leases.iter().filter_map(|lease| lease.first_chunk().copied());
        if ends.map(u64::from_be_bytes).any(|end| end >= now) {
            return Err(LinkError::OtherPartitions { found: 1, own });
        }
        let kept = COUNT_KEPT.as_millis() as u64;
        ask.cmd("SET").arg(&key).arg(own).arg("NX").arg("PX").arg(kept).ignore();
    }
    let (found,): (Value,) = ask.cmd("GET").arg(&key).query_async(connection).await?;
    match u32::from_redis_value(found) {
        Ok(found) if found != own => Err(LinkError::OtherPartitions { found, own }),
        // Without the key, or with something else in it, there is no number to differ from.
        _ => Ok(()),
    }
}

fn pairs(value: Value) -> Result<Vec<Pair>, RedisError> {
    Ok(Vec::<Pair>::from_redis_value(value)?)
}
