//! What a command prints, on stdout and beside it.
//!
//! Owns the way there: no text of a server, a file, Redis or a configuration commands the terminal. The rule is that of
//! [`resound::logging`].

use std::io::{self, Write};

use anyhow::Context;
use resound::logging::{terminal_data, terminal_text};

/// Writes a text for people to stdout. A reader that has gone away (`resound check | head -1`) is no failure.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    print_styled(&terminal_text(text)).map(drop)
}

/// Writes JSON or TOML to stdout, which programs read as it was.
pub(super) fn print_data(text: &str) -> anyhow::Result<()> {
    print_styled(&terminal_data(text)).map(drop)
}

/// Writes a text with colours to stdout, in which the texts of others are escaped already. False if its reader has gone
/// away.
pub(super) fn print_styled(text: &str) -> anyhow::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes a line to stderr: an error, a warning, what happens to the command itself.
pub(super) fn print_beside(line: &str) -> anyhow::Result<()> {
    writeln!(io::stderr(), "{}", terminal_text(line)).context("cannot write to stderr")
}
