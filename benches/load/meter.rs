//! How much CPU and memory a process has used, to the nanosecond where Linux knows it.
//!
//! Owns the reading of `/proc`. The sum over threads is exact; how it splits into user and system
//! is what the kernel sampled at its ticks, so a phase must be long for the split to be right.

use std::collections::HashMap;
use std::fs;
use std::ops::Add;
use std::time::Duration;

use anyhow::Context;

/// What a process has used so far.
pub(crate) struct Meter {
    pid: u32,
    thread_ns: HashMap<String, u64>,
    user_ticks: u64,
    system_ticks: u64,
}

/// What a process used between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) total: Duration,
    pub(crate) user: Duration,
}

/// `USER_HZ`, 100 on every architecture Linux has had for long.
const TICK: Duration = Duration::from_millis(10);

impl Meter {
    /// Reads now.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} cannot be measured"))?;
        // The name, in parentheses, may contain anything; what follows are numbers.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11);
        let mut ticks = || fields.next().and_then(|text| text.parse().ok());
        let (user, system) = (ticks(), ticks());
        let user_ticks = user.context("no user time in /proc")?;
        let system_ticks = system.context("no system time in /proc")?;
        Ok(Self { pid, thread_ns: threads(pid)?, user_ticks, system_ticks })
    }

    /// What was used since this reading.
    pub(crate) fn used(&self) -> anyhow::Result<Cpu> {
        let now = Self::read(self.pid)?;
        let user = now.user_ticks.saturating_sub(self.user_ticks);
        let ticks = user + now.system_ticks.saturating_sub(self.system_ticks);
        let since = |(thread, ns): (&String, &u64)| {
            ns.saturating_sub(self.thread_ns.get(thread).copied().unwrap_or(0))
        };
        let all_there = self.thread_ns.keys().all(|thread| now.thread_ns.contains_key(thread));
        // A thread that ended took its nanoseconds along; ticks are kept for the whole process.
        let total = if all_there {
            Duration::from_nanos(now.thread_ns.iter().map(since).sum())
        } else {
            TICK * u32::try_from(ticks)?
        };
        let user_part = if ticks == 0 { 0.0 } else { user as f64 / ticks as f64 };
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
    // Not `status`, whose counters may be a hundred kilobytes behind.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("process {pid} cannot be measured"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kibibytes.context("no Rss in /proc")? * 1024.0)
}

fn threads(pid: u32) -> anyhow::Result<HashMap<String, u64>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let ns = text.split(' ').next().and_then(|ns| ns.parse().ok()).context("no schedstat")?;
        found.insert(entry.file_name().to_string_lossy().into_owned(), ns);
    }
    Ok(found)
}
