//! What the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use resound_load::{Credentials, Target, TlsTrust};

/// Measures the server against what the kernel allows.
#[derive(Debug, Parser)]
#[command(name = "load", bin_name = "cargo bench --bench load --")]
pub(crate) struct Options {
    /// One round with small numbers, in about a minute: shows that all works, not how fast.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Five minutes for what has to stay as it is over time, which is `consoles`.
    #[arg(long, conflicts_with = "quick")]
    pub(crate) long: bool,
    /// Only these scenarios; `cluster` is all that begin so.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Runs of each scenario, whose medians are shown; 5, or 1 with --quick.
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Another resound to measure than the one just built.
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
    /// A running Pusher server to measure beside ours, as NAME,PID,URL,APP_ID,KEY,SECRET; repeatable.
    #[arg(long = "peer", value_name = "NAME,PID,URL,APP_ID,KEY,SECRET")]
    pub(crate) peers: Vec<Peer>,
    /// Writes the table to this file too.
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Exit with 1 if a bound is missed.
    #[arg(long)]
    pub(crate) check: bool,
    /// Be the bare loop, on this port.
    #[arg(long, value_name = "PORT", hide = true)]
    pub(crate) bare_loop: Option<u16>,
    /// The flag cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// How often each scenario is run.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }
}

/// A server that runs already.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) target: Target,
    pub(crate) credentials: Credentials,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.splitn(6, ',').collect();
        let [name, pid, url, app_id, key, secret] = fields[..] else {
            return Err("six fields are needed: NAME,PID,URL,APP_ID,KEY,SECRET".to_owned());
        };
        Ok(Self {
            name: name.to_owned(),
            pid: pid.parse().map_err(|_| format!("{pid:?} is no process id"))?,
            target: Target::parse(url, &TlsTrust::System)
                .map_err(|error| format!("{url}: {error}"))?,
            credentials: Credentials::new(app_id, key, secret),
        })
    }
}
