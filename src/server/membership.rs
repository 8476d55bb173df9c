//! Joining the cluster and leaving it: what the configuration says of it, put together.

use std::pin::Pin;
use std::time::Duration;

use anyhow::bail;

use crate::cluster::{Cluster, ClusterSettings, NodeId, StreamSettings};
use crate::config::Config;
use crate::node::Node;

/// How long a node that leaves waits for Redis to confirm it; otherwise its lease ends by itself.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// What the configuration says of the cluster, and who this node is in it.
pub(super) fn of(config: &Config) -> Option<(NodeId, ClusterSettings)> {
    let cluster = config.cluster.as_ref()?;
    let streams = |streams: &crate::config::StreamsConfig| StreamSettings {
        retention: streams.retention,
        events: streams.events,
    };
    let settings = ClusterSettings {
        prefix: cluster.namespace(),
        lease: cluster.lease,
        patience: cluster.patience,
        queue_bytes: cluster.queue_bytes,
        streams: cluster.streams.as_ref().map(streams),
        cache_ttl: config.cache.ttl,
    };
    Some((NodeId::random(), settings))
}

/// What keeps the link to Redis up.
pub(super) type Link = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The link of a node of several.
pub(super) fn link(node: &Node, config: &Config) -> anyhow::Result<Option<Link>> {
    let Some((cluster, config)) = node.cluster().zip(config.cluster.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(Box::pin(cluster.link(&config.redis, config.timeout)?)))
}

/// Waits until connecting has worked or failed once: the first event after the start is to reach
/// every node. Without Redis the node serves its own sockets, unless it is required.
pub(super) async fn joined(cluster: &Cluster, required: bool) -> anyhow::Result<()> {
    cluster.tried().await;
    if required && !cluster.is_connected() {
        bail!(
            "Redis cannot be used (the log says why), and cluster.required is true: start it, or correct cluster.url"
        );
    }
    Ok(())
}

/// Tells the other nodes that this one is gone, if Redis is there to be told.
pub(super) async fn leave(cluster: &Cluster) {
    cluster.act(|core| core.depart());
    if tokio::time::timeout(FAREWELL, cluster.settled()).await.is_err() {
        tracing::warn!("Redis did not hear that this node leaves; the others will notice");
    }
}
