//! The tokens of a PHP file, without comments.
//!
//! Owns literals and their escapes. A text with a variable in it is a token of its own, which no value is made of.

use std::cell::Cell;

use super::value::PhpError;
use crate::text_cursor::TextCursor;

/// A token, the line it begins on, and the bytes of the file it stands on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) line: usize,
    /// As it stands in the file.
    pub(super) raw: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Name(String),
    Text(String),
    Whole(i64),
    Fraction(f64),
    /// Anything else: punctuation, or a text that PHP would have to run.
    Sign,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, PhpError> {
    let start = text.find("<?php").ok_or(PhpError { line: 1, flaw: "there is no <?php" })?;
    let mut cursor = TextCursor::new(text);
    cursor.go_to(start + "<?php".len());
    let line = 1 + newlines(&text[..start]);
    let mut scan = Scan { cursor, line, tokens: Vec::new() };
    while let Some(first) = scan.cursor.peek() {
        let start = scan.cursor.at();
        scan.piece(first)?;
        scan.line += newlines(scan.cursor.since(start));
    }
    Ok(scan.tokens)
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

struct Scan<'t> {
    cursor: TextCursor<'t>,
    /// The line on which the next piece begins.
    line: usize,
    tokens: Vec<Token>,
}

impl Scan<'_> {
    /// Reads one token or comment, or blanks.
    fn piece(&mut self, first: char) -> Result<(), PhpError> {
        let rest = self.cursor.rest();
        if first.is_whitespace() {
            self.cursor.run(char::is_whitespace);
        } else if rest.starts_with("//") || (first == '#' && !rest.starts_with("#[")) {
            self.cursor.run(|c| c != '\n');
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").ok_or_else(|| self.flaw("a comment has no end"))?;
            self.cursor.go_to(self.cursor.at() + end + 2);
        } else if rest.starts_with("<<<") {
            return Err(self.flaw("a heredoc is not read; write the text in quotes"));
        } else {
            let start = self.cursor.at();
            let kind = self.token(first)?;
            let raw = self.cursor.since(start).to_owned();
            self.tokens.push(Token { kind, line: self.line, raw });
        }
        Ok(())
    }

    fn token(&mut self, first: char) -> Result<TokenKind, PhpError> {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\\');
        Ok(match first {
            '\'' => self.single()?,
            '"' => self.double()?,
            _ if first.is_ascii_digit() => number(&mut self.cursor),
            _ if is_word(first) => TokenKind::Name(self.cursor.run(is_word).to_owned()),
            _ => {
                let signs = ["===", "!==", "=>", "??", "?:", "->", "::", "==", "!=", "?->"];
                if !signs.iter().any(|sign| self.cursor.take(sign)) {
                    self.cursor.step();
                }
                TokenKind::Sign
            }
        })
    }

    fn single(&mut self) -> Result<TokenKind, PhpError> {
        let text = self.cursor.quoted(|behind, text| match behind {
            '\\' | '\'' => text.push(behind),
            _ => text.extend(['\\', behind]),
        });
        text.map(TokenKind::Text).ok_or_else(|| self.flaw("a text has no end"))
    }

    /// A text that PHP would have to make first is a sign.
    fn double(&mut self) -> Result<TokenKind, PhpError> {
        let start = self.cursor.at();
        let has_codes = Cell::new(false);
        let text = self.cursor.quoted(|behind, text| match behind {
            '\\' | '"' | '$' => text.push(behind),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            // Octal, hexadecimal and Unicode escapes.
            '0'..='7' | 'x' | 'u' | 'e' | 'v' | 'f' => has_codes.set(true),
            _ => text.extend(['\\', behind]),
        });
        let text = text.ok_or_else(|| self.flaw("a text has no end"))?;
        let is_plain = !has_codes.get() && !has_variable(self.cursor.since(start));
        Ok(if is_plain { TokenKind::Text(text) } else { TokenKind::Sign })
    }

    fn flaw(&self, flaw: &'static str) -> PhpError {
        PhpError { line: self.line, flaw }
    }
}

/// Whether a text in double quotes, as it stands in the file, has `$name`, `${` or `{$` without a backslash before.
fn has_variable(raw: &str) -> bool {
    let mut cursor = TextCursor::new(raw);
    while let Some(c) = cursor.step() {
        let next = cursor.peek();
        match c {
            '\\' => drop(cursor.step()),
            '$' if next.is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '{')) => {
                return true;
            }
            '{' if next == Some('$') => return true,
            _ => {}
        }
    }
    false
}

/// `10_000`, `0x1F`, `0b11`, `0o17`, `017`, `1.5`, `1e3`.
fn number(cursor: &mut TextCursor<'_>) -> TokenKind {
    let start = cursor.at();
    let written = cursor.run(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    // `1 . 'a'` needs its blanks in PHP too, but `..` is none of a number.
    let written = written.find("..").map_or(written, |dots| &written[..dots]);
    cursor.go_to(start + written.len());
    let text = written.replace('_', "").to_ascii_lowercase();
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    let whole = if let Some(hex) = text.strip_prefix("0x") {
        radix(hex, 16)
    } else if let Some(binary) = text.strip_prefix("0b") {
        radix(binary, 2)
    } else if text.len() > 1 && text.starts_with('0') && !text.contains(['.', 'e']) {
        radix(text.trim_start_matches("0o").trim_start_matches('0'), 8)
            .or((text.trim_matches('0').is_empty()).then_some(0))
    } else {
        text.parse().ok()
    };
    match (whole, text.parse::<f64>()) {
        (Some(whole), _) => TokenKind::Whole(whole),
        (None, Ok(fraction)) => TokenKind::Fraction(fraction),
        (None, Err(_)) => TokenKind::Sign,
    }
}
