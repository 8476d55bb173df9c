//! Row 14: memory that runs out. The server's own bound acts first: before memory is short for others, and before the kernel
//! refuses what is requested, which ends a process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::wire::Wire;
use crate::harness::{Backend, Program};
use crate::node::{Node, peak, status_bytes};
use crate::publisher::Pace;
use crate::resources::{knock, p99_ms};
use crate::sandbox::run;
use crate::sheet::Line;
use crate::stage::{Ending, Stage, until};

/// Readers that stop.
const READERS: usize = 4;

/// Of the bound, above what a node uses at first.
const ROOM: u64 = 40 << 20;

/// What one pause between two looks, and the rest of an event under way, may add.
const OVERSHOOT: u64 = 24 << 20;

/// Of the kernel's bound, above the address space that a node has at first, in which its allocator has 64 MB for its worker.
const KERNEL_ROOM: u64 = 64 << 20;

/// The outboxes of readers that stop may have more than there is memory: they alone would let the process grow until the
/// kernel ends it.
const HOARDING: [(&str, &str); 4] = [
    ("RESOUND_SERVER_WORKERS", "1"),
    ("RESOUND_WEBSOCKET_CLOSE_TIMEOUT_SECONDS", "600"),
    ("RESOUND_WEBSOCKET_WRITE_TIMEOUT_SECONDS", "600"),
    ("RESOUND_WEBSOCKET_OUTBOX_BYTES", "268435456"),
];

/// Events of 100 KB for readers that stop.
struct Flood {
    slow: Vec<Wire>,
    backend: Backend,
    data: String,
    taken: usize,
    refused: usize,
}

impl Flood {
    async fn at(address: SocketAddr) -> Self {
        let mut slow = Vec::new();
        for index in 0..READERS {
            let mut wire = Wire::narrow_socket(address).await;
            wire.subscribe(&format!("slow-{index}")).await;
            slow.push(wire);
        }
        let backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
        Self { slow, backend, data: "x".repeat(100_000), taken: 0, refused: 0 }
    }

    /// Eight events more for each; whether the server answered all of them.
    async fn goes_on(&mut self) -> bool {
        for index in (0..self.slow.len()).cycle().take(8 * READERS) {
            let channel = format!("slow-{index}");
            let body = json!({ "name": "event", "channels": [channel], "data": self.data });
            let time = Duration::from_secs(60);
            let answer = self.backend.post_within(time, "/events", &body.to_string()).await;
            match answer.map(|answer| answer.status) {
                Some(200) => self.taken += 1,
                Some(503) => self.refused += 1,
                None => return false,
                other => panic!("{other:?}"),
            }
        }
        true
    }
}

/// What the bound did, and what became of the numbered events beside it.
struct Bounded {
    flood: Flood,
    closed: f64,
    hits: f64,
    took: Duration,
    high: u64,
    ending: Ending,
}

/// Floods a node until its bound has closed a reader.
async fn flood(nodes: &[Node], stage: Stage) -> Bounded {
    let address = nodes[0].address();
    let mut flood = Flood::at(address).await;
    let closed = "resound_slow_readers_closed_total";
    until("a slow reader to be closed", async || {
        assert!(flood.goes_on().await, "the process has ended");
        nodes[0].metric(closed).await >= 1.0
    })
    .await;
    let begin = Instant::now();
    until("a place for a newcomer", async || knock(address).await.is_ok()).await;
    let took = begin.elapsed();
    let hits = nodes[0].metric("resound_limits_hit_total{limit=\"limits.memory_bytes\"}").await;
    let (closed, high) = (nodes[0].metric(closed).await, peak(nodes));
    Bounded { flood, closed, hits, took, high, ending: stage.end().await }
}

impl Bounded {
    fn in_words(&self) -> String {
        let (taken, refused, closed) = (self.flood.taken, self.flood.refused, self.closed);
        let p99 = p99_ms(&self.ending);
        format!("{taken} events taken, {refused} answered 503, {closed} readers closed; {p99}")
    }

    fn holds(&self, bound: u64) {
        self.ending.is_whole();
        assert!(self.hits >= 1.0, "the bound was not reached: a void run");
        assert!(self.high < bound + OVERSHOOT, "{} of {bound}", self.high);
    }
}

pub(crate) async fn row_14_memory_runs_out() {
    let bound = Program::start(&[]).await.resident() + ROOM;
    let text = bound.to_string();
    let variables = [&HOARDING[..], &[("RESOUND_LIMITS_MEMORY_BYTES", &text)]].concat();
    let nodes = [Node::alone(&variables).await];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let bounded = flood(&nodes, stage).await;
    let line = Line {
        row: (14, "a"),
        fault: "limits.memory_bytes is reached: 4 readers of 100 KB events stop",
        recovered: Some(bounded.took),
        peak: bounded.high,
        beside: format!("bound {:.0} MB; {}", bound as f64 / 1e6, bounded.in_words()),
    };
    line.show(&bounded.ending);
    bounded.holds(bound);
}

/// Gives a node [`KERNEL_ROOM`] beside the address space that it has now: it has served a socket, so its threads have
/// their parts.
fn bound_by_the_kernel(node: &Node) {
    let id = node.program.pid();
    let bound = status_bytes(id, "VmSize:") + KERNEL_ROOM;
    run(&format!("prlimit --pid {id} --as={bound}"));
}

pub(crate) async fn row_14_the_kernel_refuses_memory() {
    // Without a bound of its own the process ends: the kernel's is near.
    let unbounded = [&HOARDING[..], &[("RESOUND_LIMITS_MEMORY_BYTES", "0")]].concat();
    let mut node = Node::alone(&unbounded).await;
    let bound = node.program.resident() + ROOM;
    let mut fatal = Flood::at(node.address()).await;
    bound_by_the_kernel(&node);
    until("the kernel's bound", async || !fatal.goes_on().await).await;
    until("the end of the process", async || node.program.has_ended()).await;
    let text = bound.to_string();
    let variables = [&HOARDING[..], &[("RESOUND_LIMITS_MEMORY_BYTES", &text)]].concat();
    let nodes = [Node::alone(&variables).await];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    bound_by_the_kernel(&nodes[0]);
    let bounded = flood(&nodes, stage).await;
    let line = Line {
        row: (14, "b"),
        fault: "the same, with 64 MB of address space (RLIMIT_AS) beside what a node has at first",
        recovered: Some(bounded.took),
        peak: bounded.high,
        beside: format!(
            "with memory_bytes = 0 the process ends after {} events; bound {:.0} MB; {}",
            fatal.taken,
            bound as f64 / 1e6,
            bounded.in_words()
        ),
    };
    line.show(&bounded.ending);
    bounded.holds(bound);
    assert!(fatal.taken > 100, "it ended after {} events, before memory was short", fatal.taken);
}
