//! The run of `resound bench`: connect, try, warm up, measure, report, judge.
//!
//! Owns the flags of the load and everything that is shown of it. Where the server is, and where the
//! output goes, is left to the command.
//!
//! # JSON
//!
//! [`json`] writes one object; all numbers are integers, the unit is the last word of a name, and
//! what was not measured is `null`. A spread is `{p50, p90, p99, p999, max, mean}`.
//!
//! | field | |
//! |---|---|
//! | `targets`, `connections`, `channels`, `kind`, `payload_bytes`, `deflated_sockets` | the load that was requested, and granted |
//! | `connect_ns`, `connect_total_ns` | a spread: from a socket's start to its last subscription; all of them |
//! | `elapsed_ns`, `published`, `expected`, `delivered`, `lost`, `disordered`, `deliveries_per_second`, `received_bytes` | the measured phase; bytes are those on the wire |
//! | `latency_ns`, `latency_buckets[].to_ns`, `latency_buckets[].count` | from when an event was due until it was read |
//! | `answer_ns`, `lateness_ns` | the duration of a request; how late it was sent |
//! | `refused{status}`, `unanswered`, `refusal`, `errors`, `error`, `closed{code}`, `open_sockets` | failures, with the first text of each kind |
//! | `server.cpu_user_ns`, `.cpu_system_ns`, `.cpu_per_delivery_ns`, `.cpu_per_connect_ns`, `.rss_bytes`, `.memory_per_socket_bytes` | with `--pid` |
//! | `client.cpu_ns`, `.cpu_per_delivery_ns`, `.cpu_per_connect_ns`, `.cpu_percent` | the generator itself; 100 is one core |
//! | `assertions[].expression`, `.measured`, `.holds` | `measured` in ns, bytes, parts per million, or a count |

use super::client_pool::ClientPool;
use super::credentials::Credentials;
use super::load_error::LoadError;
use super::phase::{Measures, Phase};
use super::plan::{Plan, PlannedSocket};
use super::system;
use super::target::Target;
use super::usage::Usage;

mod assertion;
mod figures;
mod histogram_chart;
mod metric;
mod options;
mod outcome;
mod progress_line;
mod report;

pub use figures::json;
pub use options::{BenchOptions, InvalidFlag};
pub use outcome::Outcome;
pub use progress_line::ProgressLine;
pub use report::{Colours, ShowsText, report};

use assertion::Assertion;
use options::Kind;

/// A run whose flags have been checked.
#[derive(Debug)]
pub struct Bench {
    options: BenchOptions,
    assertions: Vec<Assertion>,
    /// The usage of the server before the first socket.
    before: Option<Usage>,
}

impl Bench {
    /// Checks the flags, `--assert` among them, before anything is started.
    pub fn new(options: BenchOptions, assertions: &[String]) -> Result<Self, InvalidFlag> {
        let assertions = assertions.iter().map(|text| assertion(text, &options.pid));
        let assertions = assertions.collect::<Result<_, _>>()?;
        options.check()?;
        if let Some(pid) = options.pid.iter().find(|pid| system::usage(**pid).is_err()) {
            return Err(InvalidFlag::new(&format!(
                "--pid is {pid}; this machine has no such process, or no /proc to read"
            )));
        }
        let before = system::usage_of_all(&options.pid);
        Ok(Self { options, assertions, before })
    }

    /// Connects the sockets, puts the load on them, and measures.
    pub fn measure(
        self,
        targets: Vec<Target>,
        credentials: Credentials,
        progress: &ProgressLine,
    ) -> Result<Outcome, LoadError> {
        let plan = self.plan(targets, credentials);
        let shown = plan.targets.iter().map(ToString::to_string).collect();
        progress.connecting(plan.sockets.len());
        let unused = system::own_usage();
        let mut pool = ClientPool::connect(plan, |ready| progress.connected(ready))?;
        let client_connecting = unused.zip(system::own_usage());
        let connected = system::usage_of_all(&self.options.pid);
        if self.options.publishes_over_http() {
            pool.try_publish()?;
        }
        if let Some(warm_up) = self.options.warm_up() {
            run(&mut pool, &warm_up, progress, "warming up");
        }
        let measures = run(&mut pool, &self.options.phase(), progress, "measuring");
        progress.done();
        Ok(Outcome {
            targets: shown,
            options: self.options,
            deflated: pool.deflated(),
            connects: pool.connects(),
            connected_in: pool.connected_in(),
            connecting: self.before.zip(connected),
            client_connecting,
            measures,
            assertions: self.assertions,
        })
    }

    fn plan(&self, targets: Vec<Target>, credentials: Credentials) -> Plan {
        let BenchOptions { connections, channels, subscriptions_per_socket, .. } = self.options;
        let prefix = match self.options.kind {
            Kind::Public => "",
            Kind::Private => "private-",
            Kind::Presence => "presence-",
        };
        // Two runs at the same time must not receive each other's events.
        let run: u32 = rand::random();
        let names = (0..channels).map(|nth| format!("{prefix}load-{run:08x}-{nth}"));
        let (nodes, subscriptions) = (targets.len(), subscriptions_per_socket);
        Plan {
            sockets: PlannedSocket::spread(connections, nodes, channels, subscriptions),
            channels: names.collect(),
            targets,
            credentials,
            deflate: self.options.deflate,
            threads: self.options.threads,
        }
    }
}

fn run(
    pool: &mut ClientPool,
    phase: &Phase,
    progress: &ProgressLine,
    what: &'static str,
) -> Measures {
    progress.begin(phase, what);
    pool.run(phase, |state| progress.update(state))
}

fn assertion(text: &str, pids: &[u32]) -> Result<Assertion, InvalidFlag> {
    let refuse = |reason| InvalidFlag::new(&format!("--assert is {text:?}; {reason}"));
    let assertion = Assertion::parse(text).map_err(refuse)?;
    if assertion.metric.needs_pid() && pids.is_empty() {
        return Err(refuse(
            "it is read from the server's process: add --pid PID, on the same machine".to_owned(),
        ));
    }
    Ok(assertion)
}
