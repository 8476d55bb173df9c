//! The pid file of a server, and the outcome of its last reload beside it.
//!
//! Owns the form of both. The outcome has a number, so that a second one with the same text is another one.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, anyhow};

/// What ends the name of the file with the outcome.
const OUTCOME: &str = ".reload";

/// Where a server writes its process id.
#[derive(Debug, Clone)]
pub(super) struct PidFile(PathBuf);

/// How a reload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReloadOutcome {
    /// Counts the reloads of the process.
    pub(super) number: u64,
    /// Why the configuration was refused.
    pub(super) refusal: Option<String>,
}

impl PidFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes the id of this process.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let text = format!("{}\n", std::process::id());
        fs::write(&self.0, text)
            .with_context(|| format!("cannot write server.pid_file {}", self.0.display()))
    }

    /// The process id in it.
    pub(super) fn read(&self) -> anyhow::Result<u32> {
        let shown = self.0.display();
        let text = fs::read_to_string(&self.0)
            .with_context(|| format!("cannot read the pid file {shown}: is the server running?"))?;
        text.trim().parse().map_err(|_| anyhow!("{shown} holds no process id"))
    }

    /// Removes both files, if they are those of this process: a process that took over has its own.
    pub(super) fn remove(&self) {
        if self.read().is_ok_and(|pid| pid == std::process::id()) {
            // What is left behind names a process that is gone, which a reader finds out.
            let _ = fs::remove_file(self.outcome_path());
            let _ = fs::remove_file(&self.0);
        }
    }

    /// Writes how a reload ended: in one step, so that a reader never sees half of it.
    pub(super) fn write_outcome(&self, outcome: &ReloadOutcome) -> io::Result<()> {
        let text = match &outcome.refusal {
            None => format!("{} applied\n", outcome.number),
            Some(why) => format!("{} refused {}\n", outcome.number, why.replace('\n', " ")),
        };
        let path = self.outcome_path();
        let next = path.with_extension("reload.next");
        fs::write(&next, text)?;
        fs::rename(next, path)
    }

    /// How the last reload ended; `None` before the first.
    pub(super) fn outcome(&self) -> Option<ReloadOutcome> {
        let text = fs::read_to_string(self.outcome_path()).ok()?;
        let (number, rest) = text.trim_end().split_once(' ')?;
        let refusal = match rest.split_once(' ') {
            Some(("refused", why)) => Some(why.to_owned()),
            _ => None,
        };
        Some(ReloadOutcome { number: number.parse().ok()?, refusal })
    }

    fn outcome_path(&self) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(OUTCOME);
        path.into()
    }
}
