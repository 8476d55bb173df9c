//! The whole server put together: listeners, doors, node and shards, from start to drained.
//!
//! Constructed without running, so that a test knows the port; stopped by a future, so that
//! `cli` brings the signals and a test its own.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cluster::Cluster;
use crate::config::Config;
use crate::hub::{EventCache, ShardLimits, Shards, Witness};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::webhook::{self, WebhookLimits};

mod accept;
mod closing;
mod descriptors;
mod drain;
mod entrances;
mod head;
mod lingering;
mod listen;
mod membership;
mod misdirected;
mod pace;
mod path;
mod pending;
mod rejected;
mod spare;
mod worker;

use accept::Entrance;
use entrances::Entrances;
use rejected::Rejected;
use worker::{Life, Worker};

/// The grain of what is put off: subscription counts, told every 5 s at most.
const TICK: Duration = Duration::from_millis(250);

/// A server that listens and is ready to run.
pub struct Server {
    address: SocketAddr,
    exposition: Option<(TcpListener, Entrance)>,
    entrances: Entrances,
    workers: Vec<Worker>,
    shards: Arc<Shards>,
    cluster: Option<Arc<Cluster>>,
    /// Not without Redis.
    required: bool,
    metrics: Arc<Metrics>,
    background: JoinSet<()>,
    stopping: CancellationToken,
    hurry: CancellationToken,
    drain: Duration,
}

impl Server {
    /// Listens, on one socket for each worker; nothing is accepted before [`run`](Self::run).
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let listeners = listen::shared(config)?;
        let address = listeners[0].local_addr()?;
        let exposition = listen::of_metrics(config)?;
        let metrics = Arc::new(Metrics::default());
        let limits = ShardLimits {
            shards: config.server.workers,
            outbox_bytes: config.websocket.outbox_bytes,
            inbox_bytes: config.websocket.inbox_bytes,
            deflate_bytes_min: config.websocket.deflate_min_bytes,
        };
        let (shards, all_shards) = Shards::new(limits, &metrics);
        let mut background = JoinSet::new();
        let cache = EventCache::new(config.cache.ttl, config.cache.bytes);
        let witnesses = start_webhooks(config, &metrics, &mut background)?;
        let node = match membership::of(config) {
            None => Node::new(&config.apps, &shards, cache, metrics.clone(), witnesses),
            Some(membership) => {
                let (shards, metrics) = (&shards, metrics.clone());
                Node::in_cluster(&config.apps, shards, cache, metrics, &witnesses, membership)
            }
        };
        let node = Arc::new(node);
        let mut link = membership::link(&node, config)?;
        if listeners.len() > 1 {
            link = link.and_then(|link| {
                background.spawn(link);
                None
            });
        }
        let stopping = CancellationToken::new();
        let entrances = Entrances::new(config, &node, &stopping);
        background.spawn(tick(node.clone(), entrances.rejected().clone()));
        let exposition = exposition.map(|listener| (listener, entrances.of_metrics()));
        let workers = listeners.into_iter().zip(all_shards).enumerate();
        let workers = workers.map(|(index, (listener, shard))| {
            let entrance = Arc::new(entrances.of_worker(index));
            // A single worker carries the link too: an event then wakes no other thread.
            let link = link.take();
            Worker { index, listener, entrance, shards: shards.clone(), shard, link }
        });
        let (workers, drain) = (workers.collect(), config.server.drain);
        let cluster = node.cluster().cloned();
        let required = config.cluster.as_ref().is_some_and(|cluster| cluster.required);
        Ok(Self {
            address,
            exposition,
            entrances,
            workers,
            shards,
            cluster,
            required,
            metrics,
            background,
            stopping,
            hurry: CancellationToken::new(),
            drain,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the server counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Shares the file descriptors of the process out among sockets and HTTP; returns how many
    /// sockets there may be. Without it neither has a bound.
    pub fn share_descriptors(&self, limit: u64) -> usize {
        self.entrances.share(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Cancelling it cuts the drain short: every socket is closed with 4200 at once, and `run` ends.
    pub fn hurry(&self) -> CancellationToken {
        self.hurry.clone()
    }

    /// Serves until `stop`, then drains: no socket opens any more, every open one is closed with
    /// 4200, back ends are served until the listeners are closed, all within the configured time.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        if let Some((listener, entrance)) = self.exposition.take() {
            // Scraped until the end: neither stopped nor waited for by the drain.
            let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
            self.background.spawn(Arc::new(entrance).accept(listener, tasks, closed));
        }
        let life = Life::default();
        // However this future ends, the threads do not outlive it.
        let _over = life.over.clone().drop_guard();
        for worker in std::mem::take(&mut self.workers) {
            worker.start(life.clone())?;
        }
        let mut stop = std::pin::pin!(stop);
        if let Some(cluster) = &self.cluster {
            tokio::select! {
                joined = membership::joined(cluster, self.required) => joined?,
                // No connection is accepted yet, so there is nothing to drain.
                () = stop.as_mut() => return Ok(()),
            }
        }
        life.open.cancel();
        let stopping = &self.stopping;
        let draining = async {
            stop.as_mut().await;
            stopping.cancel();
            drain::drain(&self.shards, self.drain, &life.closed).await;
            let left = life.tasks.len();
            tracing::info!(left, "connections that did not end in time are cut off");
        };
        let connections = async {
            life.tasks.close();
            life.tasks.wait().await;
        };
        let farewell = self.cluster.as_ref().map_or(Duration::ZERO, |_| membership::FAREWELL);
        let overdue = async {
            stopping.cancelled().await;
            tokio::time::sleep(self.drain.saturating_sub(farewell).max(self.drain / 2)).await;
        };
        let cut_short = async {
            self.hurry.cancelled().await;
            drain::hurry(&self.shards).await;
        };
        tokio::select! {
            () = draining => {}
            // Its sockets would hang without a word: better to end, and be started again.
            () = life.ended.cancelled() => anyhow::bail!("a worker ended: this is a bug"),
            () = connections => {}
            () = overdue => tracing::warn!("the drain took all its time; what is left is cut off"),
            () = cut_short => {}
        }
        if let Some(cluster) = &self.cluster {
            membership::leave(cluster).await;
        }
        life.over.cancel();
        life.threads.close();
        life.threads.wait().await;
        Ok(())
    }
}

fn start_webhooks(
    config: &Config,
    metrics: &Arc<Metrics>,
    background: &mut JoinSet<()>,
) -> anyhow::Result<HashMap<String, Arc<dyn Witness>>> {
    let limits = WebhookLimits {
        queue_events: config.webhooks.queue_events,
        connect_timeout: config.webhooks.connect_timeout,
        answer_timeout: config.webhooks.request_timeout,
        retry: config.webhooks.retry_for,
    };
    let mut witnesses = HashMap::new();
    for app in config.apps.iter() {
        if let Some(witness) = webhook::start(app, limits, metrics, background)? {
            witnesses.insert(app.id.clone(), witness);
        }
    }
    Ok(witnesses)
}

/// Looks four times a second whether something that was put off is due.
async fn tick(node: Arc<Node>, rejected: Arc<Rejected>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        node.tick(Instant::now());
        rejected.tick(Instant::now());
    }
}
