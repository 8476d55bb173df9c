//! What a terminal obeys in a text, and texts without it: the one rule for the log, for what commands print, and for the doctor.

use std::borrow::Cow;

/// Whether a character may begin a line, command a terminal, or change the order in which text is shown.
pub(super) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as one line, which commands no terminal.
pub fn terminal_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe)
}

/// A text that commands no terminal, and whose lines and tabs stay.
pub fn terminal_text(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| is_unsafe(letter) && !matches!(letter, '\n' | '\t'))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_escaped(letter) {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{terminal_line, terminal_text};

    #[test]
    fn no_text_commands_a_terminal() {
        let text = "a\u{1b}[2J\u{202e}b\r\u{9b}31m\u{200f}\n\tc";
        let line = r"a\u{1b}[2J\u{202e}b\r\u{9b}31m\u{200f}";
        assert_eq!(terminal_line(text), format!(r"{line}\n\tc"));
        assert_eq!(terminal_text(text), format!("{line}\n\tc"));
    }

    #[test]
    fn a_text_without_commands_stays_as_it_is() {
        for text in ["", "zwei Wörter", "مرحبا"] {
            assert!(matches!(terminal_line(text), Cow::Borrowed(same) if same == text));
        }
    }
}
