//! The server's part in a cluster: settings from the configuration, the task that keeps the link to
//! Redis up, the check at the start, and leaving at the end.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::cluster::NodeId;
use crate::config::{ClusterSettings, Config};
use crate::node::Node;
use crate::partitions::{LinkTask, Partitions};

/// How long a node that leaves waits for Redis to confirm it; without that its lease runs out. It waits longer for answers
/// that may have webhook events: no other node sends them.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A new id for this node and its settings; `None` without a cluster.
pub(super) fn settings(config: &Config) -> Option<(NodeId, ClusterSettings)> {
    let settings = config.cluster.as_ref()?.settings.clone();
    Some((NodeId::from_random(rand::random()), settings))
}

/// The tasks that keep the links to Redis up, one for each partition; none without a cluster.
pub(super) fn tasks(node: &Node, config: &Config) -> anyhow::Result<Vec<LinkTask>> {
    let Some((cluster, config)) = node.cluster().zip(config.cluster.as_ref()) else {
        return Ok(Vec::new());
    };
    Ok(cluster.links(&config.servers(), config.timeout)?)
}

/// Deals the tasks out over so many workers.
pub(super) fn deal(tasks: Vec<LinkTask>, workers: usize) -> Vec<Vec<LinkTask>> {
    let mut dealt: Vec<Vec<LinkTask>> = (0..workers).map(|_| Vec::new()).collect();
    for (index, task) in tasks.into_iter().enumerate() {
        dealt[index % workers].push(task);
    }
    dealt
}

/// Fails if the first attempt to connect has failed. A node without `cluster.required` does without
/// Redis and serves its own sockets.
pub(super) fn ensure_connected(cluster: &Partitions) -> anyhow::Result<()> {
    if !cluster.is_connected() {
        bail!(
            "Redis cannot be used (the log says why), and cluster.required is true: start it, or correct cluster.url or cluster.urls"
        );
    }
    Ok(())
}

/// Removes this node from the directory, if Redis answers in time. Where webhooks depend on the answer, that is until the
/// drain ends or is cut short.
pub(super) async fn leave(cluster: &Partitions, drained: Instant, cut_short: &CancellationToken) {
    cluster.depart();
    let mut settled = std::pin::pin!(cluster.settled());
    if timeout(LEAVE_TIMEOUT, &mut settled).await.is_ok() {
        return;
    }
    if cluster.awaits_reports() {
        tokio::select! {
            () = &mut settled => return,
            () = sleep_until(drained.into()) => {}
            () = cut_short.cancelled() => {}
        }
    }
    tracing::warn!("Redis did not confirm that this node leaves: its lease runs out instead");
    cluster.give_up_reports();
}
