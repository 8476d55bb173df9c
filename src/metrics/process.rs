//! What the process and its workers take: descriptors, memory, CPU. Read when it is scraped.
//!
//! The names that begin with `process_` are those of every Prometheus client library, so dashboards and alerts
//! that are made for any process show this one too.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::runtime::RuntimeMetrics;

use super::conditions::Conditions;
use super::declare::{Gauge, metrics};
use crate::build_info;

metrics! {
    /// The metrics of the server as a process.
    pub struct ProcessMetrics in "" {
        /// 1, with the version and the commit of the server
        build_info: BuildInfo,
        /// Seconds in which a worker was not waiting; its rate is the share of a core that the worker
        /// uses
        pub worker_busy_seconds: BusyWorkers,
        /// The memory that the process may use, as limits.memory_bytes says; 0 is no limit
        pub memory_limit_bytes: Gauge,
        /// What is used of it, as it is compared with that limit
        pub memory_used_bytes: Gauge,
        /// Log lines that were lost: the disk of the log was full, or stderr was read too slowly
        pub log_lines_dropped: Counter,
        /// 1 while something keeps the server from being ready or whole, by condition, as in GET /ready
        pub condition: Conditions,
    }
}

/// The build, as labels of a constant.
#[derive(Debug, Clone, Default)]
struct BuildInfo;

impl EncodeMetric for BuildInfo {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let labels = [("version", build_info::VERSION), ("commit", build_info::COMMIT)];
        encoder.encode_family(&labels)?.encode_gauge(&1_u64)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// The time that each worker was busy, as its runtime counts it.
#[derive(Debug, Clone, Default)]
pub struct BusyWorkers(Arc<Mutex<Vec<RuntimeMetrics>>>);

impl BusyWorkers {
    /// Adds the runtime of one more worker.
    pub fn add(&self, runtime: RuntimeMetrics) {
        self.0.lock().push(runtime);
    }
}

impl EncodeMetric for BusyWorkers {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (worker, runtime) in self.0.lock().iter().enumerate() {
            let seconds = runtime.worker_total_busy_duration(0).as_secs_f64();
            let label = [("worker", worker.to_string())];
            encoder
                .encode_family(&label)?
                .encode_counter::<NoLabelSet, f64, u64>(&seconds, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// What the process uses now; cheaper to read than all of its metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUsage {
    /// Resident memory.
    pub resident_bytes: u64,
    /// User and system CPU time so far.
    pub cpu_seconds: f64,
}

impl ProcessUsage {
    /// `None` where there is no `/proc`, or no descriptor is left to read it.
    #[cfg(target_os = "linux")]
    pub fn take() -> Option<Self> {
        linux::usage()
    }

    /// `None`: there is no `/proc`.
    #[cfg(not(target_os = "linux"))]
    pub fn take() -> Option<Self> {
        None
    }
}

/// Descriptors that this process has; `None` where there is no `/proc`, or no descriptor is left to read it.
pub fn open_descriptors() -> Option<usize> {
    #[cfg(target_os = "linux")]
    return linux::open_descriptors();
    #[cfg(not(target_os = "linux"))]
    None
}

/// The metrics that every client library exposes of its process; nothing where there is no `/proc`.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(reading) = linux::Reading::take() else { return Ok(()) };
        let mut gauge = |name, help, unit: Option<Unit>, value: f64| {
            let gauge = ConstGauge::new(value);
            let metric =
                encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?;
            gauge.encode(metric)
        };
        gauge("process_open_fds", "Open file descriptors.", None, reading.descriptors)?;
        gauge(
            "process_max_fds",
            "The limit of open file descriptors.",
            None,
            reading.descriptors_max,
        )?;
        let bytes = || Some(Unit::Bytes);
        gauge("process_resident_memory", "Resident memory.", bytes(), reading.resident_bytes)?;
        gauge("process_virtual_memory", "Virtual memory.", bytes(), reading.virtual_bytes)?;
        let started = "The start of the process, in Unix time.";
        gauge("process_start_time", started, Some(Unit::Seconds), reading.started_seconds)?;
        let cpu = ConstCounter::new(reading.cpu_seconds);
        let (help, unit) = ("User and system CPU time.", Unit::Seconds);
        let metric =
            encoder.encode_descriptor("process_cpu", help, Some(&unit), cpu.metric_type())?;
        cpu.encode(metric)
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::WithCurrentSystemInfo;
    use procfs::process::{LimitValue, Process};

    /// What `/proc` says of this process now.
    pub(super) struct Reading {
        pub(super) descriptors: f64,
        pub(super) descriptors_max: f64,
        pub(super) resident_bytes: f64,
        pub(super) virtual_bytes: f64,
        pub(super) started_seconds: f64,
        pub(super) cpu_seconds: f64,
    }

    impl Reading {
        /// `None` where `/proc` is not mounted, or no descriptor is left to read it.
        pub(super) fn take() -> Option<Self> {
            let process = Process::myself().ok()?;
            let stat = process.stat().ok()?;
            let ticks_per_second = procfs::ticks_per_second() as f64;
            let booted = procfs::boot_time_secs().ok()? as f64;
            let descriptors_max = match process.limits().ok()?.max_open_files.soft_limit {
                LimitValue::Unlimited => f64::INFINITY,
                LimitValue::Value(limit) => limit as f64,
            };
            Some(Self {
                descriptors: open_descriptors()? as f64,
                descriptors_max,
                resident_bytes: stat.rss_bytes().get() as f64,
                virtual_bytes: stat.vsize as f64,
                started_seconds: booted + stat.starttime as f64 / ticks_per_second,
                cpu_seconds: (stat.utime + stat.stime) as f64 / ticks_per_second,
            })
        }
    }

    /// Reads one file.
    pub(super) fn usage() -> Option<super::ProcessUsage> {
        let stat = Process::myself().ok()?.stat().ok()?;
        Some(super::ProcessUsage {
            resident_bytes: stat.rss_bytes().get(),
            cpu_seconds: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        })
    }

    /// From Linux 6.2 on the size of the folder is their number; listing 10 000 takes 5 ms.
    pub(super) fn open_descriptors() -> Option<usize> {
        match std::fs::metadata("/proc/self/fd").ok()?.len() {
            0 => Process::myself().ok()?.fd_count().ok(),
            count => usize::try_from(count).ok(),
        }
    }
}
