//! Several servers that are one cluster, through a real Redis.

use resound::app::App;
use tokio::sync::Mutex;

use super::redis::TestRedis;
use super::server::{REVERB_APP, config};
use super::{Backend, TestServer, within};

/// A process that builds at the same time must not look like a Redis that is gone.
const PATIENT: &str = "cluster.lease_seconds = 60\ncluster.timeout_ms = 20000\n\
                       cluster.local_delivery_after_ms = 10000\n";

/// Nodes in one process, on one Redis, under a prefix of their own.
pub struct TestCluster {
    pub nodes: Vec<TestServer>,
    pub prefix: String,
    probes: Mutex<Vec<Probe>>,
}

/// Asks a node something that it looks up in Redis.
struct Probe {
    backend: Backend,
    path: String,
    /// Before `/apps`.
    below: String,
}

impl TestCluster {
    /// So many nodes with [`REVERB_APP`], all up, which wait long before they give Redis up.
    pub async fn start(redis: &TestRedis, nodes: usize) -> Self {
        Self::with(redis, nodes, REVERB_APP).await
    }

    /// The same with another configuration.
    pub async fn with(redis: &TestRedis, nodes: usize, toml: &str) -> Self {
        Self::at(&redis.url, nodes, toml).await
    }

    /// The same with Redis at this address.
    pub async fn at(url: &str, nodes: usize, toml: &str) -> Self {
        Self::all(url, nodes, &format!("{PATIENT}{toml}")).await
    }

    /// With the time limits of the defaults, or those of the configuration.
    pub async fn hasty(redis: &TestRedis, nodes: usize, toml: &str) -> Self {
        Self::all(&redis.url, nodes, toml).await
    }

    async fn all(url: &str, nodes: usize, toml: &str) -> Self {
        let mut cluster = Self::empty();
        for _ in 0..nodes {
            cluster.join(url, toml).await;
        }
        cluster.settle().await;
        cluster
    }

    /// Without nodes yet.
    pub fn empty() -> Self {
        let prefix = format!("test-{:016x}", rand::random::<u64>());
        Self { nodes: Vec::new(), prefix, probes: Mutex::default() }
    }

    /// One more node, with Redis at this address.
    pub async fn join(&mut self, url: &str, toml: &str) {
        let toml = self.toml(url, toml);
        let node = TestServer::with(&toml).await;
        let config = config(&toml);
        let app: &App = config.apps.iter().find(|app| app.enabled).expect("an enabled app");
        let backend = Backend::new(node.address, &app.id, &app.key, app.secret.reveal());
        let path = format!("/apps/{}/connections", app.id);
        let below = config.server.path.clone();
        self.probes.get_mut().push(Probe { backend, path, below });
        self.nodes.push(node);
    }

    /// The configuration of a node of this cluster.
    pub fn toml(&self, url: &str, toml: &str) -> String {
        let prefix = &self.prefix;
        format!(
            "cluster.enabled = true\ncluster.url = \"{url}\"\ncluster.prefix = \"{prefix}\"\n{toml}"
        )
    }

    /// Waits until all that was caused so far has happened on every node.
    ///
    /// First nothing may be under way to Redis: then all messages of all nodes are published.
    /// After that every node is sent a query that it forwards to Redis; the answer comes over the link
    /// that brings it the messages, behind all of them.
    pub async fn settle(&self) {
        let mut probes = self.probes.lock().await;
        let mut was_quiet = self.is_quiet();
        within("the cluster to settle", async {
            loop {
                for probe in probes.iter_mut() {
                    probe.ask().await;
                }
                let is_quiet = self.is_quiet();
                if was_quiet && is_quiet {
                    return;
                }
                was_quiet = is_quiet;
            }
        })
        .await;
    }

    fn is_quiet(&self) -> bool {
        self.nodes.iter().all(|node| node.metric("resound_cluster_pending_requests") == 0.0)
    }
}

impl Probe {
    async fn ask(&mut self) {
        let query = self.backend.query("GET", &self.path, &[], "");
        let target = format!("{}{}?{query}", self.below, self.path);
        let answer = self.backend.send("GET", &target, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
