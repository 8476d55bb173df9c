//! Writes this node's claim into the directory, and reads those of the nodes that live; keeps a node with one partition
//! apart from nodes that have several. How these agree is left to `partitions`.
//!
//! Beside the requests of the core, on the same connection: three commands every five seconds, with one partition six.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError, Value};

use crate::cluster::directory::agreement::Claim;
use crate::cluster::directory::{NodeId, Partition};
use crate::redis_connection::{KeySpace, LinkError};

/// A running node notices one that disagrees within this time.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long the number of partitions is kept: longer than between two exchanges.
const NUMBER_KEPT: Duration = Duration::from_secs(15);

/// Field and value of a hash.
type Pair = (Vec<u8>, Vec<u8>);

/// The exchange of one node.
pub(super) struct ClaimExchange<F> {
    node: NodeId,
    /// The keys of the claims and of the nodes.
    claims: String,
    nodes: String,
    /// The key of the number of partitions, if there is one.
    number: Option<String>,
    /// What this node is configured with now.
    own: F,
}

impl<F: Fn() -> Claim> ClaimExchange<F> {
    pub(super) fn new(node: NodeId, (prefix, partition): (&str, &Partition), own: F) -> Self {
        Self {
            node,
            claims: format!("{prefix}:claims"),
            nodes: format!("{prefix}:nodes"),
            number: (partition.count == 1).then(|| number_key(&partition.installation)),
            own,
        }
    }

    /// Keeps the claim in the directory, and reports the claims of the other nodes, until this node must not take part.
    pub(super) async fn run(
        self,
        mut connection: MultiplexedConnection,
        report: impl Fn(&[(NodeId, Option<Claim>)]),
    ) -> LinkError {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            match self.exchange(&mut connection).await {
                Ok(Ok(others)) => report(&others),
                Ok(Err(refused)) => return refused,
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
    ) -> Result<Result<Vec<(NodeId, Option<Claim>)>, LinkError>, RedisError> {
        let own = serde_json::to_string(&(self.own)()).expect("a claim is a map with text keys");
        if let Some(key) = &self.number {
            let mut ask = redis::pipe();
            claim_one(&mut ask, key);
            let (found,): (Value,) = ask.query_async(connection).await?;
            if let Err(refused) = check_one(&found) {
                return Ok(Err(refused));
            }
            let mut renew = redis::cmd("PEXPIRE");
            renew.arg(key).arg(NUMBER_KEPT.as_millis() as u64);
            let _: Value = renew.query_async(connection).await?;
        }
        let mut ask = redis::pipe();
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
        Ok(Ok(others))
    }
}

/// Where the number of partitions is: in a slot that each Redis has, whatever the number.
pub(crate) fn number_key(installation: &str) -> String {
    format!("{}:partitions", KeySpace::of_redis_cluster(installation).prefix())
}

/// Claims that there is one partition, for as long as [`NUMBER_KEPT`]. Of two nodes that start at the same time, one
/// finds the number of the other.
pub(super) fn claim_one(ask: &mut Pipeline, key: &str) {
    let kept = NUMBER_KEPT.as_millis() as u64;
    ask.cmd("SET").arg(key).arg(1).arg("NX").arg("PX").arg(kept).ignore();
    ask.cmd("GET").arg(key);
}

/// Fails where nodes run that spread channels over several partitions: nothing would be shared with them.
pub(super) fn check_one(found: &Value) -> Result<(), LinkError> {
    // The number of Redis may follow. Without a text there is no number to differ from.
    let text = String::from_redis_value(found.clone()).unwrap_or_default();
    match text.split('/').next().and_then(|number| number.parse().ok()) {
        Some(found) if found != 1 => Err(LinkError::OtherPartitions { found, own: 1 }),
        _ => Ok(()),
    }
}

fn pairs(value: Value) -> Result<Vec<Pair>, RedisError> {
    Ok(Vec::<Pair>::from_redis_value(value)?)
}
