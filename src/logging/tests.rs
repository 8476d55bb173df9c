//! The lines of a log as they are written: form, escapes, bounds, levels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing_subscriber::filter::Targets;

use super::line::LINE_BYTES_MAX;
use super::line_layer::{LineSink, Lines};
use super::{LineStyle, dispatch};
use crate::config::{LogConfig, LogFormat};

#[derive(Default)]
struct Sink(Mutex<String>);

impl LineSink for Arc<Sink> {
    fn take(&self, line: &str) {
        self.0.lock().push_str(line);
    }
}

fn config() -> LogConfig {
    LogConfig { format: LogFormat::Human, level: "info".to_owned(), debug: false }
}

/// What `log` writes, and then the sums after a second.
fn written(config: &LogConfig, style: LineStyle, log: impl FnOnce()) -> [String; 2] {
    let sink = Arc::new(Sink::default());
    let lines = Arc::new(Lines::new(style, sink.clone()));
    let (dispatch, _filter) = dispatch(config, &lines).unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        log();
        let text = std::mem::take(&mut *sink.0.lock());
        lines.write_due_sums(Instant::now() + Duration::from_secs(1));
        [text, std::mem::take(&mut *sink.0.lock())]
    })
}

/// A line without its time.
fn timeless(line: &str) -> &str {
    line.split_once('Z').unwrap().1
}

/// Text that forges a line, colours the terminal and clears it, unless it is escaped.
const HOSTILE: &str = "a\nb\r\u{1b}[31mc\u{9b}2Jd\te\u{7f}";

fn log_hostile() {
    tracing::info!(plain = HOSTILE, shown = %HOSTILE, debugged = ?HOSTILE, "{HOSTILE}");
}

fn check_escaped(style: LineStyle) {
    let text = written(&config(), style, log_hostile)[0].clone();
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
    let [text, sums] = written(&config(), LineStyle::Plain, log);
    assert_eq!(timeless(&text), "  WARN t: words here count=1 name=n\n");
    assert_eq!(sums, "");
    assert!(written(&config(), LineStyle::Coloured, log)[0].contains("\u{1b}[33m WARN"));
}

#[test]
fn json_lines_preserve_the_text() {
    let [text, _] = written(&config(), LineStyle::Json, log_hostile);
    assert_eq!(text.find(char::is_control), Some(text.len() - 1), "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    for field in ["message", "plain", "shown"] {
        assert_eq!(line[field], HOSTILE);
    }
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "resound::logging::tests");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn numbers_and_truths_stay_what_they_are_in_json() {
    let log = || tracing::info!(count = 7_u64, less = -1, is_on = true, none = None::<u8>, "x");
    let [text, _] = written(&config(), LineStyle::Json, log);
    let fields = text.split_once("\"message\"").unwrap().1;
    let target = "\"target\":\"resound::logging::tests\"}\n";
    assert_eq!(fields, format!(":\"x\",\"count\":7,\"less\":-1,\"is_on\":true,{target}"));
}

/// Values of a megabyte each, of characters that grow when they are escaped.
#[test]
fn a_line_has_a_bound_whatever_its_fields_hold() {
    let long = "\u{1}".repeat(1 << 20);
    for style in [LineStyle::Plain, LineStyle::Coloured, LineStyle::Json] {
        let [text, _] = written(&config(), style, || {
            tracing::info!(a = long, b = %long, c = ?long, d = long, e = 1, "{long}");
        });
        assert!(text.len() <= LINE_BYTES_MAX, "{style:?}: {} bytes", text.len());
        assert_eq!(text.find(['\u{1}', '\n']), Some(text.len() - 1));
        assert!(text.contains('…'), "what is cut shows it");
        if style == LineStyle::Json {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }
}

fn refuse(app: &str, status: u16, cause: u32) {
    tracing::info!(app, cause, status, "request refused");
}

#[test]
fn the_first_of_a_kind_is_written_and_the_others_are_summed_up() {
    let log = || {
        for cause in 0..1205 {
            refuse("1", 401, cause);
        }
        refuse("1", 404, 1);
        refuse("2", 401, 1);
    };
    let [text, sums] = written(&config(), LineStyle::Plain, log);
    let lines: Vec<&str> = text.lines().map(timeless).collect();
    let place = "  INFO resound::logging::tests:";
    assert_eq!(
        lines,
        [
            format!("{place} request refused app=\"1\" cause=0 status=401"),
            format!("{place} request refused app=\"1\" cause=1 status=404"),
            format!("{place} request refused app=\"2\" cause=1 status=401"),
        ]
    );
    let sum = timeless(&sums).split(" within_ms=").next().unwrap();
    let of = "request refused app=\"1\" status=401";
    assert_eq!(sum, format!("{place} … and 1 204 more of these: {of} count=1204"));
    assert_eq!(sums.lines().count(), 1);
}

#[test]
fn a_sum_in_json_has_the_fields_of_its_kind() {
    let log = || (0..3).for_each(|cause| refuse("1", 401, cause));
    let [_, sums] = written(&config(), LineStyle::Json, log);
    let line: serde_json::Value = serde_json::from_str(&sums).unwrap();
    assert_eq!(line["message"], "… and 2 more of these: request refused");
    assert_eq!(
        (&line["app"], &line["status"], &line["count"]),
        (&"1".into(), &401.into(), &2.into())
    );
}

/// Two notes about the configuration come from one place.
#[test]
fn other_words_are_another_kind() {
    let log = || ["first", "second"].iter().for_each(|note| tracing::warn!("{note}"));
    let [text, sums] = written(&config(), LineStyle::Plain, log);
    assert_eq!((text.lines().count(), &*sums), (2, ""));
}

#[test]
fn with_debug_a_hundred_of_a_kind_are_written() {
    let log = || (0..103).for_each(|cause| refuse("1", 401, cause));
    let [text, sums] = written(&LogConfig { debug: true, ..config() }, LineStyle::Plain, log);
    assert_eq!(text.lines().count(), 100);
    assert!(sums.contains("… and 3 more of these"), "{sums}");
}

#[test]
fn debug_adds_the_message_stream_and_no_events_of_other_crates() {
    let log = || {
        tracing::trace!(target: "resound::stream", "stream");
        tracing::debug!(target: "resound::hub", "socket");
        tracing::debug!(target: "hyper", "other");
    };
    let debug = LogConfig { debug: true, ..config() };
    let [text, _] = written(&debug, LineStyle::Plain, log);
    let seen: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(seen, ["stream", "socket"]);
    assert_eq!(written(&config(), LineStyle::Plain, log)[0], "");
}

#[test]
fn a_reload_changes_the_level() {
    let sink = Arc::new(Sink::default());
    let lines = Arc::new(Lines::new(LineStyle::Plain, sink.clone()));
    let (dispatch, filter) = dispatch(&config(), &lines).unwrap();
    let log = || tracing::dispatcher::with_default(&dispatch, || tracing::debug!("details"));
    log();
    filter.reload("debug".parse::<Targets>().unwrap()).unwrap();
    log();
    assert_eq!(sink.0.lock().lines().count(), 1);
}
