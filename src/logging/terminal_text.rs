//! What a terminal obeys in a text, and texts without it: the one rule for the log, for what commands print, and for the doctor.

use std::borrow::Cow;

/// Whether a character may begin a line, command a terminal, or change the order in which text is shown.
pub(super) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as one line, which commands no terminal.
pub fn terminal_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe, escape_of_rust)
}

/// A text that commands no terminal, and whose lines and tabs stay.
pub fn terminal_text(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe_in_lines, escape_of_rust)
}

/// A text of JSON or TOML that commands no terminal and that programs read as before: what a terminal obeys can only stand
/// in its strings there.
pub fn terminal_data(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe_in_lines, |escaped, letter| escaped.push_str(&json_escape(letter)))
}

/// As JSON and TOML escape a character in a string. All that are unsafe have four digits.
pub(super) fn json_escape(letter: char) -> String {
    format!("\\u{:04x}", u32::from(letter))
}

fn is_unsafe_in_lines(letter: char) -> bool {
    is_unsafe(letter) && !matches!(letter, '\n' | '\t')
}

fn escape_of_rust(escaped: &mut String, letter: char) {
    escaped.extend(letter.escape_default());
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_escaped(letter) {
            true => escape(&mut escaped, letter),
            false => escaped.push(letter),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{terminal_data, terminal_line, terminal_text};

    #[test]
    fn no_text_commands_a_terminal() {
        let text = "a\u{1b}[2J\u{202e}b\r\u{9b}31m\u{200f}\n\tc";
        let line = r"a\u{1b}[2J\u{202e}b\r\u{9b}31m\u{200f}";
        assert_eq!(terminal_line(text), format!(r"{line}\n\tc"));
        assert_eq!(terminal_text(text), format!("{line}\n\tc"));
    }

    #[test]
    fn data_commands_no_terminal_and_stays_what_it_was() {
        let value = "a\u{1b}[2J\u{202e}b\r\u{9b}31m\u{7f}\u{2069}ü";
        let json =
            format!("{{\n\t\"{value}\": 1}}").replace('\r', "\\r").replace('\u{1b}', "\\u001b");
        let shown = terminal_data(&json);
        assert_eq!(shown, "{\n\t\"a\\u001b[2J\\u202eb\\r\\u009b31m\\u007f\\u2069ü\": 1}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read[value], 1);
        assert_eq!(terminal_data("\u{1b}c"), r"\u001bc", "no JSON, and no command either");
    }

    #[test]
    fn a_text_without_commands_stays_as_it_is() {
        for text in ["", "zwei Wörter", "مرحبا"] {
            assert!(matches!(terminal_line(text), Cow::Borrowed(same) if same == text));
        }
    }
}
