//! Joining the cluster and leaving it: what the configuration says of it, put together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, NodeId, Settings, Streams};
use crate::config::{ClusterConfig, Config};

/// How long a node that leaves waits for Redis to hear it; who does not is cleaned up after.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the configuration says of the cluster, and who this node is in it.
pub(super) fn of(config: &Config) -> Option<(NodeId, Settings)> {
    let cluster = config.cluster.as_ref()?;
    let streams = |streams: &crate::config::StreamsConfig| Streams {
        retention: streams.retention,
        events: streams.events,
    };
    let settings = Settings {
        prefix: cluster.prefix.clone(),
        lease: cluster.lease,
        patience: cluster.patience,
        queue_bytes: cluster.queue_bytes,
        streams: cluster.streams.as_ref().map(streams),
        cache_ttl: config.cache.ttl,
    };
    Some((NodeId::random(), settings))
}

/// Connects to Redis, and waits until that has worked or failed once: the first event after the start
/// is to reach every node. Without Redis the node serves its own sockets, unless it is required.
pub(super) async fn join(
    cluster: &Arc<Cluster>,
    config: &ClusterConfig,
    background: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    background.spawn(cluster.link(&config.redis, config.timeout)?);
    cluster.tried().await;
    if config.required && !cluster.is_connected() {
        let address = &config.redis.address;
        bail!(
            "Redis at {address} cannot be used (the log says why), and cluster.required is true: start it, or correct cluster.url"
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
