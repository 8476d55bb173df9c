//! `resound reload`: sends a running server the signal to read its configuration again, and waits for the
//! outcome.
//!
//! Owns how the process is found. The outcome is in a file that the server writes beside its pid file, as
//! [`PidFile`] has it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::pid_file::{PidFile, ReloadOutcome};
use super::stdout::print;
use resound::config::Config;

/// A configuration is read within milliseconds; secrets on a network file system may take longer.
const WAIT: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub(super) struct Reload {
    /// The configuration of the server, which names its pid file; it is checked first.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pid_file", "pid"])]
    config: Option<PathBuf>,
    #[command(flatten)]
    env_file: EnvFileFlags,
    /// The pid file of the server (server.pid_file).
    #[arg(long, value_name = "FILE", conflicts_with = "pid")]
    pid_file: Option<PathBuf>,
    /// The process id of the server; the outcome is in its log only.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

impl Reload {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(pid) = self.pid {
            send(pid)?;
            print(&format!("sent SIGHUP to process {pid}; its log has the outcome\n"))?;
            return Ok(());
        }
        let pid_file = PidFile::new(match self.pid_file {
            Some(path) => path,
            None => Config::load_from(&self.env_file.with(self.config.as_deref()))?
                .server
                .pid_file
                .ok_or_else(|| {
                    let text = "--config names a configuration without server.pid_file; set it, or \
                                give --pid-file or --pid";
                    Failure::Flag(text.to_owned())
                })?,
        });
        let (pid, before) = (pid_file.read()?, pid_file.outcome());
        send(pid)?;
        let start = Instant::now();
        while start.elapsed() < WAIT {
            match pid_file.outcome().filter(|outcome| before.as_ref() != Some(outcome)) {
                Some(ReloadOutcome { refusal: None, .. }) => {
                    print(&format!("process {pid} has the new configuration\n"))?;
                    return Ok(());
                }
                Some(ReloadOutcome { refusal: Some(why), .. }) => {
                    return Err(Failure::Refused(why));
                }
                None => std::thread::sleep(LOOK_EVERY),
            }
        }
        Err(anyhow!("process {pid} did not report an outcome within {WAIT:?}; look at its log")
            .into())
    }
}

/// Sends SIGHUP, but only to a process of this program: a pid file may be older than the machine's start.
fn send(pid: u32) -> anyhow::Result<()> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    match name.as_deref().map(str::trim_end) {
        Ok("resound") => {}
        Ok(other) => {
            return Err(anyhow!("process {pid} is {other:?}, not resound: the pid is an old one"));
        }
        Err(_) => return Err(anyhow!("there is no process {pid}: start the server")),
    }
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.with_context(|| format!("{pid} is no process id"))?;
    kill_process(process, Signal::HUP).with_context(|| format!("cannot signal process {pid}"))
}
