//! What the processes use: memory and descriptors at the start, at most, and at the end.

use std::fmt::{self, Display};

use crate::checkpoint::broken;
use crate::harness::server::sum_of_series;
use crate::nodes::Cluster;
use crate::oracle::finding::Broken;

/// Descriptors that a process without clients may have more than at its start: kept-alive calls of webhooks, and
/// connections of back ends that are idle.
const DESCRIPTORS_MORE_MAX: u64 = 24;

/// Resident bytes that the process may keep of its first minutes: the allocator gives them back late.
const RESIDENT_MORE_MAX: u64 = 24 << 20;

/// The figures of one node along the run.
#[derive(Default)]
pub(crate) struct Usage {
    /// At the end of each page.
    resident: Vec<u64>,
    descriptors: Vec<u64>,
}

impl Usage {
    /// Looks at all nodes.
    pub(crate) async fn sample(cluster: &Cluster, all: &mut [Self]) {
        for (node, usage) in cluster.nodes.iter().zip(all) {
            let text = node.metrics().await;
            usage.resident.push(sum_of_series(&text, "process_resident_memory_bytes") as u64);
            usage.descriptors.push(sum_of_series(&text, "process_open_fds") as u64);
        }
    }

    /// The last sample, without clients, is judged by the first ones. `is_one_process`: the node was never restarted.
    pub(crate) fn judge(&self, cluster: &Cluster, number: usize, is_one_process: bool) {
        let scene = &cluster.scene;
        let (first, last) = (self.descriptors[0], self.descriptors[self.descriptors.len() - 1]);
        if last > first + DESCRIPTORS_MORE_MAX {
            let text = format!("node {number} has {last} descriptors open, and had {first}");
            broken(scene, Broken::NotReturned, text);
        }
        if is_one_process && !self.is_flat() {
            let text = format!("the memory of node {number} grows: {:?}", self.resident);
            broken(scene, Broken::NotReturned, text);
        }
    }

    /// The last third may not lie above the second by more than noise. The first is left out: allocators and tables grow
    /// to their size there.
    fn is_flat(&self) -> bool {
        let third = self.resident.len() / 3;
        let median = |part: &[u64]| {
            let mut sorted = part.to_vec();
            sorted.sort_unstable();
            sorted[sorted.len() / 2]
        };
        let (second, last) = self.resident[third..].split_at(third.max(1));
        let (second, last) = (median(second), median(last));
        last <= second + second / 20 + RESIDENT_MORE_MAX
    }
}

impl Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |all: &[u64]| {
            let last = all[all.len() - 1];
            (all[0], all.iter().copied().max().unwrap_or(0), last)
        };
        let (start, peak, end) = ends(&self.resident);
        let mega = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(f, "{:7.1} {:7.1} {:7.1} MiB", mega(start), mega(peak), mega(end))?;
        let (start, peak, end) = ends(&self.descriptors);
        write!(f, "   {start:4} {peak:4} {end:4} descriptors")
    }
}
