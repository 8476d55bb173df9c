//! Logging: one line per event on stderr, as text or as JSON.
//!
//! Owns the subscriber of the process, and three promises about what peers can do to the log: a kind
//! of event has a bounded number of lines ([`line_layer`]), a line a bounded number of bytes and no
//! control characters ([`line`](mod@line)), and a log that takes no lines delays nothing ([`line_queue`]).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tracing::Dispatch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogConfig, LogFormat, Terminal};

mod line;
mod line_layer;
mod line_limit;
mod line_queue;
mod log_losses;
mod terminal_text;

pub use log_losses::LogLosses;
pub use terminal_text::{terminal_data, terminal_line, terminal_text};

use line::LineStyle;
use line_layer::{LineLayer, LineSink, Lines};
use line_queue::LineQueue;

/// The directives that `--debug` adds to the filter: our own debug events and the message stream.
const DEBUG: &str = "resound=debug,resound::stream=trace";

/// How long the end of the process waits for a log that takes no lines.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The log of the process. Dropping it writes the sums and the lines that wait, if stderr takes them
/// within a second.
pub struct LogGuard {
    lines: Arc<Lines<Arc<LineQueue>>>,
    filter: reload::Handle<Targets, Registry>,
}

/// Installs the log of the process. Fails if one is installed already.
pub fn start(config: &LogConfig, terminal: Terminal) -> anyhow::Result<LogGuard> {
    let style = match config.format {
        LogFormat::Json => LineStyle::Json,
        _ if terminal.colours(&io::stderr()) => LineStyle::Coloured,
        LogFormat::Human | LogFormat::Auto => LineStyle::Plain,
    };
    let queue = LineQueue::new(&log_losses::OF_THIS_PROCESS);
    let lines = Arc::new(Lines::new(style, queue.clone()));
    let ticked = lines.clone();
    queue
        .start(io::stderr(), move |now| ticked.write_due_sums(now))
        .context("cannot start the thread of the log")?;
    let (dispatch, filter) = dispatch(config, &lines)?;
    tracing::dispatcher::set_global_default(dispatch)?;
    Ok(LogGuard { lines, filter })
}

impl LogGuard {
    /// Applies another `log.level` and `log.debug`. The form of lines stays.
    pub fn reload(&self, config: &LogConfig) -> anyhow::Result<()> {
        self.filter.reload(filter(config)?)?;
        self.lines.show_details(config);
        Ok(())
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.lines.write_last_sums();
        self.lines.sink().end(END_TIMEOUT);
    }
}

impl LineSink for Arc<LineQueue> {
    fn take(&self, line: &str) {
        self.push(line);
    }
}

/// The subscriber that passes lines on, and what reloads its filter.
fn dispatch<Q: LineSink>(
    config: &LogConfig,
    lines: &Arc<Lines<Q>>,
) -> anyhow::Result<(Dispatch, reload::Handle<Targets, Registry>)> {
    lines.show_details(config);
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let subscriber = Registry::default().with(filter).with(LineLayer(lines.clone()));
    Ok((subscriber.into(), handle))
}

fn filter(config: &LogConfig) -> anyhow::Result<Targets> {
    Ok(match config.debug {
        true => format!("{},{DEBUG}", config.level).parse()?,
        false => config.level.parse()?,
    })
}

#[cfg(test)]
mod tests;
