//! Reads `/proc`.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use procfs::process::Process;
use procfs::{CurrentSI, KernelStats, WithCurrentSystemInfo};

use crate::usage::{MachineTime, Usage};

pub(super) fn usage(pid: u32) -> io::Result<Usage> {
    let stat = process(pid)?.stat().map_err(io::Error::other)?;
    let rss_bytes = stat.rss_bytes().get();
    Ok(Usage { user: ticks(stat.utime), system: ticks(stat.stime), rss_bytes })
}

pub(super) fn thread_times(pid: u32) -> io::Result<HashMap<i32, Duration>> {
    let threads = process(pid)?.tasks().map_err(io::Error::other)?;
    // A thread may end between the listing and the reading.
    let times = threads.filter_map(|thread| {
        let thread = thread.ok()?;
        Some((thread.tid, Duration::from_nanos(thread.schedstat().ok()?.sum_exec_runtime)))
    });
    Ok(times.collect())
}

pub(super) fn resident_bytes(pid: u32) -> io::Result<u64> {
    let rollup = process(pid)?.smaps_rollup().map_err(io::Error::other)?;
    let maps = rollup.memory_map_rollup.into_iter();
    Ok(maps.filter_map(|map| map.extension.map.get("Rss").copied()).sum())
}

pub(super) fn time_with_children() -> io::Result<Duration> {
    let stat = Process::myself().and_then(|process| process.stat()).map_err(io::Error::other)?;
    let children = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    Ok(ticks(stat.utime + stat.stime + children))
}

pub(super) fn machine_time() -> io::Result<MachineTime> {
    let cpu = KernelStats::current().map_err(io::Error::other)?.total;
    // The time of guests is part of user time.
    let interrupts = [cpu.irq, cpu.softirq, cpu.steal].into_iter().flatten().sum::<u64>();
    let busy = cpu.user + cpu.nice + cpu.system + interrupts;
    let idle = cpu.idle + cpu.iowait.unwrap_or_default();
    Ok(MachineTime { total: ticks(busy + idle), busy: ticks(busy) })
}

pub(super) fn sharpen_timers() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

fn process(pid: u32) -> io::Result<Process> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    Process::new(pid).map_err(io::Error::other)
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / procfs::ticks_per_second() as f64)
}
