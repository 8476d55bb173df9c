//! `resound bench`: load on any server that speaks Pusher's protocol, and what it measures.
//!
//! Owns the destination and the output. The flags of the load, the run and the report are those of the
//! load generator.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use resound::config::{Config, Terminal};
use resound::logging::terminal_line;
use resound_load::bench::{self, BenchOptions, Colours, Outcome, ProgressLine};
use resound_load::{Credentials, Target};

use super::destination::{choose, credentials, listening};
use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::stdout::{print_data, print_styled};
use super::tls_trust::TrustFlags;

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// A node of the server, http:// or https://; repeat it for several, over which sockets and requests are spread
    /// [default: where the configuration says it listens].
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    #[command(flatten)]
    trust: TrustFlags,
    /// The file that has the app; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env_file: EnvFileFlags,
    /// The id of the app: one of the configuration's, or any with --key and --secret.
    #[arg(long, value_name = "ID")]
    app_id: Option<String>,
    /// The key of an app that is not in the configuration.
    #[arg(long, requires_all = ["secret", "app_id"])]
    key: Option<String>,
    /// Its secret, which others on this machine can see in the list of processes.
    #[arg(long, requires = "key")]
    secret: Option<String>,
    #[command(flatten)]
    load: BenchOptions,
    /// Print JSON instead of the report, or beside it to a file.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// A condition for exit code 0, such as 'p99<50ms' or 'loss==0'; may be repeated.
    #[arg(long = "assert", value_name = "EXPRESSION")]
    assertions: Vec<String>,
}

impl Bench {
    pub(super) fn run(self) -> Result<(), Failure> {
        let checked = bench::Bench::new(self.load.clone(), &self.assertions);
        let checked = checked.map_err(|flag| Failure::Flag(flag.to_string()))?;
        let (targets, credentials) = self.destination()?;
        let terminal = Terminal::of_this_process();
        let redraws = terminal.redraws(&io::stdout()) && terminal.redraws(&io::stderr());
        let progress = if redraws { ProgressLine::shown() } else { ProgressLine::hidden() };
        let outcome = checked.measure(targets, credentials, &progress)?;
        self.show(&outcome, terminal)?;
        match outcome.broken_assertions() {
            None => Ok(()),
            Some(broken) => Err(Failure::Running(anyhow::anyhow!("not as asserted: {broken}"))),
        }
    }

    /// The nodes and the app. The configuration is only read if the flags leave one of them open.
    fn destination(&self) -> Result<(Vec<Target>, Credentials), Failure> {
        let targets = self.trust.targets(&self.url)?;
        let given = match (&self.app_id, &self.key, &self.secret) {
            (Some(app_id), Some(key), Some(secret)) => Some(Credentials::new(app_id, key, secret)),
            _ => None,
        };
        if let (Some(given), false) = (&given, targets.is_empty()) {
            return Ok((targets, given.clone()));
        }
        let config = Config::load_from(&self.env_file.with(self.config.as_deref()))?;
        let targets = if targets.is_empty() { vec![listening(&config)] } else { targets };
        let credentials = match given {
            Some(given) => given,
            None => credentials(choose(&config, "--app-id", self.app_id.as_deref())?),
        };
        Ok((targets, credentials))
    }

    fn show(&self, outcome: &Outcome, terminal: Terminal) -> anyhow::Result<()> {
        match self.json.as_deref() {
            Some(path) if path.as_os_str() == "-" => return print_data(&bench::json(outcome)),
            Some(path) => {
                let written = fs::write(path, bench::json(outcome));
                written.with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => {}
        }
        let colours = if terminal.colours(&io::stdout()) { Colours::Ansi } else { Colours::None };
        print_styled(&bench::report(outcome, colours, terminal_line)).map(drop)
    }
}
