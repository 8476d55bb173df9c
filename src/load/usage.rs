//! What a process has used so far, as Linux tells it.
//!
//! Owns the reading of `/proc`. On other systems there is nothing to read, and nothing is told.

use std::fs;
use std::ops::{Add, Sub};
use std::time::Duration;

/// `USER_HZ`, which is 100 on every architecture Linux has had in this century.
const TICK: Duration = Duration::from_millis(10);
/// `VmRSS` is told in these.
const KIBIBYTE: u64 = 1024;

/// CPU time and memory of a process, or the difference of two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Clock ticks (of 10 ms) in user mode.
    pub user_ticks: u64,
    /// Clock ticks in the kernel on behalf of the process.
    pub system_ticks: u64,
    /// Resident memory now; of a difference, that of the later reading.
    pub rss_bytes: u64,
}

impl Usage {
    /// Of a process; `None` if there is none, or no `/proc`.
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&pid.to_string())
    }

    /// Of this process.
    pub fn of_self() -> Option<Self> {
        Self::read("self")
    }

    /// Of several processes together; `None` if there are none, or one of them is gone.
    pub fn of_all(pids: &[u32]) -> Option<Self> {
        let (first, rest) = pids.split_first()?;
        rest.iter().try_fold(Self::of(*first)?, |sum, pid| Some(sum + Self::of(*pid)?))
    }

    /// User and system time together.
    pub fn cpu(&self) -> Duration {
        let ticks = self.user_ticks + self.system_ticks;
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    fn read(process: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, in parentheses, may contain anything; what follows are numbers.
        let mut fields = stat.rsplit(") ").next()?.split(' ').skip(11);
        let user_ticks = fields.next()?.parse().ok()?;
        let system_ticks = fields.next()?.parse().ok()?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(Self { user_ticks, system_ticks, rss_bytes: kibibytes * KIBIBYTE })
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            user_ticks: self.user_ticks + other.user_ticks,
            system_ticks: self.system_ticks + other.system_ticks,
            rss_bytes: self.rss_bytes + other.rss_bytes,
        }
    }
}

/// What was used since `earlier`.
impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
            rss_bytes: self.rss_bytes,
        }
    }
}

/// Lets timers of this thread, and of those it starts, fire when they are due instead of up to
/// 50 µs later, which would be counted as the server's. Where that cannot be set, nothing happens.
pub(super) fn sharpen_timers() {
    let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
    if let Some(id) = thread.file_name().and_then(|name| name.to_str()) {
        let _ = fs::write(format!("/proc/{id}/timerslack_ns"), "1");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Usage;

    #[test]
    fn this_process_uses_memory_and_one_without_a_number_does_not_exist() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 100_000, "{usage:?}");
        assert_eq!(Usage::of(u32::MAX), None);
        assert_eq!(Usage::of_all(&[]), None);
        assert!(Usage::of_all(&[std::process::id(); 2]).unwrap().rss_bytes > usage.rss_bytes);
    }
}
