//! The configuration of a running server, read again: on SIGHUP, or when a file of it has changed.
//!
//! Owns the order: everything is read and checked before anything is changed, so a configuration with an
//! error changes nothing and the log says why. What is changed is left to the [`Reloader`].

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::pid_file::{PidFile, ReloadOutcome};
use resound::config::{Config, ConfigInputs};
use resound::logging::LogGuard;
use resound::server::{ReloadReport, Reloader};

/// What a start was given, to read it again.
pub(super) struct Reloading<'a> {
    pub(super) inputs: ConfigInputs,
    pub(super) reloader: Arc<Reloader>,
    pub(super) log: &'a LogGuard,
    pub(super) pid_file: Option<PidFile>,
    pub(super) watch: Watch,
    pub(super) reloads: u64,
}

/// The files of a configuration and their state when they were read; without an interval they are not
/// looked at.
pub(super) struct Watch {
    every: Option<Duration>,
    files: Vec<PathBuf>,
    seen: Vec<Option<FileState>>,
}

/// What changes with the content of a file, and with a link that leads to another one.
type FileState = (SystemTime, u64, u64);

impl Watch {
    /// The state of these files now.
    pub(super) fn new(config: &Config) -> Self {
        let (every, files) = (config.server.watch_config, config.files.clone());
        let seen = states(&files);
        Self { every, files, seen }
    }

    /// Resolves when a file has changed; never without an interval.
    pub(super) async fn changed(&mut self) {
        let Some(every) = self.every else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every).await;
            let now = states(&self.files);
            // A file that is being replaced may be absent for a moment: the next look finds it.
            if now != self.seen && now.iter().all(Option::is_some) {
                self.seen = now;
                return;
            }
        }
    }
}

fn states(files: &[PathBuf]) -> Vec<Option<FileState>> {
    files.iter().map(state).collect()
}

fn state(file: impl AsRef<Path>) -> Option<FileState> {
    let data = fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len(), data.ino()))
}

impl Reloading<'_> {
    /// Reads the configuration and applies it, or reports why not.
    pub(super) fn reload(&mut self, cause: &'static str) {
        self.reloads += 1;
        // By its number, the log takes each for another kind and leaves none out.
        let number = self.reloads;
        let refusal = match self.apply() {
            Ok(report) => {
                log_report(number, cause, &report);
                None
            }
            Err(error) => {
                self.reloader.failed();
                let error = format!("{error:#}");
                tracing::error!(
                    reload = number,
                    cause,
                    error,
                    "the configuration is refused, and nothing has changed"
                );
                Some(error)
            }
        };
        let outcome = ReloadOutcome { number, refusal };
        if let Some(pid_file) = &self.pid_file
            && let Err(error) = pid_file.write_outcome(&outcome)
        {
            tracing::warn!(%error, "the outcome of the reload cannot be written beside server.pid_file");
        }
    }

    fn apply(&mut self) -> anyhow::Result<ReloadReport> {
        let config = Config::load_from(&self.inputs)?;
        let report = self.reloader.apply(&config)?;
        self.log.reload(&config.log)?;
        // The interval stays: it is a key that needs a restart.
        self.watch = Watch { every: self.watch.every, ..Watch::new(&config) };
        for note in &config.notes {
            tracing::warn!("{note}");
        }
        Ok(report)
    }
}

fn log_report(number: u64, cause: &'static str, report: &ReloadReport) {
    let list = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(", ");
    let (added, changed, removed) =
        (list(&report.added), list(&report.changed), list(&report.removed));
    tracing::info!(reload = number, cause, added, changed, removed, "the configuration is in use");
    if !report.pending.is_empty() {
        let pending = report
            .pending
            .iter()
            .map(|key| format!("{} is {}, configured is {}", key.key, key.running, key.configured));
        let keys = pending.collect::<Vec<_>>().join("; ");
        tracing::warn!(reload = number, keys, "these keys take effect after a restart");
    }
}
