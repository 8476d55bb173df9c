//! The server's part in a cluster: settings from the configuration, the task that keeps the link to
//! Redis up, the check at the start, and leaving at the end.

use std::pin::Pin;
use std::time::Duration;

use anyhow::bail;

use crate::cluster::{Cluster, NodeId};
use crate::config::{ClusterSettings, Config};
use crate::node::Node;

/// How long a node that leaves waits for Redis to confirm it; without that its lease runs out.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A new id for this node and its settings; `None` without a cluster.
pub(super) fn settings(config: &Config) -> Option<(NodeId, ClusterSettings)> {
    let settings = config.cluster.as_ref()?.settings.clone();
    Some((NodeId::from_random(rand::random()), settings))
}

/// Keeps the link to Redis up; never ends.
pub(super) type ClusterTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The task of a node in a cluster; `None` without one.
pub(super) fn task(node: &Node, config: &Config) -> anyhow::Result<Option<ClusterTask>> {
    let Some((cluster, config)) = node.cluster().zip(config.cluster.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(Box::pin(cluster.link(&config.redis, config.timeout)?)))
}

/// Fails if the first attempt to connect has failed. A node without `cluster.required` does without
/// Redis and serves its own sockets.
pub(super) fn ensure_connected(cluster: &Cluster) -> anyhow::Result<()> {
    if !cluster.is_connected() {
        bail!(
            "Redis cannot be used (the log says why), and cluster.required is true: start it, or correct cluster.url"
        );
    }
    Ok(())
}

/// Removes this node from the directory, if Redis answers in time.
pub(super) async fn leave(cluster: &Cluster) {
    cluster.act(|core| core.depart());
    if tokio::time::timeout(LEAVE_TIMEOUT, cluster.settled()).await.is_err() {
        tracing::warn!("Redis did not confirm that this node leaves: its lease runs out instead");
    }
}
