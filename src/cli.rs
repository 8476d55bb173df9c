//! The command line: `serve`, `check`, `trigger`, `bench`, `doctor`, `healthcheck`, and what packages are made with.
//!
//! Owns the arguments and the text on the terminal. The work is done by the library and the load generator.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use resound::build_info;

mod advice;
mod banner;
mod bench;
mod check;
mod completions;
mod destination;
mod doctor;
mod env_file;
mod expect;
mod explain;
mod expected_event;
mod failure;
mod healthcheck;
mod import;
mod internal_server;
mod man;
mod row_text;
mod running;
mod pid_file;
mod reload;
mod reloading;
mod serve;
mod signals;
mod stdout;
mod tail;
mod target;
mod tls_trust;
mod trigger;
mod upgrade;

/// A Pusher-protocol WebSocket server: a drop-in replacement for Laravel Reverb.
#[derive(Debug, Parser)]
#[command(version = build_info::DESCRIPTION, about, arg_required_else_help = true)]
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
    /// Hand a running server over to the program as it is on disk, without a refused connection.
    Upgrade(upgrade::UpgradeCommand),
    /// Let a running server read its configuration again, and report whether it accepts it.
    Reload(reload::Reload),
    /// Write a configuration file from the .env and config/reverb.php of a Laravel application.
    Import(import::Import),
    /// Send one event, signed as a Laravel back end signs it.
    Trigger(trigger::Trigger),
    /// Put load on a server with Pusher's protocol, and measure it.
    Bench(Box<bench::Bench>),
    /// Name what keeps events of a Laravel application from arriving, and the line to change.
    Doctor(doctor::Doctor),
    /// Show what happens on a running server, as it happens.
    Tail(Box<tail::Tail>),
    /// Wait for an event on a channel, as an assertion of an end-to-end test.
    Expect(Box<expect::Expect>),
    /// Explain why events arrive on a channel of a running server, or why not.
    Explain(Box<explain::Explain>),
    /// Ask a running server whether it is ready, as a health check of a container does.
    Healthcheck(healthcheck::Healthcheck),
    /// Print the script with which a shell completes the commands and their flags.
    Completions(completions::Completions),
    /// Print the manual page of the program, or of a command.
    Man(man::Man),
}

/// Runs the command, and reports its failure.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Check(check) => check.run(),
        Command::Upgrade(upgrade) => upgrade.run(),
        Command::Reload(reload) => reload.run(),
        Command::Import(import) => import.run(),
        Command::Trigger(trigger) => trigger.run(),
        Command::Bench(bench) => bench.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Tail(tail) => tail.run(),
        Command::Expect(expect) => expect.run(),
        Command::Explain(explain) => explain.run(),
        Command::Healthcheck(healthcheck) => healthcheck.run(),
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
