//! The nodes as processes: their configuration, their start and end, and what their metrics say.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::interval;

use crate::client::GAP;
use crate::harness::redis::free_port;
use crate::harness::server::{REVERB_APP, sum_of_series};
use crate::harness::{Backend, Folder, Program, within};
use crate::oracle::fact::{Fact, ProcessNumber};
use crate::scene::{Door, Scene};

/// Between two looks at something of which no event arrives here.
const LOOK: Duration = Duration::from_millis(50);

/// One node, whose processes follow each other.
pub(crate) struct Node {
    number: usize,
    metrics: SocketAddr,
    file: String,
    /// The log of the first process and of those that took over from it.
    program: Option<Program>,
    /// The process that serves now.
    pid: u32,
    process: ProcessNumber,
    panics: usize,
    links_lost: f64,
    losses: f64,
}

/// Counters of events that were lost, or may be.
const LOSSES: [&str; 3] = [
    "resound_cluster_events_missed_total",
    "resound_cluster_possible_gaps_total",
    "resound_cluster_events_not_replicated_total",
];

/// What the nodes have in common.
pub(crate) struct Cluster {
    pub(crate) scene: Arc<Scene>,
    pub(crate) nodes: Vec<Node>,
    /// Lines at the top of each file.
    lines: String,
    webhook: String,
    folder: Folder,
    processes: ProcessNumber,
    reloads: u32,
}

pub(crate) fn doors(nodes: usize) -> Vec<Door> {
    (0..nodes).map(|_| Door::new(own_address())).collect()
}

/// An address that no other node of this process has, also between two of its processes.
fn own_address() -> SocketAddr {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().expect("no panic");
    let port = std::iter::repeat_with(free_port).find(|port| taken.insert(*port));
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("a port")))
}

impl Cluster {
    /// Starts a node behind each door.
    pub(crate) async fn start(scene: Arc<Scene>, lines: String, webhook: String) -> Self {
        let folder = Folder::new();
        let nodes = 0..scene.doors.len();
        let nodes = nodes.map(|number| Node {
            number,
            metrics: own_address(),
            file: folder.path(&format!("node-{number}.toml")),
            program: None,
            pid: 0,
            process: 0,
            panics: 0,
            links_lost: 0.0,
            losses: 0.0,
        });
        let nodes = nodes.collect();
        let mut cluster = Self { scene, nodes, lines, webhook, folder, processes: 0, reloads: 0 };
        for number in 0..cluster.nodes.len() {
            cluster.start_node(number).await;
        }
        cluster.whole().await;
        cluster
    }

    /// A new process of a node that has none.
    pub(crate) async fn start_node(&mut self, number: usize) {
        self.write_file(number);
        let node = &mut self.nodes[number];
        let command = Command::new(env!("CARGO_BIN_EXE_resound"));
        let program = Program::start_from(command, &node.file).await;
        (node.pid, node.links_lost, node.losses) = (program.pid(), 0.0, 0.0);
        node.program = Some(program);
        self.is_served_by_next(number);
    }

    fn is_served_by_next(&mut self, number: usize) {
        self.processes += 1;
        self.nodes[number].process = self.processes;
        self.scene.doors[number].set_process(Some(self.processes));
    }

    /// Writes the configuration of a node; each time with another limit.
    fn write_file(&mut self, number: usize) {
        let (node, door) = (&self.nodes[number], &self.scene.doors[number]);
        let (port, metrics, limit) = (door.address.port(), node.metrics, 100 + self.reloads);
        let app = REVERB_APP.replace("port = 0", &format!("port = {port}\ndrain_seconds = 4"));
        let text = format!(
            "metrics.listen = \"{metrics}\"\n{}{app}gap_event = \"{GAP}\"\n\
             max_subscriptions = {limit}\n[[apps.webhooks]]\nurl = \"{}\"\n",
            self.lines, self.webhook
        );
        self.folder.write(&format!("node-{number}.toml"), &text);
    }

    /// SIGHUP with a changed file.
    pub(crate) async fn reload(&mut self, number: usize) {
        self.reloads += 1;
        self.write_file(number);
        let node = &mut self.nodes[number];
        node.signal("HUP");
        let line = node.log_line("the configuration is ").await;
        assert!(line.contains("is in use"), "{line}");
    }

    /// SIGUSR2, until the process before has ended.
    pub(crate) async fn upgrade(&mut self, number: usize) {
        self.scene.doors[number].set_process(None);
        self.ends(number, false);
        let node = &mut self.nodes[number];
        node.signal("USR2");
        let line = node.log_line("another process has taken over").await;
        let pid = line.split("pid=").nth(1).and_then(|rest| rest.parse().ok());
        let before = std::mem::replace(&mut node.pid, pid.expect("a process id"));
        has_ended(before).await;
        (node.links_lost, node.losses) = (0.0, 0.0);
        self.is_served_by_next(number);
    }

    /// Ends the process of a node by a signal; it has none afterwards.
    pub(crate) async fn end(&mut self, number: usize, signal: &str) {
        self.ends(number, signal == "KILL");
        let node = &mut self.nodes[number];
        node.signal(signal);
        has_ended(node.pid).await;
        self.scene.doors[number].set_process(None);
        let node = &mut self.nodes[number];
        node.pid = 0;
        node.panics += node.program.take().map_or(0, |program| program.panics());
    }

    fn ends(&self, number: usize, is_killed: bool) {
        let process = self.nodes[number].process;
        self.scene.note(Fact::ProcessEnds { process, is_killed });
    }

    /// Waits until all nodes are linked and have noticed each other.
    pub(crate) async fn whole(&self) {
        let all = self.nodes.len() as f64;
        self.all_are("linked to all others", |text| {
            sum_of_series(text, "resound_cluster_connected") == 1.0
                && sum_of_series(text, "resound_cluster_nodes") == all
        })
        .await;
    }

    /// Waits until this is so on all nodes.
    pub(crate) async fn all_are(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let mut look = interval(LOOK);
        for node in &self.nodes {
            let what = format!("node {} to be {what}", node.number);
            within(&what, async {
                while !is_so(&node.metrics().await) {
                    look.tick().await;
                }
            })
            .await;
        }
    }

    /// How many links were lost on all nodes since the last look.
    pub(crate) async fn links_lost(&mut self) -> f64 {
        let mut lost = 0.0;
        for node in &mut self.nodes {
            let count = node.count_of_lost_links().await;
            lost += count - std::mem::replace(&mut node.links_lost, count);
        }
        lost
    }

    /// How many losses were counted on all nodes since the last look.
    pub(crate) async fn losses_counted(&mut self) -> f64 {
        let mut counted = 0.0;
        for node in &mut self.nodes {
            let text = node.metrics().await;
            let count = LOSSES.iter().map(|name| sum_of_series(&text, name)).sum();
            counted += count - std::mem::replace(&mut node.losses, count);
        }
        counted
    }

    /// Waits until each node has lost a link since that look.
    pub(crate) async fn have_lost_links(&self) {
        let mut look = interval(LOOK);
        for node in &self.nodes {
            within("a link to be lost", async {
                while node.count_of_lost_links().await <= node.links_lost {
                    look.tick().await;
                }
            })
            .await;
        }
    }

    /// Panics of all processes so far.
    pub(crate) fn panics(&self) -> usize {
        let running = self.nodes.iter().filter_map(|node| node.program.as_ref());
        let ended: usize = self.nodes.iter().map(|node| node.panics).sum();
        ended + running.map(Program::panics).sum::<usize>()
    }
}

impl Node {
    /// The exposition of the process that serves.
    pub(crate) async fn metrics(&self) -> String {
        let mut scraper = Backend::new(self.metrics, "", "", "");
        let answer = scraper.send("GET", "/metrics", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn count_of_lost_links(&self) -> f64 {
        sum_of_series(&self.metrics().await, "resound_cluster_links_lost_total")
    }

    async fn log_line(&mut self, part: &str) -> String {
        self.program.as_mut().expect("a process").log_line(part).await
    }

    fn signal(&self, name: &str) {
        signal(self.pid, name);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A process that took over is no child of this one.
        if self.program.as_ref().is_some_and(|program| program.pid() != self.pid) {
            signal(self.pid, "KILL");
        }
    }
}

fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
}

/// Waits until a process is gone, or is what is left of one until its parent looks.
async fn has_ended(pid: u32) {
    let mut look = interval(LOOK);
    let stat = format!("/proc/{pid}/stat");
    within("the process to end", async {
        while let Ok(text) = std::fs::read_to_string(&stat) {
            let state = text.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            if matches!(state, Some('Z' | 'X') | None) {
                return;
            }
            look.tick().await;
        }
    })
    .await;
}
