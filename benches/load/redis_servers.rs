//! The Redis servers that two nodes have in common: one, several side by side, or the nodes of a Redis Cluster.
//!
//! Owns how they are started and put together, and what a node is configured with to reach them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use redis::Connection;

use crate::redis::Redis;
use crate::traffic;

/// How many there are, and what they know of each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    One,
    /// Three masters without replicas, each with a third of the slots.
    RedisCluster,
    /// The same, and behind them a replica of each.
    WithReplicas,
    /// As many, which know nothing of each other.
    SideBySide,
}

pub(crate) const MASTERS: usize = 3;

/// The slots of a Redis Cluster.
const SLOTS: usize = 16_384;

/// A Redis Cluster accepts no commands in its first two seconds.
const PATIENCE: Duration = Duration::from_secs(30);

impl Layout {
    /// Of its table.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::One => "two nodes and one Redis",
            Self::RedisCluster => "two nodes and a Redis Cluster of three masters",
            Self::WithReplicas => "two nodes and a Redis Cluster of six",
            Self::SideBySide => "two nodes and three Redis side by side",
        }
    }

    pub(crate) fn start(self) -> anyhow::Result<Vec<Redis>> {
        match self {
            Self::One => Ok(vec![Redis::start(&[])?]),
            Self::RedisCluster => redis_cluster(MASTERS),
            Self::WithReplicas => redis_cluster(2 * MASTERS),
            Self::SideBySide => (0..MASTERS).map(|_| Redis::start(&[])).collect(),
        }
    }

    /// With as many partitions each of them has one.
    pub(crate) fn least_partitions(self) -> (u32, &'static str) {
        match self {
            Self::One | Self::RedisCluster | Self::WithReplicas => (1, "1 partition"),
            Self::SideBySide => (3, "3 partitions"),
        }
    }

    /// The line of `[cluster]` that names them.
    pub(crate) fn addresses(self, servers: &[Redis]) -> String {
        match self {
            Self::SideBySide => {
                let urls: Vec<String> = servers.iter().map(Redis::url).collect();
                format!("urls = {urls:?}")
            }
            // Of a Redis Cluster one node leads to the others.
            Self::One | Self::RedisCluster | Self::WithReplicas => {
                format!("url = \"{}\"", servers[0].url())
            }
        }
    }
}

/// So many nodes: the masters, and then a replica of each, as far as they go.
fn redis_cluster(count: usize) -> anyhow::Result<Vec<Redis>> {
    let own = ["--cluster-enabled", "yes", "--cluster-port", "$free"];
    // A master that is gone is replaced soon, and a replica has all from the start.
    let soon = ["--cluster-node-timeout", "500", "--repl-diskless-sync-delay", "0"];
    let start = |_| Redis::start(&[own, soon].concat());
    let servers: Vec<Redis> = (0..count).map(start).collect::<anyhow::Result<_>>()?;
    let mut connections: Vec<Connection> =
        servers.iter().map(traffic::connect).collect::<anyhow::Result<_>>()?;
    deal_out(&mut connections)?;
    for (connection, server) in connections.iter_mut().zip(&servers).skip(1) {
        let (_name, bus): (String, u16) =
            redis::cmd("CONFIG").arg("GET").arg("cluster-port").query(connection)?;
        let mut first = traffic::connect(&servers[0])?;
        cluster("MEET").arg("127.0.0.1").arg(server.port()).arg(bus).exec(&mut first)?;
    }
    for at in MASTERS..count {
        let master: String = cluster("MYID").query(&mut connections[at - MASTERS])?;
        // Refused until it knows that one.
        eventually("a replica", || {
            Ok(cluster("REPLICATE").arg(&master).exec(&mut connections[at]).is_ok())
        })?;
    }
    for connection in &mut connections {
        eventually("a Redis Cluster", || {
            let state: String = cluster("INFO").query(connection)?;
            let links: String = redis::cmd("INFO").arg("replication").query(connection)?;
            Ok(state.contains("cluster_state:ok") && !links.contains("master_link_status:down"))
        })?;
    }
    Ok(servers)
}

/// A third of the slots for each master, before one knows another.
fn deal_out(connections: &mut [Connection]) -> anyhow::Result<()> {
    let edge = |at: usize| SLOTS * at / MASTERS;
    for (at, connection) in connections.iter_mut().enumerate() {
        cluster("SET-CONFIG-EPOCH").arg(at + 1).exec(connection)?;
        if at < MASTERS {
            cluster("ADDSLOTSRANGE").arg(edge(at)).arg(edge(at + 1) - 1).exec(connection)?;
        }
    }
    Ok(())
}

/// Waits for something that other processes do; how long it took.
pub(crate) fn eventually(
    what: &str,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let started = Instant::now();
    while !is_so()? {
        ensure!(started.elapsed() < PATIENCE, "no sign of {what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(started.elapsed())
}

pub(crate) fn cluster(what: &str) -> redis::Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg(what);
    command
}
