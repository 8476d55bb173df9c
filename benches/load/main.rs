//! What the whole server costs under load, beside what the kernel allows.
//!
//! Question: does each promise about speed hold on this machine: CPU per delivery, per connection
//! and per request, memory per socket, isolation of channels from pools and of pools from one
//! slow reader? Every scenario runs against the real binary as a process of its own, over
//! loopback, in rounds; medians are shown. The floor is the bare loop (`bare_loop.rs`), which is
//! measured in the same rounds: one thread that writes one made frame to every socket. Of several
//! nodes, two are measured on a real Redis, with both wires, beside one node that needs none, and with
//! channels that are spread over partitions.
//!
//! ```sh
//! cargo bench --bench load                                  # all of it, about 25 minutes
//! cargo bench --bench load -- --quick                       # shows that it works, in a minute
//! cargo bench --bench load -- --only fan-out,api --rounds 3 --server target/release/resound
//! cargo bench --bench load -- --only cluster                # what several nodes cost
//! cargo bench --bench load -- --only partitions             # on one Redis, a Redis Cluster, three Redis
//! cargo bench --bench load -- --only faults                 # slots that move, a master that dies
//! cargo bench --bench load -- --only instructions --rounds 1      # counted by Callgrind, 30 seconds
//! cargo bench --bench load -- --only consoles --rounds 1 --long   # three open consoles, for five minutes
//! cargo bench --bench load -- --peer soketi,4711,http://127.0.0.1:6001,app-id,app-key,app-secret
//! ```
//!
//! Connecting and warming up are never part of a figure. A machine that does other things at the
//! same time makes all figures worse; the ratio to the bare loop suffers least.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people to read, not a part of the server"
)]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;

use crate::figures::{Figures, Runs, median};
use crate::machine::Machine;
use crate::meter::Meter;
use crate::options::Options;
use crate::scenarios::{Scale, Scenario};
use crate::sheet::Sheet;
use crate::subject::Kind;
use crate::table::{Results, Table};

mod bare_loop;
mod bound;
mod callgrind;
mod client;
mod figures;
mod machine;
mod meter;
mod nginx;
mod options;
mod pool;
mod process;
mod redis;
mod redis_servers;
mod scenarios;
mod sheet;
mod slots;
mod subject;
mod table;
mod tls_pool;
mod traffic;
mod viewer;
mod watcher;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.bare_loop {
        Some(port) => bare_loop::run(port).map(|()| ExitCode::SUCCESS),
        None => measure(&options),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn measure(options: &Options) -> anyhow::Result<ExitCode> {
    check_names(&options.only)?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let program = options.server.clone();
    let program = program.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_resound")));
    let started = Instant::now();
    let mut others = Vec::new();
    let mut table = Table { text: String::new(), missed: 0, failed: 0 };
    for sheet in Sheet::all(options, &program) {
        if !sheet.scenarios.is_empty() {
            table.append(&table::table(&sheet, &run_all(&sheet, options, &mut others)));
        }
    }
    table.text.push_str(&circumstances(options, &others));
    print!("{}", table.text);
    eprintln!("{} s; {} bounds missed", started.elapsed().as_secs(), table.missed);
    if let Some(file) = &options.write {
        std::fs::write(file, &table.text)?;
    }
    Ok(verdict(options, &table))
}

/// The conditions in which the figures were measured.
fn circumstances(options: &Options, others: &[f64]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = match options.rounds() {
        1 => "One run".to_owned(),
        rounds => format!("Medians of {rounds} runs"),
    };
    let others = match median(others) {
        Some(busy) => format!("of which other processes took {busy:.0} %"),
        None => "and nothing could be measured".to_owned(),
    };
    let quick =
        if options.quick { " Numbers are smaller than the names say: --quick." } else { "" };
    let debug = if cfg!(debug_assertions) { " A debug build: its times say nothing." } else { "" };
    format!("\n{runs} on {cores} cores, {others}.{quick}{debug}\n")
}

/// A missed bound is a failure only with `--check`; a figure that is missing always is.
fn verdict(options: &Options, table: &Table) -> ExitCode {
    match table {
        Table { failed: 1.., .. } => ExitCode::from(2),
        Table { missed: 1.., .. } if options.check => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    }
}

fn check_names(only: &[String]) -> anyhow::Result<()> {
    let several =
        scenarios::SEVERAL_NODES.iter().chain(&scenarios::PARTITIONS).chain(&scenarios::FAULTS);
    let all = scenarios::ONE_SERVER.iter().chain(several).chain(&scenarios::INSTRUCTIONS);
    let all: Vec<&str> = all.map(|scenario| scenario.name).collect();
    for chosen in only {
        let is_there = all.iter().any(|name| sheet::names(chosen, name));
        ensure!(is_there, "no scenario {chosen:?}; there are {all:?}");
    }
    Ok(())
}

fn run_all(sheet: &Sheet, options: &Options, others: &mut Vec<f64>) -> Results {
    let scale = match (options.quick, options.long) {
        (true, _) => Scale::Quick,
        (false, true) => Scale::Long,
        (false, false) => Scale::Full,
    };
    let mut results = Results::new();
    for scenario in &sheet.scenarios {
        let subjects = sheet.subjects(scenario);
        results.insert(scenario.name, run(scenario, &subjects, options.rounds(), scale, others));
    }
    results
}

/// Every subject in turn, round after round, so that what the machine does beside hits all alike.
fn run(
    scenario: &Scenario,
    subjects: &[&Kind],
    rounds: usize,
    scale: Scale,
    others: &mut Vec<f64>,
) -> HashMap<String, Runs> {
    let mut all: HashMap<String, Runs> = HashMap::new();
    for round in 1..=rounds {
        for kind in subjects {
            let (name, subject) = (scenario.name, kind.name());
            let run = run_once(scenario, kind, scale);
            match &run {
                Ok((figures, busy)) => {
                    eprintln!(
                        "{name}, round {round}, {subject}: {figures:.2?}, others {busy:.0} %"
                    );
                    others.push(*busy);
                }
                Err(error) => eprintln!("{name}, round {round}, {subject}: {error:#}"),
            }
            let run = run.map(|(figures, _)| figures);
            all.entry(subject.to_owned()).or_default().add(run);
        }
    }
    all
}

/// One run on a fresh process, and what others took of the machine meanwhile, in percent.
fn run_once(scenario: &Scenario, kind: &Kind, scale: Scale) -> anyhow::Result<(Figures, f64)> {
    let machine = Machine::read()?;
    let subject = kind.start(scenario.settings)?;
    let used = Meter::read(subject.pid)?;
    let figures = (scenario.measure)(&subject, scale)?;
    let peer = matches!(kind, Kind::Peer(_)).then(|| used.used()).transpose()?;
    // What a child used is known when it has ended.
    drop(subject);
    let busy = machine.others_since(peer.map_or(Duration::ZERO, |cpu| cpu.total))?;
    Ok((figures, busy))
}
