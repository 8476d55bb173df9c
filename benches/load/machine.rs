//! Whether the machine had other things to do while something was measured.
//!
//! Others are everything but this process, what it started, and the peer: builds, daemons, other guests
//! of the same host.

use std::time::Duration;

use anyhow::Context;
use resound_load::{MachineTime, system};

/// A reading of the machine's CPU time.
pub(crate) struct Machine {
    time: MachineTime,
    /// The part of this process and of the children it has waited for.
    own: Duration,
}

impl Machine {
    /// Reads now.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let time = system::machine_time().context("the machine cannot be measured")?;
        let own = system::time_with_children().context("this process cannot be measured")?;
        Ok(Self { time, own })
    }

    /// The percentage of all cores that others have used since; `peer` is none of theirs.
    pub(crate) fn others_since(&self, peer: Duration) -> anyhow::Result<f64> {
        let now = Self::read()?;
        let own = now.own.saturating_sub(self.own) + peer;
        let others = now.time.busy.saturating_sub(self.time.busy).saturating_sub(own);
        let total = now.time.total.saturating_sub(self.time.total).max(Duration::from_millis(10));
        Ok(others.as_secs_f64() * 100.0 / total.as_secs_f64())
    }
}
