//! `resound serve`: the start of the server process, from flags to the first connection.
//!
//! Owns the order of the start, the runtime and the descriptor limit. What happens while it serves is left
//! to `running`.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::banner::{Launch, banner};
use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::pid_file::PidFile;
use super::reloading::{Reloading, Watch};
use super::running;
use super::signals::Signals;
use super::stdout::print;
use resound::config::{
    Config, ConfigInputs, EXAMPLE_SECRET, EnvFileReport, Flag, ListenAddress, LogFormat,
    SupervisionVariables, Terminal,
};
use resound::doctor::ServerDoctor;
use resound::logging::{self, LogGuard};
use resound::server::{Server, foreign_descriptors};
use resound::supervision::{ControlSocket, Inheritance, OwnerSocket};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The file to read; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env_file: EnvFileFlags,
    /// The IP address to listen on.
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on.
    #[arg(long, allow_negative_numbers = true)]
    port: Option<String>,
    /// The prefix of every route.
    #[arg(long)]
    path: Option<String>,
    /// The public name, shown at start.
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// The Redis of Reverb servers that serve the same apps: events reach the browsers of both.
    #[arg(long, value_name = "URL")]
    beside_reverb: Option<String>,
    /// Show every message.
    #[arg(long)]
    debug: bool,
    /// The form of log lines: auto, human or json.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        // First, while the process has one thread: it changes the environment.
        let inheritance = Inheritance::take(&SupervisionVariables::of_this_process().socket_names)?;
        let predecessor = usize::from(inheritance.predecessor.is_some());
        let foreign_descriptors = foreign_descriptors(inheritance.sockets.len() + predecessor);
        let mut inputs = self.env_file.with(self.config.as_deref());
        inputs.flags = self.flags();
        let config = Config::load_from(&inputs)?;
        let log = logging::start(&config.log, Terminal::of_this_process())?;
        let runtime = runtime()?;
        let start = Start { inputs, log: &log, inheritance, foreign_descriptors };
        let done = runtime.block_on(serve(&config, start));
        // After the second signal nothing is waited for; after a drain nothing is left.
        runtime.shutdown_background();
        drop(log);
        done
    }

    /// The flags that were given, as text: they are read like variables, with the same messages.
    fn flags(self) -> Vec<Flag> {
        let given = [
            ("--host", "server.host", self.host),
            ("--port", "server.port", self.port),
            ("--path", "server.path", self.path),
            ("--hostname", "server.hostname", self.hostname),
            ("--beside-reverb", "beside_reverb.url", self.beside_reverb),
            ("--debug", "log.debug", self.debug.then(|| "true".to_owned())),
            ("--log-format", "log.format", self.log_format),
        ];
        let flag =
            |(name, key, text): (_, _, Option<String>)| Some(Flag { name, key, text: text? });
        given.into_iter().filter_map(flag).collect()
    }
}

/// For signals, webhooks and what is done now and then; connections are served by the server's
/// own threads.
fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")
}

/// What a process has besides its configuration.
struct Start<'a> {
    inputs: ConfigInputs,
    log: &'a LogGuard,
    inheritance: Inheritance,
    /// Those that the parent left open for a purpose of its own: no connection can have them.
    foreign_descriptors: u64,
}

async fn serve(config: &Config, start: Start<'_>) -> Result<(), Failure> {
    let Start { inputs, log, inheritance, foreign_descriptors } = start;
    let descriptors = rlimit::increase_nofile_limit(u64::MAX)
        .context("cannot read the limit of open files (ulimit -n)")?;
    // Before the socket is bound: a signal that comes early must not kill without a drain.
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let mut server = Server::with_sockets(config, inheritance.sockets).await?;
    OwnerSocket::listen().into_iter().for_each(|socket| server.serve_owner(socket));
    // Before the line "server started", after which commands are sent: they wait in its backlog.
    server.set_checks(Arc::new(ServerDoctor::new(inputs.clone(), config, &server)));
    let control = ControlSocket::listen();
    let pid_file = config.server.pid_file.clone().map(PidFile::new);
    pid_file.as_ref().map_or(Ok(()), PidFile::write)?;
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let (address, addresses) = (first_ip(server.addresses()), addresses.join(","));
    let sockets_max = server.share_descriptors(descriptors.saturating_sub(foreign_descriptors));
    let api: Vec<String> = server.api_addresses().iter().map(ToString::to_string).collect();
    let internal = server.internal_addresses().iter().map(ToString::to_string);
    let internal: Vec<String> = internal.collect();
    tracing::info!(
        address = addresses,
        api = (!api.is_empty()).then(|| api.join(",")),
        internal = (!internal.is_empty()).then(|| internal.join(",")),
        workers = config.server.workers,
        descriptors,
        sockets_max,
        "server started"
    );
    warn_of_example_secret(config);
    if config.record.is_some() {
        tracing::warn!(
            "record.enabled is on, for development: the data of events is kept in memory, and can be read at the internal listener"
        );
    }
    warn_of_few_descriptors(config, sockets_max);
    name_injected(config);
    name_env_file(config);
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    greet(config, &addresses, address, server.console_url().as_deref())?;

    let (reloader, watch) = (server.reloader(), Watch::new(config));
    let reloading =
        Reloading { inputs, reloader, log, pid_file: pid_file.clone(), watch, reloads: 0 };
    let predecessor = inheritance.predecessor;
    let commands = (&mut signals, control);
    let done = running::serve_until_stopped(server, config, commands, predecessor, reloading).await;
    pid_file.as_ref().map(PidFile::remove);
    done
}

fn warn_of_example_secret(config: &Config) {
    for app in config.apps.iter().filter(|app| app.secret.reveal() == EXAMPLE_SECRET) {
        tracing::warn!(app = app.id, "the secret is the one of the example file: change it");
    }
}

fn name_injected(config: &Config) {
    if !config.injected.is_empty() {
        let variables = config.injected.join(", ");
        tracing::info!(
            %variables,
            "variables that Kubernetes or Docker set for a service of this name are ignored"
        );
    }
}

fn name_env_file(config: &Config) {
    if let Some(EnvFileReport { name, variables }) = &config.env_file {
        let variables = variables.join(", ");
        tracing::info!(file = name, %variables, "settings were read from a .env file");
    }
}

fn warn_of_few_descriptors(config: &Config, sockets_max: usize) {
    for app in config.apps.iter() {
        let max_connections = app.limits.connections.unwrap_or(0);
        if max_connections as usize > sockets_max {
            let app = &app.id;
            tracing::warn!(
                app,
                max_connections,
                sockets_max,
                "max_connections is more than the limit of open files allows: raise that limit (systemd LimitNOFILE=, ulimit -n)"
            );
        }
    }
}

/// The first address that is not a unix socket.
fn first_ip(addresses: &[ListenAddress]) -> Option<SocketAddr> {
    addresses.iter().find_map(ListenAddress::ip)
}

/// The banner is for terminals. Log collectors get it with the development app only, whose credentials
/// stand nowhere else.
fn greet(
    config: &Config,
    addresses: &str,
    address: Option<SocketAddr>,
    console: Option<&str>,
) -> anyhow::Result<()> {
    let for_people = io::stdout().is_terminal() && config.log.format != LogFormat::Json;
    if !for_people && config.development.is_none() {
        return Ok(());
    }
    let program = std::env::args().next().unwrap_or_default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_unix_seconds = now.as_secs();
    let launch = Launch { addresses, address, console, program: &program, now_unix_seconds };
    print(&banner(config, &launch))
}
