//! The CPU time of a process, to the nanosecond where Linux counts it.
//!
//! The sum over threads is exact; how it splits into user and system is what the kernel sampled at its
//! ticks, so a phase must be long for the split to be right.

use std::collections::HashMap;
use std::ops::Add;
use std::time::Duration;

use anyhow::Context;
use resound_load::{Usage, system};

/// A reading of what a process has used so far.
pub(crate) struct Meter {
    pid: u32,
    threads: HashMap<i32, Duration>,
    usage: Usage,
}

/// What a process used between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) total: Duration,
    pub(crate) user: Duration,
}

impl Meter {
    /// Reads now.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let missing = || format!("process {pid} cannot be measured");
        let usage = system::usage(pid).with_context(missing)?;
        let threads = system::thread_times(pid).with_context(missing)?;
        Ok(Self { pid, threads, usage })
    }

    /// The CPU time since this reading.
    pub(crate) fn used(&self) -> anyhow::Result<Cpu> {
        let now = Self::read(self.pid)?;
        let sampled = now.usage - self.usage;
        let since = |(thread, time): (&i32, &Duration)| {
            time.saturating_sub(self.threads.get(thread).copied().unwrap_or_default())
        };
        let all_there = self.threads.keys().all(|thread| now.threads.contains_key(thread));
        // The time of a thread that ended is only part of the ticks, which count the whole process.
        let total = if all_there { now.threads.iter().map(since).sum() } else { sampled.cpu() };
        let user_part = match sampled.cpu().as_secs_f64() {
            0.0 => 0.0,
            cpu => sampled.user.as_secs_f64() / cpu,
        };
        Ok(Cpu { total, user: total.mul_f64(user_part) })
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { total: self.total + other.total, user: self.user + other.user }
    }
}

impl Cpu {
    /// Microseconds for each of `count`.
    pub(crate) fn us_per(self, count: u64) -> anyhow::Result<f64> {
        per(self.total, count)
    }

    /// Those of them in user mode.
    pub(crate) fn user_us_per(self, count: u64) -> anyhow::Result<f64> {
        per(self.user, count)
    }
}

fn per(time: Duration, count: u64) -> anyhow::Result<f64> {
    anyhow::ensure!(count > 0, "nothing happened that could be measured");
    Ok(time.as_secs_f64() * 1e6 / count as f64)
}

/// Resident bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<f64> {
    let bytes = system::resident_bytes(pid);
    Ok(bytes.with_context(|| format!("process {pid} cannot be measured"))? as f64)
}
