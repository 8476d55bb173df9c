//! `resound bench`: load on any server that speaks Pusher's protocol, and what it makes of it.
//!
//! Owns the arguments and the order of a run: connect, try, warm up, measure, report, judge. Knows
//! nothing of how load is made or measured.
//!
//! # JSON
//!
//! `--json` prints one object; all numbers are integers, the unit is the last word of a name, and
//! what was not measured is `null`. A spread is `{p50, p90, p99, p999, max, mean}`.
//!
//! | field | |
//! |---|---|
//! | `targets`, `connections`, `channels`, `kind`, `payload_bytes`, `deflated_sockets` | what was asked for, and granted |
//! | `connect_ns`, `connect_total_ns` | a spread: from a socket's start to its last subscription; all of them |
//! | `elapsed_ns`, `published`, `expected`, `delivered`, `lost`, `disordered`, `deliveries_per_second`, `received_bytes` | the measured phase; bytes are those on the wire |
//! | `latency_ns`, `latency_buckets[].to_ns`, `latency_buckets[].count` | from when an event was due until it was read |
//! | `answer_ns`, `lateness_ns` | how long a request took; how late it was sent |
//! | `refused{status}`, `unanswered`, `refusal`, `errors`, `error`, `closed{code}`, `open_sockets` | what went wrong, with the first text of each kind |
//! | `server.cpu_user_ns`, `.cpu_system_ns`, `.cpu_per_delivery_ns`, `.cpu_per_connect_ns`, `.rss_bytes`, `.memory_per_socket_bytes` | with `--pid` |
//! | `client.cpu_ns`, `.cpu_per_delivery_ns`, `.cpu_percent` | the generator itself; 100 is one core |
//! | `assertions[].expression`, `.measured`, `.holds` | `measured` in ns, bytes, parts per million, or a count |

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::destination::{at, choose, listening};
use super::{Failure, print};
use crate::app::Secret;
use crate::config::{Config, Problem, Terminal};
use crate::load::{Credentials, Crowd, Phase, Plan, Seat, Target, Usage};

mod assertion;
mod drawing;
mod figures;
mod metric;
mod outcome;
mod progress;
mod report;
mod task;

use assertion::Assertion;
use outcome::Outcome;
use progress::Progress;
use task::{Kind, Task};

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// A node of the server; repeat it for several, over which sockets and requests are spread
    /// [default: where the configuration says it listens].
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// The file that has the app; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
    task: Task,
    /// A process of the server on this machine, to measure its CPU and memory; may be repeated.
    #[arg(long)]
    pid: Vec<u32>,
    /// Print JSON instead of the report, or beside it to a file.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// A condition for exit code 0, such as 'p99<50ms' or 'loss==0'; may be repeated.
    #[arg(long = "assert", value_name = "EXPRESSION")]
    assertions: Vec<String>,
}

impl Bench {
    pub(super) fn run(self) -> Result<(), Failure> {
        let assertions = self.assertions()?;
        self.task.check()?;
        let server_before = self.usage()?;
        let (targets, credentials) = self.destination()?;
        let plan = self.plan(targets, credentials);
        let shown = plan.targets.iter().map(ToString::to_string).collect();

        let progress = Progress::new(plan.seats.len() as u64, Terminal::of_this_process());
        let crowd = Crowd::connect(plan, |ready| progress.connected(ready));
        let mut crowd = crowd.map_err(anyhow::Error::new)?;
        let connected = Usage::of_all(&self.pid);
        if self.task.publishes_over_http() {
            crowd.try_publish().map_err(anyhow::Error::new)?;
        }
        if let Some(warm_up) = self.task.warm_up() {
            self.phase(&mut crowd, &progress, (warm_up, "warming up"));
        }
        let measures = self.phase(&mut crowd, &progress, (self.task.phase(), "measuring"));
        progress.done();
        let outcome = Outcome {
            targets: shown,
            task: self.task.clone(),
            deflated: crowd.deflated(),
            connects: crowd.connects(),
            connected_in: crowd.connected_in(),
            // What the sockets cost the server to take in and to keep.
            connecting: server_before.zip(connected),
            measures,
            assertions,
        };
        self.tell(&outcome)?;
        outcome.judge()
    }

    fn phase(
        &self,
        crowd: &mut Crowd,
        progress: &Progress,
        (mut phase, what): (Phase, &'static str),
    ) -> crate::load::Measures {
        phase.pids.clone_from(&self.pid);
        progress.begin(&phase, what);
        crowd.run(&phase, |live| progress.live(live))
    }

    fn assertions(&self) -> Result<Vec<Assertion>, Problem> {
        let parse = |text: &String| {
            let refuse = |reason| Problem::new(format!("flag --assert is {text:?}; {reason}"));
            let assertion = Assertion::parse(text).map_err(refuse)?;
            if assertion.metric.needs_pid() && self.pid.is_empty() {
                return Err(refuse(
                    "it is read from the server's process: add --pid PID, on the same machine"
                        .to_owned(),
                ));
            }
            Ok(assertion)
        };
        self.assertions.iter().map(parse).collect()
    }

    fn usage(&self) -> Result<Option<Usage>, Problem> {
        for pid in &self.pid {
            if Usage::of(*pid).is_none() {
                return Err(Problem::new(format!(
                    "flag --pid is {pid}; this machine has no such process, or no /proc to read"
                )));
            }
        }
        Ok(Usage::of_all(&self.pid))
    }

    /// Where to, and as whom. The configuration is only read if flags leave something open.
    fn destination(&self) -> Result<(Vec<Target>, Credentials), Problem> {
        let targets: Vec<Target> = self.url.iter().map(|url| at(url)).collect::<Result<_, _>>()?;
        if let (Some(app_id), Some(key), Some(secret), false) =
            (&self.app_id, &self.key, &self.secret, targets.is_empty())
        {
            let (app_id, key) = (app_id.clone(), key.clone());
            return Ok((targets, Credentials { app_id, key, secret: Secret::new(secret) }));
        }
        let config = Config::load(self.config.as_deref(), Vec::new())?;
        let targets = if targets.is_empty() { vec![listening(&config)] } else { targets };
        let credentials = match (&self.app_id, &self.key, &self.secret) {
            (Some(app_id), Some(key), Some(secret)) => Credentials {
                app_id: app_id.clone(),
                key: key.clone(),
                secret: Secret::new(secret),
            },
            _ => {
                let app = choose(&config, "--app-id", self.app_id.as_deref())?;
                let (app_id, key) = (app.id.clone(), app.key.clone());
                Credentials { app_id, key, secret: app.secret.clone() }
            }
        };
        Ok((targets, credentials))
    }

    fn plan(&self, targets: Vec<Target>, credentials: Credentials) -> Plan {
        let task = &self.task;
        let prefix = match task.kind {
            Kind::Public => "",
            Kind::Private => "private-",
            Kind::Presence => "presence-",
        };
        // Two runs at the same time must not hear each other.
        let run: u32 = rand::random();
        let channels = (0..task.channels).map(|nth| format!("{prefix}load-{run:08x}-{nth}"));
        let subscriptions = task.subscriptions_per_socket;
        Plan {
            seats: Seat::spread(task.connections, targets.len(), task.channels, subscriptions),
            channels: channels.collect(),
            targets,
            credentials,
            deflate: task.deflate,
            threads: task.threads,
        }
    }

    fn tell(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let json = || {
            let figures = figures::Figures::of(outcome);
            serde_json::to_string_pretty(&figures).expect("numbers and plain text serialize") + "\n"
        };
        match self.json.as_deref() {
            Some(path) if path.as_os_str() == "-" => return print(&json()),
            Some(path) => {
                let written = fs::write(path, json());
                written.with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => {}
        }
        print(&report::report(outcome, Terminal::of_this_process().colours(&io::stdout())))
    }
}
