//! `resound completions SHELL`: the script with which a shell completes commands and flags.

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::stdout::print;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell that reads the script.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    /// `program`: all commands with their flags.
    pub(super) fn run(self, mut program: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "resound", &mut script);
        print(&String::from_utf8_lossy(&script))?;
        Ok(())
    }
}
