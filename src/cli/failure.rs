//! The failure of a command: its text on stderr and its exit code.
//!
//! Owns the exit codes. The texts are those of the errors, with the advice of `advice`.

use std::process::ExitCode;

use resound::config::ConfigError;
use resound_load::LoadError;

use super::advice;
use super::stdout::print_beside;

/// All codes with which a command ends, and what each means.
pub(super) const EXIT_CODES: [(u8, &str); 3] = [
    (0, "The command did what it is for. A server has drained after a signal."),
    (
        1,
        "It was tried and failed: an address that is taken, a Redis that is required and away, an answer that \
         confirms nothing, a bound that a measurement missed, a check of the doctor, a drain that a second signal cut \
         short.",
    ),
    (
        2,
        "Nothing was started: an argument, a variable or a line of the file is wrong, and the same call fails \
         again until it is changed.",
    ),
];

/// Why a command ends with an error.
#[derive(Debug)]
pub(super) enum Failure {
    /// Exit code 2: nothing was started, and nothing will be until something is changed.
    Configuration(ConfigError),
    /// Exit code 2: a flag that does not fit the configuration, or other flags.
    Flag(String),
    /// Exit code 2: an argument that names nothing there is.
    Argument(String),
    /// Exit code 2: the running server refused its configuration and keeps the one it has.
    Refused(String),
    /// Exit code 1: it was tried, and went wrong.
    Running(anyhow::Error),
    /// Exit code 1: a check of the doctor failed. The report on stdout has it already.
    Diagnosed,
    /// Exit code 1: a second signal cut the drain short. The log has it already.
    Impatience,
}

impl Failure {
    /// Writes it to stderr.
    pub(super) fn report(&self) -> ExitCode {
        if let Some(message) = self.message() {
            // If stderr is gone, the exit code remains.
            let _ = print_beside(&format!("error: {message}"));
        }
        self.exit_code()
    }

    /// The text, unless it has been printed already.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Configuration(problem) => Some(problem.to_string()),
            Self::Flag(text) => Some(format!("flag {text}")),
            Self::Refused(why) => Some(why.clone()),
            Self::Argument(text) => Some(format!("argument {text}")),
            Self::Running(error) => Some(format!("{error:#}")),
            Self::Diagnosed | Self::Impatience => None,
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Running(_) | Self::Diagnosed | Self::Impatience => ExitCode::from(1),
            Self::Configuration(_) | Self::Flag(_) | Self::Refused(_) | Self::Argument(_) => {
                ExitCode::from(2)
            }
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
