//! The parts of an installation: each channel of each app belongs to one, which has a directory, a link and a lock of
//! its own.
//!
//! Owns which part a channel, a user and an app as a whole belong to, and what is asked of all parts. What happens
//! within one is left to [`cluster`](crate::cluster).

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::app::{App, Apps};
use crate::cluster::{Cluster, Core, Disagreement, Effect, NodeId, Partition, PartitionPlace};
use crate::config::{ClusterSettings, RedisConfig};
use crate::metrics::Metrics;
use crate::protocol::ChannelName;
use crate::redis_connection::LinkError;

mod board;
mod keeper;
mod placement;

use board::Board;
use keeper::{Installation, Keeper};
pub use placement::{home_of_app, part_of_channel, prefix};

/// A link, for as long as it is to be kept up.
pub type LinkTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A Redis without which some parts are served by each node alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAway {
    /// Where the links lead to, without user and password.
    pub address: String,
    /// The numbers of the parts.
    pub partitions: Vec<u32>,
}

/// All parts of an installation, as this node takes part in them. With one, nothing is looked up.
pub struct Partitions {
    all: Box<[Arc<Cluster>]>,
    /// Where several are; set when they are connected.
    board: OnceLock<Arc<Board>>,
}

impl Partitions {
    /// None is connected. `apply` is called under the lock of the part that decided the effect.
    pub fn new(
        node: NodeId,
        settings: &ClusterSettings,
        apps: &[Arc<App>],
        metrics: &Arc<Metrics>,
        apply: impl Fn(Effect) + Clone + Send + Sync + 'static,
    ) -> Self {
        let count = settings.partitions;
        let one = |index| {
            let installation = settings.prefix.clone();
            let own =
                ClusterSettings { prefix: prefix(&installation, index, count), ..settings.clone() };
            let partition = Partition { index, count, installation };
            let apply = Box::new(apply.clone());
            Arc::new(Cluster::new((node, partition), own, apps, metrics.clone(), apply))
        };
        Self { all: (0..count.max(1)).map(one).collect(), board: OnceLock::new() }
    }

    /// Connects each part to the Redis that has it. Of several parts each waits until the nodes of that Redis let this
    /// node take part, and for no other Redis longer than `timeout`.
    pub fn links(
        &self,
        servers: &[RedisConfig],
        timeout: Duration,
    ) -> Result<Vec<LinkTask>, LinkError> {
        if let [cluster] = &*self.all {
            // Nothing decides about a single one.
            let (_, places) = watch::channel(PartitionPlace::At(0));
            return Ok(vec![Box::pin(cluster.link(servers, places, timeout)?)]);
        }
        let first = self.first();
        let of = Installation {
            node: self.node(),
            prefix: first.partition().installation.clone(),
            partitions: first.partition().count,
            urls: u32::try_from(servers.len()).unwrap_or(u32::MAX),
            timeout,
            lease: first.settings().lease,
        };
        let board = Arc::new(Board::new(of.partitions, of.urls));
        let board = self.board.get_or_init(|| board);
        let mut tasks: Vec<LinkTask> = Vec::new();
        for (url, redis) in servers.iter().enumerate() {
            let keeper = Keeper::new(url, redis, &of, board.clone())?;
            tasks.push(Box::pin(keeper.run()));
        }
        for (index, cluster) in self.all.iter().enumerate() {
            tasks.push(Box::pin(cluster.link(servers, board.place_of(index), timeout)?));
        }
        Ok(tasks)
    }

    /// How many Redis the parts are dealt out over now; `None` before one has answered.
    pub fn used_urls(&self) -> Option<u32> {
        match self.board.get() {
            Some(board) => board.used(),
            None => Some(1),
        }
    }

    /// The part that has a channel. What belongs to a user is where the app is.
    pub fn of_channel(&self, app_id: &str, name: &ChannelName) -> &Arc<Cluster> {
        match self.all.len() {
            1 => &self.all[0],
            count => &self.all[part_of_channel(app_id, name, count as u32)],
        }
    }

    /// The part that has what belongs to an app as a whole: its open sockets, and the users who are signed in.
    pub fn home(&self, app_id: &str) -> &Arc<Cluster> {
        match self.all.len() {
            1 => &self.all[0],
            count => &self.all[home_of_app(app_id, count as u32)],
        }
    }

    /// The part that has what is the same in all: settings, and the claims of the nodes.
    pub fn first(&self) -> &Arc<Cluster> {
        &self.all[0]
    }

    /// The part that carries what operators ask: the first one whose link is up.
    pub fn reachable(&self) -> &Arc<Cluster> {
        self.all.iter().find(|cluster| cluster.is_connected()).unwrap_or(self.first())
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Cluster>] {
        &self.all
    }

    /// See [`Cluster::put_app`].
    pub fn put_app(&self, slot: usize, app: &Arc<App>) {
        self.all.iter().for_each(|cluster| cluster.put_app(slot, app));
    }

    /// See [`Cluster::claim_apps`].
    pub fn claim_apps(&self, apps: &Apps) {
        self.all.iter().for_each(|cluster| cluster.claim_apps(apps));
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.first().node()
    }

    /// Whether every link is up.
    pub fn is_connected(&self) -> bool {
        self.all.iter().all(|cluster| cluster.is_connected())
    }

    /// Live nodes, of the part that counts most; the others may have no link.
    pub fn live_nodes(&self) -> u32 {
        self.all.iter().map(|cluster| cluster.live_nodes()).max().unwrap_or_default()
    }

    /// The parts whose link is down, by the address where each leads to.
    pub fn away(&self) -> Vec<RedisAway> {
        let mut all: Vec<RedisAway> = Vec::new();
        for cluster in self.all.iter().filter(|cluster| !cluster.is_connected()) {
            let (partition, address) = (cluster.partition().index, cluster.link_facts().address);
            match all.iter_mut().find(|away| away.address == address) {
                Some(away) => away.partitions.push(partition),
                None => all.push(RedisAway { address, partitions: vec![partition] }),
            }
        }
        all
    }

    /// See [`Cluster::disagreements`].
    pub fn disagreements(&self) -> Vec<Disagreement> {
        self.first().disagreements()
    }

    /// Resolves once the first attempt of each link has succeeded or failed.
    pub async fn attempted(&self) {
        for cluster in &self.all {
            cluster.attempted().await;
        }
    }

    /// Whether no part has more than `cluster.queue_bytes` that wait for Redis.
    pub fn is_ready(&self) -> bool {
        self.all.iter().all(|cluster| cluster.is_ready())
    }

    /// Resolves once that is so.
    pub async fn ready(&self) {
        for cluster in &self.all {
            cluster.ready().await;
        }
    }

    /// This node leaves all parts.
    pub fn depart(&self) {
        self.all.iter().for_each(|cluster| cluster.act(Core::depart));
    }

    /// Whether an answer is due that may have events which this node sends to webhooks.
    pub fn awaits_reports(&self) -> bool {
        self.all.iter().any(|cluster| cluster.act(|core| core.reports_due()) > 0)
    }

    /// Waits for these answers no longer, and counts them.
    pub fn give_up_reports(&self) {
        for cluster in &self.all {
            cluster.act(Core::give_up_reports);
            cluster.count_reports_lost();
        }
    }

    /// Resolves once no request of any part is pending, or its Redis is away.
    pub async fn settled(&self) {
        for cluster in &self.all {
            cluster.settled().await;
        }
    }
}
