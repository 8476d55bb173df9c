//! Whether the machine had other things to do while something was measured.
//!
//! Owns the reading of the machine's own counters. Others are everything that is neither this
//! process nor what it started, nor the peer: builds, daemons, other guests of the same host.

use std::fs;

use anyhow::Context;

/// The machine's clock ticks so far, since it started.
pub(crate) struct Machine {
    /// On all cores, idle ones included.
    all: u64,
    /// Of them, spent by anybody.
    busy: u64,
    /// Of them, spent by this process and by the children it has waited for.
    ours: u64,
}

/// Fields of the line `cpu` that are no work: idle and waiting for a disk.
const RESTING: [usize; 2] = [3, 4];
/// Behind the eight of them are guests, which are in the first two already.
const FIELDS: usize = 8;

impl Machine {
    /// Reads now.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("no /proc/stat")?;
        let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
        let line = line.context("no line cpu in /proc/stat")?;
        let fields: Vec<u64> =
            line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        let all = fields.iter().take(FIELDS).sum();
        let resting: u64 = RESTING.iter().filter_map(|at| fields.get(*at)).sum();
        let own = fs::read_to_string("/proc/self/stat").context("no /proc/self/stat")?;
        // Behind the name: user and system time of this process, then of its children.
        let fields = own.rsplit(") ").next().unwrap_or_default().split(' ');
        let ours = fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Self { all, busy: all - resting, ours })
    }

    /// The percentage of all cores that others have had since; `peer` seconds are none of theirs.
    pub(crate) fn others_since(&self, peer_seconds: f64) -> anyhow::Result<f64> {
        let now = Self::read()?;
        let ours = (now.ours - self.ours) as f64 + peer_seconds * 100.0;
        let others = ((now.busy - self.busy) as f64 - ours).max(0.0);
        Ok(others * 100.0 / (now.all - self.all).max(1) as f64)
    }
}
