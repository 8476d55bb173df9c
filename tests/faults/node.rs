//! A node as a process of its own, with its metrics and the peak of its memory; nodes that are one cluster.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::harness::Program;
use crate::harness::wire::Wire;
use crate::stage::until;
use crate::subscriber::GAP_EVENT;

/// Where programs find others: [`Program`] clears the environment.
pub(crate) const PATH: (&str, &str) =
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// What runs at the same time must not look like a Redis that is gone, in a row whose fault is another one.
pub(crate) const PATIENT: [(&str, &str); 3] = [
    ("RESOUND_CLUSTER_LEASE_SECONDS", "60"),
    ("RESOUND_CLUSTER_TIMEOUT_MS", "20000"),
    ("RESOUND_CLUSTER_LOCAL_DELIVERY_AFTER_MS", "10000"),
];

/// A running node. Dropping it kills it.
pub(crate) struct Node {
    pub(crate) program: Program,
    metrics: SocketAddr,
}

/// A port of this network namespace, in which every other one is above 10 000.
pub(crate) fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(2000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Node {
    /// One node alone, with further variables.
    pub(crate) async fn alone(variables: &[(&str, &str)]) -> Self {
        Self::by(Command::new("env"), variables).await
    }

    /// The same by a command that starts another one.
    pub(crate) async fn by(command: Command, variables: &[(&str, &str)]) -> Self {
        Self::on(command, Ipv4Addr::LOCALHOST.into(), variables).await
    }

    /// The same at an address of another host; its metrics are there, too.
    pub(crate) async fn on(command: Command, host: IpAddr, variables: &[(&str, &str)]) -> Self {
        let metrics = SocketAddr::from((host, own_port()));
        let at = metrics.to_string();
        let own = [PATH, ("RESOUND_METRICS_LISTEN", &*at), ("RESOUND_APP_GAP_EVENT", GAP_EVENT)];
        let all = [&own[..], variables].concat();
        Self { program: Program::start_by(command, host, &all).await, metrics }
    }

    /// One node more by another path of the program, at the next port.
    pub(crate) async fn member_at(path: &str, url: &str, variables: &[(&str, &str)]) -> Self {
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, own_port()));
        let at = metrics.to_string();
        let own = [PATH, ("RESOUND_METRICS_LISTEN", &*at), ("RESOUND_APP_GAP_EVENT", GAP_EVENT)];
        let cluster = [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URL", url)];
        let all = [&own[..], &cluster, variables].concat();
        Self::of(Program::start_at(path, &all).await, metrics)
    }

    /// One of a program that was started otherwise.
    pub(crate) fn of(program: Program, metrics: SocketAddr) -> Self {
        Self { program, metrics }
    }

    /// So many nodes on the Redis of this url, all of which see each other.
    pub(crate) async fn cluster(url: &str, count: usize, variables: &[(&str, &str)]) -> Vec<Self> {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Self::member(url, variables).await);
        }
        for node in &nodes {
            node.sees(count).await;
        }
        nodes
    }

    /// One node more, which may wait for its Redis.
    pub(crate) async fn member(url: &str, variables: &[(&str, &str)]) -> Self {
        Self::member_by(Command::new("env"), url, variables).await
    }

    /// The same by a command that starts another one.
    pub(crate) async fn member_by(command: Command, url: &str, variables: &[(&str, &str)]) -> Self {
        let cluster = [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URL", url)];
        Self::by(command, &[&cluster[..], variables].concat()).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.program.address
    }

    /// Waits until it is linked to Redis and sees so many nodes.
    pub(crate) async fn sees(&self, nodes: usize) {
        until("the nodes to see each other", async || {
            self.is_linked().await && self.metric("resound_cluster_nodes").await == nodes as f64
        })
        .await;
    }

    pub(crate) async fn is_linked(&self) -> bool {
        self.metric("resound_cluster_connected").await == 1.0
    }

    /// The sum of the series whose text begins like this.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.get(self.metrics, "/metrics").await;
        let of_series = |line: &str| {
            let rest = line.strip_prefix(series)?;
            if rest.starts_with(|sign: char| sign.is_alphanumeric() || sign == '_') {
                return None;
            }
            rest.rsplit_once(' ')?.1.parse::<f64>().ok()
        };
        text.lines().filter_map(of_series).sum()
    }

    /// The body of an answer to GET, whatever its status.
    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> String {
        let mut wire = Wire::open(address).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        wire.reply().await.body
    }

    pub(crate) async fn ready(&self) -> String {
        self.get(self.address(), "/ready").await
    }

    /// The most memory that was ever resident.
    pub(crate) fn peak(&self) -> u64 {
        peak_of_process(self.program.pid())
    }

    pub(crate) fn signal(&self, name: &str) {
        self.program.signal(name);
    }
}

/// The highest peak of some nodes.
pub(crate) fn peak(nodes: &[Node]) -> u64 {
    nodes.iter().map(Node::peak).max().unwrap_or(0)
}

/// The most memory of a process that was ever resident.
pub(crate) fn peak_of_process(id: u32) -> u64 {
    status_bytes(id, "VmHWM:")
}

/// What the kernel states of the memory of a process.
pub(crate) fn status_bytes(id: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
