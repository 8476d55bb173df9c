//! The lines of a file, those of a value in double quotes joined.
//!
//! Owns which lines belong together and which are lost: phpdotenv looks for the end of a quote before it looks
//! for comments, so a comment may swallow the lines behind it.

/// What a file consists of.
#[derive(Default)]
pub(super) struct Split<'t> {
    /// The first line and the text of each assignment.
    pub(super) entries: Vec<(usize, String)>,
    pub(super) lost: Vec<LostLines>,
    /// The lines of an open quote, and the number of the first.
    open: Vec<&'t str>,
    start: usize,
}

/// Lines without an effect that have one at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostLines {
    /// The line that makes the others disappear, counted from 1.
    pub first: usize,
    /// The last line that is lost.
    pub last: usize,
    /// Why.
    pub cause: LostCause,
}

/// Why lines are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostCause {
    /// The value of the first line begins with a double quote that nothing closes.
    Unclosed,
    /// The first line is a comment with an open double quote, to whose end all is part of the comment.
    Comment,
}

pub(super) fn split(text: &str) -> Split<'_> {
    let mut split = Split::default();
    let mut number = 0;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (line, behind) = match text.find(['\r', '\n']) {
            Some(end) => {
                let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
                (&text[..end], Some(&text[end + width..]))
            }
            None => (text, None),
        };
        number += 1;
        split.add(number, line);
        rest = behind;
    }
    if !split.open.is_empty() {
        let cause =
            if is_comment(split.open[0]) { LostCause::Comment } else { LostCause::Unclosed };
        split.lost.push(LostLines { first: split.start, last: number, cause });
    }
    split
}

impl<'t> Split<'t> {
    fn add(&mut self, number: usize, line: &'t str) {
        let starts = self.open.is_empty() && line.contains("=\"") && !ends_quote(line, true);
        if starts {
            self.start = number;
        } else if self.open.is_empty() {
            self.complete(number, line.to_owned());
            return;
        }
        self.open.push(line);
        if !starts && ends_quote(line, false) {
            let (start, lines) = (self.start, std::mem::take(&mut self.open));
            if is_comment(lines[0]) {
                self.lost.push(LostLines { first: start, last: number, cause: LostCause::Comment });
            }
            self.complete(start, lines.join("\n"));
        }
    }

    fn complete(&mut self, number: usize, line: String) {
        if !is_comment(&line) && !trim(&line).is_empty() {
            self.entries.push((number, line));
        }
    }
}

/// Whether a quote ends on this line; that which opens one on it does not count.
fn ends_quote(line: &str, opens: bool) -> bool {
    // Where a line begins with the quote, phpdotenv sees it only if there is nothing else.
    if line == "\"" {
        return true;
    }
    let line = line.replace("\\\\", "");
    let bytes = line.as_bytes();
    let quotes = bytes.windows(2).filter(|pair| pair[0] != b'\\' && pair[1] == b'"').count();
    quotes > usize::from(opens)
}

fn is_comment(line: &str) -> bool {
    trim(line).starts_with('#')
}

/// What PHP's `trim` leaves: it takes no form feed.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\n', '\r', '\t', '\0', '\x0b'])
}
