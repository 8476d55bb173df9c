//! What Linux counts of processes and of the machine.
//!
//! The only module that reads `/proc`. On other systems every reading is an error.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use super::usage::{MachineTime, Usage};

#[cfg_attr(target_os = "linux", path = "system/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "system/other.rs")]
mod platform;

/// CPU time and memory of a process. CPU time is counted in the kernel's ticks of 10 ms.
pub fn usage(pid: u32) -> io::Result<Usage> {
    platform::usage(pid)
}

/// The usage of this process; `None` on systems without `/proc`.
pub(super) fn own_usage() -> Option<Usage> {
    usage(std::process::id()).ok()
}

/// The usage of several processes together; `None` if there are none, or one of them is gone.
pub(super) fn usage_of_all(pids: &[u32]) -> Option<Usage> {
    let (first, rest) = pids.split_first()?;
    rest.iter().try_fold(usage(*first).ok()?, |sum, pid| Some(sum + usage(*pid).ok()?))
}

/// CPU time of each thread of a process, to the nanosecond.
pub fn thread_times(pid: u32) -> io::Result<HashMap<i32, Duration>> {
    platform::thread_times(pid)
}

/// Resident memory, exact: the counters behind [`Usage`] may be a hundred kilobytes behind.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    platform::resident_bytes(pid)
}

/// CPU time of this process and of the children it has waited for.
pub fn time_with_children() -> io::Result<Duration> {
    platform::time_with_children()
}

/// CPU time of the machine.
pub fn machine_time() -> io::Result<MachineTime> {
    platform::machine_time()
}

/// Lets timers of this thread fire when they are due instead of up to 50 µs later, which would be
/// counted as the server's. Without effect where the system does not offer it.
pub(super) fn sharpen_timers() {
    platform::sharpen_timers();
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::{thread_times, usage, usage_of_all};

    #[test]
    fn this_process_uses_memory_and_one_without_a_number_does_not_exist() {
        let this = std::process::id();
        let once = usage(this).unwrap();
        assert!(once.rss_bytes > 100_000, "{once:?}");
        assert!(usage(u32::MAX).is_err());
        assert_eq!(usage_of_all(&[]), None);
        assert!(usage_of_all(&[this; 2]).unwrap().rss_bytes > once.rss_bytes);
        assert!(thread_times(this).unwrap().values().any(|time| !time.is_zero()));
    }
}
