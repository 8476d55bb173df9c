//! Compares the memory of the process with its bound, and acts where it is short: new sockets are refused, the slowest
//! are closed.
//!
//! The rule is in `memory`; the metrics and `/ready` show what it finds.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::memory::{MemoryBound, MemoryPressure, MemorySample};
use crate::metrics::Condition;
use crate::node::Node;

/// Between two looks, each of which reads a file of the kernel.
const PAUSE: Duration = Duration::from_millis(250);

/// The same while memory is nearly short: within it a flood of events adds some 10 MB.
const SHORT_PAUSE: Duration = Duration::from_millis(25);

/// Outboxes that have less than this part of the bound are left alone: closing their sockets would free nothing that helps.
const OUTBOXES_PART: u64 = 32;

/// Looks for as long as the server runs, if there is a bound.
pub(super) async fn run(bound: Option<MemoryBound>, node: Arc<Node>) {
    let Some(bound) = bound else { return };
    node.metrics().process.memory_limit_bytes.set(bound.bytes);
    let mut pressure = MemoryPressure::new(bound.bytes);
    let Some(resident) = ResidentMemory::open() else { return };
    loop {
        if let Some(resident_bytes) = resident.bytes() {
            look((&bound, resident_bytes), &mut pressure, &node);
        }
        sleep(if pressure.is_near() { SHORT_PAUSE } else { PAUSE }).await;
    }
}

/// How much memory of the process the kernel has given it. The file stays open: where descriptors are short, opening it
/// would take the one that is spared for the next newcomer.
struct ResidentMemory(File);

impl ResidentMemory {
    /// `None` where the kernel has no such file.
    fn open() -> Option<Self> {
        File::open("/proc/self/statm").ok().map(Self)
    }

    fn bytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.0.read_at(&mut text, 0).ok()?;
        let pages: u64 = str::from_utf8(&text[..length]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}

fn look((bound, resident_bytes): (&MemoryBound, u64), pressure: &mut MemoryPressure, node: &Node) {
    let used = bound.used(resident_bytes);
    let metrics = node.metrics();
    metrics.process.memory_used_bytes.set(used);
    let outboxes = metrics.delivery.outbox_bytes.sum();
    let was_short = pressure.is_short();
    let to_free = pressure.observe(MemorySample { used, counted: node.counted_bytes() });
    if to_free > 0 && outboxes > bound.bytes / OUTBOXES_PART {
        node.shards().end_slowest(to_free);
    }
    if pressure.is_short() == was_short {
        return;
    }
    metrics.process.condition.set(Condition::MemoryShort, pressure.is_short());
    let (limit, sockets) = (bound.bytes, node.shards().socket_count());
    if was_short {
        tracing::info!(used, limit, sockets, outboxes, "the process is no longer short of memory");
    } else {
        tracing::warn!(
            used,
            limit,
            sockets,
            outboxes,
            "the process is short of memory (limits.memory_bytes): new sockets are refused, and the slowest are closed"
        );
    }
}
