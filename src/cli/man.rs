//! `resound man`: the manual pages, for `man -l -` and for packages.
//!
//! Owns the sections that the arguments do not give: exit codes, signals and files.

use clap::{Args, Command};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::failure::{EXIT_CODES, Failure};
use super::stdout::print;
use resound::build_info::VERSION;

const SIGNALS: [(&str, &str); 4] = [
    ("SIGTERM, SIGINT, SIGQUIT", "Drain: sockets are closed at a pace, then the process exits."),
    ("the same again", "Every socket is closed at once."),
    ("SIGHUP", "Read the configuration again."),
    ("SIGUSR2", "Hand over to the program as it is on disk."),
];

const FILES: [(&str, &str); 2] = [
    ("/etc/resound/reverb.toml", "The configuration of the Debian package."),
    (
        "./config/",
        "Where a bare name that is given to --config is looked for, after the working folder.",
    ),
];

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The command whose page is printed; without it, the page of the program.
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl Man {
    /// `program`: all commands with their flags.
    pub(super) fn run(self, program: Command) -> Result<(), Failure> {
        let mut program = program.disable_help_subcommand(true);
        program.build();
        let page = match &self.command {
            None => page_of_program(program),
            Some(name) => match program.find_subcommand(name) {
                Some(command) => page(command.clone(), &[]),
                None => return Err(Failure::Argument(unknown(name, &program))),
            },
        };
        print(&page)?;
        Ok(())
    }
}

fn unknown(name: &str, program: &Command) -> String {
    let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
    format!("COMMAND is {name:?}, but the commands are {}", names.join(", "))
}

fn page_of_program(program: Command) -> String {
    let codes = EXIT_CODES.map(|(code, meaning)| (code.to_string(), meaning));
    let codes = codes.each_ref().map(|(code, meaning)| (&**code, *meaning));
    page(program, &[("EXIT STATUS", &codes), ("SIGNALS", &SIGNALS), ("FILES", &FILES)])
}

/// A page, with sections of terms and their explanations at its end.
fn page(command: Command, sections: &[(&str, &[(&str, &str)])]) -> String {
    let mut text = Vec::new();
    Page::new(command)
        .source(format!("resound {VERSION}"))
        .manual("Resound")
        .render(&mut text)
        .expect("memory takes all that is written");
    let mut roff = Roff::new();
    for (title, entries) in sections {
        roff.control("SH", [*title]);
        for (term, meaning) in *entries {
            roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
        }
    }
    String::from_utf8_lossy(&text).into_owned() + &roff.to_roff()
}
