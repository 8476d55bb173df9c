//! The `resound` program: hands its arguments to the library and returns its exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    resound::cli::run(resound::cli::Cli::parse())
}
