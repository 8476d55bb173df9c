//! The command line: `serve`, `check`, `trigger` and `bench`.
//!
//! Owns the arguments, the exit codes and the text on the terminal. The work is done by the library and
//! the load generator.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use resound::config::ConfigError;
use resound_load::LoadError;

mod advice;
mod banner;
mod bench;
mod check;
mod destination;
mod serve;
mod signals;
mod trigger;

/// A Pusher-protocol WebSocket server: a drop-in replacement for Laravel Reverb.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (`php artisan reverb:start`).
    Serve(serve::Serve),
    /// Read the configuration as `serve` does, and print it or what is wrong with it.
    Check(check::Check),
    /// Send one event, signed as a Laravel back end signs it.
    Trigger(trigger::Trigger),
    /// Put load on a server with Pusher's protocol, and measure it.
    Bench(Box<bench::Bench>),
}

/// Why a command ends with an error.
#[derive(Debug)]
enum Failure {
    /// Exit code 2: nothing was started, and nothing will be until something is changed.
    Configuration(ConfigError),
    /// Exit code 2: a flag that does not fit the configuration, or other flags.
    Flag(String),
    /// Exit code 1: it was tried, and went wrong.
    Running(anyhow::Error),
    /// Exit code 1: a second signal cut the drain short. The log has it already.
    Impatience,
}

/// Runs the command.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Trigger(trigger) => trigger.run(),
        Command::Bench(bench) => bench.run(),
    };
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    if let Some(message) = failure.message() {
        // If stderr is gone, the exit code remains.
        let _ = writeln!(io::stderr(), "error: {message}");
    }
    failure.exit_code()
}

impl Failure {
    fn message(&self) -> Option<String> {
        match self {
            Self::Configuration(problem) => Some(problem.to_string()),
            Self::Flag(text) => Some(format!("flag {text}")),
            Self::Running(error) => Some(format!("{error:#}")),
            Self::Impatience => None,
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Running(_) | Self::Impatience => ExitCode::from(1),
            Self::Configuration(_) | Self::Flag(_) => ExitCode::from(2),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(problem: ConfigError) -> Self {
        Self::Configuration(problem)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::Running(anyhow::Error::msg(advice::text(&error)))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Running(error)
    }
}

/// Writes to stdout. A reader that has gone away (`resound check | head -1`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
