//! What a command prints.

use std::io::{self, Write};

use resound::logging::terminal_text;

/// Writes a text with parts of a configuration, or of a peer, to stdout: none of them commands a terminal.
pub(super) fn print_foreign(text: &str) -> anyhow::Result<()> {
    print(&terminal_text(text))
}

/// Writes to stdout. A reader that has gone away (`resound check | head -1`) is no failure.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
