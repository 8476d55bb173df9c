//! The whole server: listeners, workers, node and shards, from the first bind to the end of the drain.
//!
//! Constructed without running, so that a test has the port; stopped by a future, so that `cli`
//! passes the signals and a test its own. Owns the order of start and stop, and no rules.

use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::app::Apps;
use crate::channel_auth::ChannelAuth;
use crate::config::{Config, ListenAddress};
use crate::hub::{EventCache, Shards};
use crate::internal::ServerChecks;
use crate::logging::LogLosses;
use crate::metrics::{Condition, Metrics};
use crate::node::{Inputs, Node, WebhookSinks};
use crate::partitions::Partitions;
use crate::stream::StdListener;
use crate::supervision::{OwnerSocket, PassedSocket, Pulse};
use crate::telemetry;
use crate::timeline::Timeline;
use crate::tls::server_config;
use crate::webhook::Webhooks;
use crate::websocket::Stopping;

mod acceptor;
mod acceptors;
mod auth_requests;
mod certificate_watch;
mod client;
mod cluster_task;
mod connection_tracker;
mod descriptors;
mod drain;
mod drain_pace;
mod http_connection;
mod input_tasks;
mod lingering_close;
mod listen;
mod listener_close;
mod memory_watch;
mod operator_thread;
mod pacing_task;
mod parse_error;
mod proxy_protocol;
mod rejection_log;
mod reload;
mod request_head;
mod request_path;
mod spare_descriptor;
mod timed_stream;
mod tls_opening;
mod worker;

use acceptor::Acceptor;
use acceptors::Acceptors;
use certificate_watch::CertificateWatch;
pub use descriptors::foreign_descriptors;
use drain::{Drain, DrainConfig};
pub use listen::PassableSockets;
use listen::{Audience, ListenerSet};
pub use reload::{ReloadReport, Reloader};
use tls_opening::TlsContext;
use worker::{Lifecycle, Worker};

/// How often deferred work is checked. Subscription counts, the most frequent, are sent every 5 s.
const TICK: Duration = Duration::from_millis(250);
const TICKS_PER_SECOND: u64 = 4;

/// A server that listens and is ready to run.
pub struct Server {
    addresses: Vec<ListenAddress>,
    api_addresses: Vec<ListenAddress>,
    internal_addresses: Vec<ListenAddress>,
    /// The listeners beside those of the workers: of metrics, and of those who operate the server.
    without_worker: Vec<(StdListener, Acceptor)>,
    acceptors: Acceptors,
    workers: Vec<Worker>,
    node: Arc<Node>,
    shards: Arc<Shards>,
    cluster: Option<Arc<Partitions>>,
    /// `cluster.required`: the server does not start without Redis.
    is_redis_required: bool,
    metrics: Arc<Metrics>,
    /// Aborted when it is dropped.
    _background: JoinSet<()>,
    inputs: Inputs,
    webhooks: Arc<Webhooks>,
    reloader: Arc<Reloader>,
    lifecycle: Lifecycle,
    stopping: Stopping,
    passable: PassableSockets,
    cut_short: CancellationToken,
    drain: DrainConfig,
}

impl Server {
    /// Listens, on one socket for each worker and address; accepts nothing before [`run`](Self::run).
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        Self::with_sockets(config, Vec::new()).await
    }

    /// The same with listening sockets that another process has bound.
    pub async fn with_sockets(config: &Config, passed: Vec<PassedSocket>) -> anyhow::Result<Self> {
        let listeners = ListenerSet::open(config, passed)?;
        let passable = listeners.passable()?;
        let addresses = listeners.addresses(Audience::Clients);
        let api_addresses = listeners.addresses(Audience::BackEnds);
        let internal_addresses = listeners.addresses(Audience::Operators);
        let (listeners, without_worker) = listeners.deal(config.server.workers)?;
        let metrics = Arc::new(Metrics::default());
        metrics.process.condition.set(Condition::Starting, true);
        let (shards, all_shards) = Shards::new(config.server.workers, config.websocket, &metrics);
        let mut background = JoinSet::new();
        let auth = Arc::new(ChannelAuth::new(config.calls.clone(), metrics.clone()));
        auth.apply(auth.prepare(&config.apps)?);
        let webhooks =
            Arc::new(Webhooks::new(config, metrics.clone(), shards.observation().clone()));
        let sinks = webhooks.apply(webhooks.prepare(&config.apps)?);
        let inputs = input_tasks::inputs(config, &metrics, shards.observation());
        let node = node(config, &shards, &metrics, &sinks, &inputs);
        let mut cluster_tasks = cluster_task::tasks(&node, config)?;
        // A single worker runs it too, so that an event wakes no other thread; several links are dealt out.
        if listeners.len() > 1 && cluster_tasks.len() == 1 {
            cluster_tasks.drain(..).for_each(|task| drop(background.spawn(task)));
        }
        let mut cluster_tasks = cluster_task::deal(cluster_tasks, listeners.len()).into_iter();
        let (stopping, lifecycle) = (Stopping::default(), Lifecycle::default());
        let certificates = start_tls(config, &metrics, &mut background)?;
        let (certificates, tls) = certificates.unzip();
        let telemetry = telemetry::start(config, &metrics, &mut background)?;
        let acceptors = Acceptors::new(config, &node, telemetry, &stopping, tls)
            .with_auth(auth.clone(), config)
            .for_operators(&addresses, &webhooks, config);
        input_tasks::start(&inputs, &mut background)?;
        start_tasks(&node, &acceptors, &mut background);
        background.spawn(memory_watch::run(config.limits.memory.clone(), node.clone()));
        let workers = listeners.into_iter().zip(all_shards).enumerate();
        let workers = workers.map(|(index, (listeners, shard))| Worker {
            index,
            listeners: acceptors.for_worker(index, listeners, &lifecycle.tasks, &lifecycle.closed),
            shards: shards.clone(),
            shard,
            cluster_tasks: cluster_tasks.next().unwrap_or_default(),
            pulse: Pulse::default(),
        });
        let reloader = Reloader::new(config, node.clone(), webhooks.clone(), auth, certificates);
        Ok(Self {
            addresses,
            api_addresses,
            internal_addresses,
            without_worker: acceptors.without_workers(without_worker),
            workers: workers.collect(),
            shards,
            cluster: node.cluster().cloned(),
            is_redis_required: config.cluster.as_ref().is_some_and(|cluster| cluster.required),
            metrics,
            _background: background,
            inputs,
            webhooks,
            reloader: Arc::new(reloader.with_internal(acceptors.internal())),
            acceptors,
            node,
            lifecycle,
            stopping,
            passable,
            cut_short: CancellationToken::new(),
            drain: DrainConfig {
                time: config.server.drain,
                bound: drain_bound(config),
                sockets_per_second: config.server.drain_sockets_per_second,
            },
        })
    }

    /// The addresses that clients connect to; ports are those that the kernel chose for 0.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The addresses of `http.listen`, which the HTTP API is served at instead; empty without it.
    pub fn api_addresses(&self) -> &[ListenAddress] {
        &self.api_addresses
    }

    /// The addresses of `internal.listen`.
    pub fn internal_addresses(&self) -> &[ListenAddress] {
        &self.internal_addresses
    }

    /// The address of the console for a browser, with the token that was made at the start where none is configured;
    /// `None` while it is off, or where it is reached over a unix socket alone.
    pub fn console_url(&self) -> Option<String> {
        let path = self.acceptors.internal().console_path()?;
        let address = self.internal_addresses.iter().find_map(ListenAddress::ip)?;
        Some(format!("http://{address}{path}"))
    }

    /// Lets operators run these checks at the internal listener.
    pub fn set_checks(&self, checks: Arc<dyn ServerChecks>) {
        self.acceptors.internal().set_checks(checks);
    }

    /// Serves the internal listener at a socket for the user of this process, too.
    pub fn serve_owner(&mut self, socket: OwnerSocket) {
        self.without_worker.push(self.acceptors.of_owner(socket));
    }

    /// The metrics of this server.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Cancelled once connections are accepted.
    pub fn opened(&self) -> CancellationToken {
        self.lifecycle.open.clone()
    }

    /// The pulse of each worker.
    pub fn pulses(&self) -> Vec<Pulse> {
        self.workers.iter().map(|worker| worker.pulse.clone()).collect()
    }

    /// Changes the configuration while the server runs.
    pub fn reloader(&self) -> Arc<Reloader> {
        self.reloader.clone()
    }

    /// Splits the file descriptors of the process between sockets and HTTP; returns how many sockets
    /// may be open. Without it neither has a bound.
    pub fn share_descriptors(&self, limit: u64) -> usize {
        self.acceptors.share_descriptors(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Cancelling it cuts the drain short: every socket is closed with 4200 at once, and `run` ends.
    pub fn cut_short(&self) -> CancellationToken {
        self.cut_short.clone()
    }

    /// The listening sockets, for a process that takes over.
    pub fn passable_sockets(&self) -> PassableSockets {
        self.passable.clone()
    }

    /// To be cancelled once another process accepts connections on the same sockets: this one stops accepting
    /// at once, closes its sockets at the configured rate, however long that takes, and `run` ends.
    pub fn handed_over(&self) -> CancellationToken {
        self.stopping.handed_over.clone()
    }

    /// Serves until `stop` resolves, then drains: no socket opens any more, every open one is closed
    /// with 4200, and back ends are served until the listeners are closed, all within `server.drain`.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let lifecycle = self.lifecycle;
        // Dropped however this future ends, so that the threads end with it.
        let _aborted = lifecycle.aborted.clone().drop_guard();
        let inquiries = self.acceptors.answer_inquiries();
        operator_thread::start(self.without_worker, inquiries, &lifecycle)?;
        for worker in self.workers {
            worker.start(lifecycle.clone())?;
        }
        let mut stop = std::pin::pin!(stop);
        if let Some(cluster) = &self.cluster {
            // The first event after the start is to reach every node.
            tokio::select! {
                () = cluster.attempted() => {}
                // No connection is accepted yet, so there is nothing to drain.
                () = stop.as_mut() => return Ok(()),
            }
            if self.is_redis_required {
                cluster_task::ensure_connected(cluster)?;
            }
        }
        tokio::select! {
            () = input_tasks::attempted(&self.inputs) => {}
            () = stop.as_mut() => return Ok(()),
        }
        self.metrics.process.condition.set(Condition::Starting, false);
        lifecycle.open.cancel();
        let drain = Drain {
            node: &self.node,
            shards: &self.shards,
            config: self.drain,
            stopping: &self.stopping,
            closed: &lifecycle.closed,
            passable: &self.passable,
            metrics: &self.metrics,
            webhooks: &self.webhooks,
            begun: OnceLock::new(),
        };
        let draining = async {
            drain.run(stop).await;
            let left = lifecycle.tasks.len();
            tracing::info!(left, "connections that did not end in time are cut off");
        };
        let connections = async {
            lifecycle.tasks.close();
            lifecycle.tasks.wait().await;
        };
        let cut_short = async {
            self.cut_short.cancelled().await;
            drain::cut_short(&self.shards).await;
        };
        tokio::select! {
            () = draining => {}
            // Its sockets would hang without an error: a process that ends is started again.
            () = lifecycle.worker_ended.cancelled() => anyhow::bail!("a worker ended: this is a bug"),
            () = connections => {}
            () = cut_short => {}
        }
        let mut end = drain.end();
        if let Some(cluster) = &self.cluster {
            // Before the webhooks end: what Redis still answers has events that this node alone sends.
            cluster_task::leave(cluster, end, &self.cut_short).await;
            end += cluster_task::LEAVE_TIMEOUT;
        }
        let cut_short = self.cut_short.cancelled();
        self.webhooks.flush(async { drop(timeout_at(end.into(), cut_short).await) }).await;
        lifecycle.aborted.cancel();
        lifecycle.threads.close();
        lifecycle.threads.wait().await;
        Ok(())
    }
}

/// The node with its inputs and its record, which serves all apps.
fn node(
    config: &Config,
    shards: &Arc<Shards>,
    metrics: &Arc<Metrics>,
    sinks: &WebhookSinks,
    inputs: &Inputs,
) -> Arc<Node> {
    let cache = EventCache::new(config.cache.ttl, config.cache.bytes);
    // Apps are served once the inputs are there.
    let (no_apps, metrics) = (Apps::default(), metrics.clone());
    let node = match cluster_task::settings(config) {
        None => Node::new(&no_apps, shards, cache, metrics, sinks),
        Some(settings) => Node::in_cluster(&no_apps, shards, cache, metrics, sinks, settings),
    };
    config.record.into_iter().for_each(|bounds| node.observation().start_record(bounds));
    node.set_inputs(inputs.clone());
    node.serve(&config.apps, sinks);
    let node = Arc::new(node);
    let owner: Weak<Node> = Arc::downgrade(&node);
    inputs.reverb.iter().for_each(|reverb| reverb.set_owner(owner.clone()));
    node
}

/// How long a drain may take before the node leaves the cluster.
fn drain_bound(config: &Config) -> Duration {
    let leave = config.cluster.as_ref().map_or(Duration::ZERO, |_| cluster_task::LEAVE_TIMEOUT);
    config.server.drain.saturating_sub(leave).max(config.server.drain / 2)
}

/// What the handshakes of all listeners share, and the task that keeps the certificates up to date.
fn start_tls(
    config: &Config,
    metrics: &Arc<Metrics>,
    background: &mut JoinSet<()>,
) -> anyhow::Result<Option<(Arc<CertificateWatch>, TlsContext)>> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let watch = CertificateWatch::new(tls, metrics)?;
    let config = server_config(watch.certificates())?;
    background.spawn(watch.clone().run(tls.reload_interval));
    Ok(Some((watch, TlsContext { config, is_required: tls.required })))
}

/// The tasks that every server has.
fn start_tasks(node: &Arc<Node>, acceptors: &Acceptors, background: &mut JoinSet<()>) {
    background.spawn(tick(node.clone(), acceptors.internal().timeline()));
    background.spawn(pacing_task::run(node.clone()));
}

/// Sends what was deferred and is due, four times a second, and notes once a second what was counted.
async fn tick(node: Arc<Node>, timeline: Arc<Timeline>) {
    let mut ticks = tokio::time::interval(TICK);
    for count in 0_u64.. {
        ticks.tick().await;
        report_log_losses(node.metrics(), LogLosses::of_this_process(), Instant::now());
        node.tick(Instant::now());
        if count % TICKS_PER_SECOND == 0 {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            timeline.sample(node.metrics(), now);
        }
    }
}

/// The log counts for the process; each server of it reports the same number.
fn report_log_losses(metrics: &Metrics, losses: &LogLosses, now: Instant) {
    let dropped = &metrics.process.log_lines_dropped;
    dropped.inc_by(losses.lines().saturating_sub(dropped.get()));
    metrics.process.condition.set(Condition::LogLinesDropped, losses.are_recent(now));
}
