//! What the environment sets for terminals: colours, and lines that are drawn again.
//!
//! Owns the variables for it: `NO_COLOR` (no-color.org), `CLICOLOR`, `CLICOLOR_FORCE` and `TERM`.
//! The colours themselves are the writers'.

use std::io::IsTerminal;

use super::environment::{self, Variables};

/// The settings of the environment, for each stream the program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    colours: Colours,
    is_dumb: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    Never,
    /// If the stream is a terminal.
    Terminal,
    Always,
}

impl Terminal {
    /// As this process was started.
    pub fn of_this_process() -> Self {
        Self::of(&environment::of_this_process())
    }

    /// `NO_COLOR` wins over `CLICOLOR_FORCE`, as in other programs; empty is not set.
    fn of(variables: &Variables) -> Self {
        let value = |name| variables.get(name).map(String::as_str).unwrap_or_default();
        let is_dumb = value("TERM") == "dumb";
        let colours = match (value("NO_COLOR"), value("CLICOLOR_FORCE"), value("CLICOLOR")) {
            ("", "" | "0", "0") => Colours::Never,
            ("", "" | "0", _) if is_dumb => Colours::Never,
            ("", "" | "0", _) => Colours::Terminal,
            ("", _, _) => Colours::Always,
            _ => Colours::Never,
        };
        Self { colours, is_dumb }
    }

    /// Whether what is written to `stream` may have colours.
    pub fn colours(self, stream: &impl IsTerminal) -> bool {
        match self.colours {
            Colours::Never => false,
            Colours::Terminal => stream.is_terminal(),
            Colours::Always => true,
        }
    }

    /// Whether a line on `stream` can be drawn again.
    pub fn redraws(self, stream: &impl IsTerminal) -> bool {
        !self.is_dumb && stream.is_terminal()
    }
}

#[cfg(test)]
mod tests {
    use super::{Colours, Terminal};

    fn terminal(variables: &[(&str, &str)]) -> Terminal {
        Terminal::of(&variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn the_conventions_of_terminals_are_followed() {
        let (no, force, cli) = ("NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR");
        for (variables, colours) in [
            (&[][..], Colours::Terminal),
            (&[("TERM", "xterm-256color")], Colours::Terminal),
            (&[(no, "1")], Colours::Never),
            (&[(no, "0")], Colours::Never),
            (&[(no, "")], Colours::Terminal),
            (&[("TERM", "dumb")], Colours::Never),
            (&[(cli, "0")], Colours::Never),
            (&[(cli, "1")], Colours::Terminal),
            (&[(force, "1")], Colours::Always),
            (&[(force, "0")], Colours::Terminal),
            (&[(force, "")], Colours::Terminal),
            (&[(force, "1"), ("TERM", "dumb"), (cli, "0")], Colours::Always),
            (&[(force, "1"), (no, "1")], Colours::Never),
        ] {
            assert_eq!(terminal(variables).colours, colours, "{variables:?}");
        }
    }

    #[test]
    fn a_dumb_terminal_redraws_nothing() {
        assert!(terminal(&[("TERM", "dumb")]).is_dumb);
        assert!(!terminal(&[("NO_COLOR", "1")]).is_dumb);
    }
}
