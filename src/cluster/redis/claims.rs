//! Writes this node's claim into the directory, and reads those of the nodes that live.
//!
//! Beside the requests of the core, on the same connection: three commands every five seconds.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, Value};

use crate::cluster::directory::NodeId;
use crate::cluster::directory::agreement::Claim;

/// A running node notices one that disagrees within this time.
const INTERVAL: Duration = Duration::from_secs(5);

/// Field and value of a hash.
type Pair = (Vec<u8>, Vec<u8>);

/// The exchange of one node.
pub(super) struct ClaimExchange<F> {
    node: NodeId,
    /// The keys of the claims and of the nodes.
    claims: String,
    nodes: String,
    /// What this node is configured with now.
    own: F,
}

impl<F: Fn() -> Claim> ClaimExchange<F> {
    pub(super) fn new(node: NodeId, prefix: &str, own: F) -> Self {
        Self { node, claims: format!("{prefix}:claims"), nodes: format!("{prefix}:nodes"), own }
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

fn pairs(value: Value) -> Result<Vec<Pair>, RedisError> {
    Ok(Vec::<Pair>::from_redis_value(value)?)
}
