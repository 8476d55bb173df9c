//! The form of a line, as text and as JSON: bounded in bytes, and never more than one line.
//!
//! Owns what of a text is escaped and cut. A value may be the text of a peer, and its control characters
//! would reach the terminal or begin a line of their own.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::terminal_text::{is_unsafe, json_escape};

/// Bytes of a message or of a value, as they are written. The longest texts of our own are remedies of
/// Redis errors.
const VALUE_BYTES_MAX: usize = 2048;

/// Bytes of all fields. Those that would exceed it are left out.
const FIELDS_BYTES_MAX: usize = 5120;

/// Bytes of one line: message, fields, and what stands around them.
#[cfg(test)]
pub(super) const LINE_BYTES_MAX: usize = 8192;

/// How lines are styled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineStyle {
    /// Text, coloured for a terminal.
    Coloured,
    /// Text.
    Plain,
    /// One JSON object a line.
    Json,
}

/// The message and the fields of a line: cut, escaped, and the fields in the style of the log.
#[derive(Debug, Clone)]
pub(super) struct LineContent {
    pub(super) message: String,
    fields: String,
}

/// Reads an event into a [`LineContent`], with the fields that `is_included` selects.
struct ContentVisitor<F> {
    style: LineStyle,
    is_included: F,
    content: LineContent,
}

impl LineContent {
    pub(super) fn of(
        event: &Event<'_>,
        style: LineStyle,
        is_included: impl Fn(&str) -> bool,
    ) -> Self {
        let content = Self { message: String::new(), fields: String::new() };
        let mut visitor = ContentVisitor { style, is_included, content };
        event.record(&mut visitor);
        visitor.content
    }

    /// Appends a number.
    pub(super) fn push_number(&mut self, style: LineStyle, name: &str, number: u64) {
        push_raw(&mut self.fields, style, name, &number.to_string());
    }
}

/// A line of the log, with its line end.
pub(super) fn line(style: LineStyle, metadata: &Metadata<'_>, content: &LineContent) -> String {
    let mut time = String::new();
    // Fails only where a clock before 1970 cannot be shown: the line is worth more than its time.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let LineContent { message, fields } = content;
    let (level, target) = (metadata.level(), metadata.target());
    match style {
        LineStyle::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":\"{message}\"{fields},\"target\":\"{target}\"}}\n"
        ),
        LineStyle::Plain => format!("{time} {level:>5} {target}: {message}{fields}\n"),
        LineStyle::Coloured => {
            let colour = match *level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                Level::DEBUG => 34,
                Level::TRACE => 35,
            };
            format!(
                "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{level:>5}\u{1b}[0m \u{1b}[2m{target}:\u{1b}[0m {message}{fields}\n"
            )
        }
    }
}

impl<F: Fn(&str) -> bool> ContentVisitor<F> {
    fn push(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let style = self.style;
        match field.name() {
            "message" => self.content.message = safe(style, value),
            name if !(self.is_included)(name) => {}
            name if style == LineStyle::Json => {
                self.push_raw(name, &format!("\"{}\"", safe(style, value)));
            }
            name => self.push_raw(name, &safe(style, value)),
        }
    }

    fn push_raw(&mut self, name: &str, value: &str) {
        if (self.is_included)(name) {
            push_raw(&mut self.content.fields, self.style, name, value);
        }
    }
}

fn push_raw(fields: &mut String, style: LineStyle, name: &str, value: &str) {
    if fields.len() + name.len() + value.len() > FIELDS_BYTES_MAX {
        return;
    }
    let written = match style {
        LineStyle::Json => write!(fields, ",\"{name}\":{value}"),
        LineStyle::Coloured | LineStyle::Plain => write!(fields, " {name}={value}"),
    };
    written.expect("writing to a string does not fail");
}

impl<F: Fn(&str) -> bool> Visit for ContentVisitor<F> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format_args!("{value:?}"));
    }

    /// Quoted as text, so that a value cannot look like the field behind it.
    fn record_str(&mut self, field: &Field, value: &str) {
        match self.style {
            LineStyle::Json => self.push(field, format_args!("{value}")),
            LineStyle::Coloured | LineStyle::Plain => self.push(field, format_args!("{value:?}")),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_raw(field.name(), &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_raw(field.name(), &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_raw(field.name(), if value { "true" } else { "false" });
    }
}

/// The beginning of a text, without unsafe characters. Formatting ends there, however long the text is.
fn safe(style: LineStyle, text: fmt::Arguments<'_>) -> String {
    let mut safe = SafeText { style, text: String::new() };
    if safe.write_fmt(text).is_err() {
        safe.text.push('…');
    }
    safe.text
}

struct SafeText {
    style: LineStyle,
    text: String,
}

impl fmt::Write for SafeText {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for letter in piece.chars() {
            // The longest escape has 10 bytes, and the sign of a cut text three.
            if self.text.len() > VALUE_BYTES_MAX - 16 {
                return Err(fmt::Error);
            }
            match (self.style, letter) {
                (LineStyle::Json, '"' | '\\') => self.text.extend(['\\', letter]),
                (LineStyle::Json, _) if is_unsafe(letter) => {
                    self.text.push_str(&json_escape(letter));
                }
                (_, _) if is_unsafe(letter) => self.text.extend(letter.escape_default()),
                _ => self.text.push(letter),
            }
        }
        Ok(())
    }
}
