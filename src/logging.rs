//! Logging: one line per event on stderr, as text or as JSON.
//!
//! Owns the subscriber of the process and the rule that an event is one line: control characters that
//! a client sends are escaped, so they neither reach the terminal nor start a line. Never blocks:
//! while stderr is a full pipe, lines are dropped and counted.

use std::fmt::{self, Write as _};
use std::io;

use tracing::Dispatch;
use tracing::field::Field;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::config::{LogConfig, LogFormat, Terminal};

/// Lines that may wait for stderr: 3 MB at 200 bytes each.
const BUFFERED_LINES: usize = 16_384;

/// The directives that `--debug` adds to the filter: our own debug events and the message stream.
const DEBUG: &str = "resound=debug,resound::stream=trace";

/// Keeps the thread that writes the log. Dropping it logs how many lines were lost and writes the
/// waiting ones, if stderr takes them within a second.
#[derive(Debug)]
pub struct LogGuard {
    worker: Option<WorkerGuard>,
    dropped: ErrorCounter,
}

/// How lines are styled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineStyle {
    Coloured,
    Plain,
}

/// Installs the log of the process. Fails if one is installed already.
pub fn start(config: &LogConfig, terminal: Terminal) -> anyhow::Result<LogGuard> {
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("resound-log")
        .finish(io::stderr());
    let dropped = writer.error_counter();
    let style =
        if terminal.colours(&io::stderr()) { LineStyle::Coloured } else { LineStyle::Plain };
    let dispatch = dispatch(config, style, writer)?;
    tracing::dispatcher::set_global_default(dispatch)?;
    Ok(LogGuard { worker: Some(worker), dropped })
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let lines = self.dropped.dropped_lines();
        if lines > 0 {
            // Through the log: a write to a stderr that was too slow could block for ever.
            tracing::warn!(lines, "log lines were dropped: stderr was too slow");
        }
        drop(self.worker.take());
    }
}

/// The subscriber that writes lines to `sink`.
fn dispatch<W>(config: &LogConfig, style: LineStyle, sink: W) -> anyhow::Result<Dispatch>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = match config.debug {
        true => EnvFilter::try_new(format!("{},{DEBUG}", config.level))?,
        false => EnvFilter::try_new(&config.level)?,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(sink);
    Ok(match config.format {
        LogFormat::Json => lines.json().flatten_event(true).into(),
        LogFormat::Human | LogFormat::Auto => lines
            .with_ansi(style == LineStyle::Coloured)
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .into(),
    })
}

/// Escapes the message and every field. `tracing_subscriber` escapes neither line ends in messages
/// nor, in fields formatted with `%`, the escape character itself.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(Escaped(writer), "{value:?}"),
        name => write!(Escaped(writer), "{name}={value:?}"),
    }
}

/// Writes every control character as its Rust escape.
#[derive(Debug)]
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            match piece.char_indices().next_back() {
                Some((end, last)) if last.is_control() => {
                    write!(self.0, "{}{}", &piece[..end], last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::{LineStyle, dispatch};
    use crate::config::{LogConfig, LogFormat};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn config(format: LogFormat) -> LogConfig {
        LogConfig { format, level: "info".to_owned(), debug: false }
    }

    fn written(config: &LogConfig, style: LineStyle, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let clone = sink.clone();
        let dispatch = dispatch(config, style, move || clone.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, log);
        String::from_utf8(sink.0.lock().clone()).unwrap()
    }

    /// Text that forges a line, colours the terminal and clears it, unless it is escaped.
    const HOSTILE: &str = "a\nb\r\u{1b}[31mc\u{9b}2Jd\te\u{7f}";

    fn log_hostile() {
        tracing::info!(plain = HOSTILE, shown = %HOSTILE, debugged = ?HOSTILE, "{HOSTILE}");
    }

    fn check_escaped(style: LineStyle) {
        let text = written(&config(LogFormat::Human), style, log_hostile);
        let (_, fields) = text.strip_suffix('\n').unwrap().rsplit_once("tests").unwrap();
        let fields = fields.replace("\u{1b}[0m", "").replace("\u{1b}[2m", "");
        let escaped = r"a\nb\r\u{1b}[31mc\u{9b}2Jd\te\u{7f}";
        let expected =
            format!(": {escaped} plain=\"{escaped}\" shown={escaped} debugged=\"{escaped}\"");
        assert_eq!(fields, expected, "{style:?}");
    }

    #[test]
    fn client_text_cannot_forge_lines_or_control_a_terminal() {
        check_escaped(LineStyle::Plain);
        check_escaped(LineStyle::Coloured);
    }

    #[test]
    fn a_plain_line_has_no_colours() {
        let log = || tracing::warn!(target: "t", count = 1, name = %"n", "words here");
        let text = written(&config(LogFormat::Auto), LineStyle::Plain, log);
        let (_, after_time) = text.split_once("  ").unwrap();
        assert_eq!(after_time, "WARN t: words here count=1 name=n\n");
        assert!(written(&config(LogFormat::Auto), LineStyle::Coloured, log).contains("\u{1b}[33m"));
    }

    #[test]
    fn json_lines_preserve_the_text() {
        let text = written(&config(LogFormat::Json), LineStyle::Plain, log_hostile);
        assert_eq!(
            text.find(|c: char| c.is_ascii_control() && c != '\u{7f}'),
            Some(text.len() - 1)
        );
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["plain"], HOSTILE);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn debug_adds_the_message_stream_and_no_events_of_other_crates() {
        let log = || {
            tracing::trace!(target: "resound::stream", "stream");
            tracing::debug!(target: "resound::hub", "socket");
            tracing::debug!(target: "hyper", "other");
        };
        let debug = LogConfig { debug: true, ..config(LogFormat::Human) };
        let text = written(&debug, LineStyle::Plain, log);
        let seen: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(seen, ["stream", "socket"]);
        assert_eq!(written(&config(LogFormat::Human), LineStyle::Plain, log), "");
    }
}
