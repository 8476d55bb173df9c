//! A real Redis Cluster of a test's own: three masters with a replica each, on free ports.

use std::ops::Range;
use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use redis::FromRedisValue;
use tokio::sync::Mutex;

use super::eventually;
use super::redis::{TestRedis, free_port};

const MASTERS: usize = 3;
const NODES: usize = 2 * MASTERS;

/// The slots of a Redis Cluster.
const SLOTS: u16 = 16_384;

/// The one that is shared by tests that change nothing of it.
static SHARED: Mutex<Weak<TestRedisCluster>> = Mutex::const_new(Weak::new());

/// Six nodes; the last three are the replicas of the first three.
pub struct TestRedisCluster {
    pub nodes: Vec<TestRedis>,
}

impl TestRedisCluster {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One that several tests use at the same time.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&started);
        started
    }

    /// With further options for each node.
    pub async fn with(options: &[&str]) -> Self {
        let nodes = join_all((0..NODES).map(|_| start(options))).await;
        let (buses, nodes): (Vec<u16>, Vec<TestRedis>) = nodes.into_iter().unzip();
        let cluster = Self { nodes };
        cluster.form(&buses).await;
        cluster
    }

    /// One that encrypts everything with certificates of this authority; a test reaches it as `localhost`.
    pub async fn over_tls(options: &[&str], authority: &str) -> Self {
        let mut nodes = join_all((0..NODES).map(|_| start(options))).await;
        for (_, node) in &mut nodes {
            node.url = format!("rediss://localhost:{}", node.port);
            node.authority = Some(std::fs::read(authority).unwrap());
        }
        let (buses, nodes): (Vec<u16>, Vec<TestRedis>) = nodes.into_iter().unzip();
        let cluster = Self { nodes };
        cluster.form(&buses).await;
        cluster
    }

    /// Some of its nodes, as a node of ours is configured.
    pub fn url(&self) -> String {
        let ports: Vec<_> = [0, 1, NODES - 1]
            .iter()
            .map(|at| format!("127.0.0.1:{}", self.nodes[*at].port))
            .collect();
        format!("redis://{}", ports.join(","))
    }

    /// The place of the master that owns the slot of the keys of a cluster of ours.
    pub async fn owner(&self, prefix: &str) -> usize {
        let key = format!("{prefix}:{{0}}");
        for (at, node) in self.nodes.iter().enumerate() {
            if node.try_ask::<i64>(&["EXISTS", &key]).await.is_ok() {
                return at;
            }
        }
        panic!("no node owns the slot of {key}");
    }

    /// The replica of a master.
    pub fn replica_of(master: usize) -> usize {
        (master + MASTERS) % NODES
    }

    pub async fn id(&self, at: usize) -> String {
        self.nodes[at].ask(&["CLUSTER", "MYID"]).await
    }

    /// Moves slots from one master to another as `redis-cli --cluster reshard` does, key by key.
    pub async fn move_slots(&self, slots: Range<u16>, from: usize, to: usize) {
        let (from_id, to_id) = (self.id(from).await, self.id(to).await);
        for slot in slots {
            let slot = slot.to_string();
            let (source, target) = (&self.nodes[from], &self.nodes[to]);
            let _: String = target.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
            let _: String = source.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
            loop {
                let keys: Vec<String> =
                    source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]).await;
                if keys.is_empty() {
                    break;
                }
                let port = target.port.to_string();
                let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
                words.extend(keys.iter().map(String::as_str));
                let _: String = source.ask(&words).await;
            }
            for node in [target, source] {
                let _: String = node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
            }
        }
    }

    /// Waits until every node knows this host of all others.
    pub async fn is_announced(&self, host: &str) {
        eventually("all nodes to know the host", async || {
            for node in &self.nodes {
                let nodes: String = node.ask(&["CLUSTER", "NODES"]).await;
                if nodes.lines().filter(|line| line.contains(&format!(",{host} "))).count() < NODES
                {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Waits until a node is a master.
    pub async fn is_master(&self, at: usize) {
        eventually("the replica to be the master", async || {
            let role: String = self.nodes[at].ask(&["INFO", "replication"]).await;
            role.contains("role:master")
        })
        .await;
    }

    /// Waits until a node says that all slots are served, and it and its master are in step.
    pub async fn is_whole(&self, at: usize) {
        eventually("the Redis Cluster to be whole", async || {
            let info: String = self.nodes[at].ask(&["CLUSTER", "INFO"]).await;
            let replication: String = self.nodes[at].ask(&["INFO", "replication"]).await;
            info.contains("cluster_state:ok") && !replication.contains("master_link_status:down")
        })
        .await;
    }

    async fn form(&self, buses: &[u16]) {
        for (at, node) in self.nodes.iter().enumerate() {
            // Before it knows another node.
            let epoch = (at + 1).to_string();
            let _: String = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            if at < MASTERS {
                let (first, last) = slots_of(at);
                let (first, last) = (first.to_string(), last.to_string());
                let _: String = node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            }
        }
        for node in &self.nodes {
            for (other, bus) in self.nodes.iter().zip(buses) {
                let (port, bus) = (other.port.to_string(), bus.to_string());
                let _: String = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
            }
        }
        for at in 0..MASTERS {
            let master = self.id(at).await;
            let replica = &self.nodes[Self::replica_of(at)];
            eventually("a node to know the others", async || {
                replica.try_ask::<String>(&["CLUSTER", "REPLICATE", &master]).await.is_ok()
            })
            .await;
        }
        for at in 0..NODES {
            self.is_whole(at).await;
        }
    }
}

fn slots_of(master: usize) -> (u16, u16) {
    let edge = |at: usize| (usize::from(SLOTS) * at / MASTERS) as u16;
    (edge(master), edge(master + 1) - 1)
}

/// The port of its bus, and a node that decides soon that another one is gone.
async fn start(options: &[&str]) -> (u16, TestRedis) {
    let bus = free_port();
    let port = bus.to_string();
    let own = [
        ["--cluster-enabled", "yes"],
        ["--cluster-port", &port],
        ["--cluster-node-timeout", "1000"],
        ["--cluster-replica-validity-factor", "0"],
        ["--repl-diskless-sync-delay", "0"],
    ];
    let all = [own.as_flattened(), options].concat();
    (bus, TestRedis::with(&all).await)
}
