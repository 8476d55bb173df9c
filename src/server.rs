//! The whole server put together: listeners, doors, node and shards, from start to drained.
//!
//! Constructed without running, so that a test knows the port; stopped by a future, so that
//! `cli` brings the signals and a test its own.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::http::{self, Api, BodyLimits};
use crate::hub::{EventCache, ShardLimits, Shards, Witness};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::protocol::CloseCode;
use crate::webhook::{self, WebhookLimits};
use crate::websocket::{ConnectionLimits, Door};

mod accept;
mod pace;
mod pending;

use accept::{Entrance, HeadLimits};
use pace::Pace;

/// Connections the kernel holds for us: a crowd that arrives at once waits here, not in retries.
const BACKLOG: u32 = 4096;

/// Sockets closed per second of a drain, at least. pusher-js comes back at once after 4200 and
/// has no jitter: this is the rate at which the other nodes see them arrive.
const DRAIN_PER_SECOND_MIN: usize = 1000;

/// One step of a drain.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// How long newcomers are still answered (with 4100) after the last socket is closed. pusher-js
/// comes back at once after 4200; if nobody listens then, it waits 15 s before it tries again,
/// but after 4100 only one, which turns a restart of 20 ms into an absence of one second.
const COMEBACK: Duration = Duration::from_millis(500);

/// The grain of what is put off: subscription counts, told every 5 s at most.
const TICK: Duration = Duration::from_millis(250);

/// A server that listens and is ready to run.
pub struct Server {
    listener: TcpListener,
    exposition: Option<TcpListener>,
    entrance: Entrance,
    shards: Arc<Shards>,
    metrics: Arc<Metrics>,
    shard_tasks: JoinSet<()>,
    background: JoinSet<()>,
    tasks: TaskTracker,
    drain: Duration,
}

impl Server {
    /// Listens and starts the shards; nothing is accepted before [`run`](Self::run).
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let listener = listen(SocketAddr::new(config.server.host, config.server.port))?;
        let exposition = config.metrics.listen.map(listen).transpose()?;
        let metrics = Arc::new(Metrics::default());
        let (shards, shard_tasks) = start_shards(config, &metrics);
        let mut background = JoinSet::new();
        let cache = EventCache::new(config.cache.ttl, config.cache.bytes);
        let witnesses = start_webhooks(config, &metrics, &mut background)?;
        let node = Node::new(&config.apps, &shards, cache, metrics.clone(), witnesses);
        let node = Arc::new(node);
        background.spawn(tick(node.clone()));
        let tasks = TaskTracker::new();
        let body = BodyLimits { bytes: config.http.body_bytes, timeout: config.http.body_timeout };
        let connection = ConnectionLimits {
            fragments: config.websocket.fragments,
            message_timeout: config.websocket.message_timeout,
            close_timeout: config.websocket.close_timeout,
        };
        let prefix = config.server.path.clone();
        let api = Api::new(node.clone(), &prefix, body);
        let stopping = CancellationToken::new();
        let life = (tasks.clone(), stopping.clone());
        let door = Door::new(node, prefix, connection, life, accept::reclaim);
        let entrance = Entrance {
            router: http::router(&api),
            door: Arc::new(door),
            limits: head_limits(config),
            metrics: metrics.clone(),
            stopping,
        };
        let drain = config.server.drain;
        Ok(Self {
            listener,
            exposition,
            entrance,
            shards,
            metrics,
            shard_tasks,
            background,
            tasks,
            drain,
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// What the server counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Serves until `stop`, then drains: no socket opens any more, every open one is closed with
    /// 4200, requests are finished, all within the configured time.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let exposition = self.exposition.take().map(|listener| {
            let router = http::exposition(self.metrics.clone());
            tokio::spawn(async move { axum::serve(listener, router).await })
        });
        let stopping = self.entrance.stopping.clone();
        let closed = CancellationToken::new();
        let draining = async {
            stop.await;
            stopping.cancel();
            drain(&self.shards, self.drain, &closed).await;
        };
        let connections = async {
            self.entrance.accept(self.listener, &self.tasks, &closed).await;
            self.tasks.close();
            self.tasks.wait().await;
        };
        let overdue = async {
            stopping.cancelled().await;
            tokio::time::sleep(self.drain).await;
        };
        tokio::select! {
            () = connections => {}
            () = draining => {}
            // Its sockets would hang without a word: better to end, and be started again.
            _ = self.shard_tasks.join_next() => anyhow::bail!("a shard ended: this is a bug"),
            () = overdue => tracing::warn!("the drain took all its time; what is left is cut off"),
        }
        self.shard_tasks.abort_all();
        self.background.abort_all();
        if let Some(exposition) = exposition {
            exposition.abort();
        }
        Ok(())
    }
}

fn start_shards(config: &Config, metrics: &Arc<Metrics>) -> (Arc<Shards>, JoinSet<()>) {
    let limits = ShardLimits {
        shards: config.server.shards,
        outbox_bytes: config.websocket.outbox_bytes,
        inbox_bytes: config.websocket.inbox_bytes,
    };
    let (shards, all) = Shards::new(limits, metrics);
    let mut tasks = JoinSet::new();
    for (index, shard) in all.into_iter().enumerate() {
        tasks.spawn(shards.clone().run(index, shard));
    }
    (shards, tasks)
}

fn start_webhooks(
    config: &Config,
    metrics: &Arc<Metrics>,
    background: &mut JoinSet<()>,
) -> anyhow::Result<HashMap<String, Arc<dyn Witness>>> {
    let limits = WebhookLimits {
        queue_events: config.webhooks.queue_events,
        connect_timeout: config.webhooks.connect_timeout,
        answer_timeout: config.webhooks.answer_timeout,
        retry: config.webhooks.retry,
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
async fn tick(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        node.tick(Instant::now());
    }
}

fn head_limits(config: &Config) -> HeadLimits {
    HeadLimits {
        bytes: config.http.head_bytes,
        fields: config.http.head_fields,
        pace: Pace { head: config.http.head_timeout, idle: config.http.idle_timeout },
        pending: config.http.pending_connections,
    }
}

/// `SO_REUSEADDR`, so that a restart need not wait for old connections to be forgotten.
fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    bound.with_context(|| {
        format!("cannot listen on {address}: is another server running there? Choose another with --port or server.port")
    })
}

/// Closes every socket with 4200, evenly over half of the time there is, or faster where that
/// would be under [`DRAIN_PER_SECOND_MIN`]; the other half is for closing handshakes. Then takes
/// nobody new (`closed`), but goes on closing: a socket that was opening when the drain began may
/// still come. Never returns; it is over when the last connection is.
async fn drain(shards: &Shards, time: Duration, closed: &CancellationToken) {
    let sockets = shards.socket_count();
    let steps = (time / 2).as_millis() / DRAIN_STEP.as_millis();
    let even = sockets.div_ceil(usize::try_from(steps).unwrap_or(1).max(1));
    let step = even.max(DRAIN_PER_SECOND_MIN * DRAIN_STEP.as_millis() as usize / 1000);
    let mut ticks = tokio::time::interval(DRAIN_STEP);
    let mut close_at = Instant::now();
    loop {
        ticks.tick().await;
        if shards.socket_count() > 0 {
            shards.end_some(step, CloseCode::ReconnectNow);
            close_at = Instant::now() + COMEBACK;
        } else if close_at <= Instant::now() {
            closed.cancel();
        }
    }
}
