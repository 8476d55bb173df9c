//! The tokens of a PHP file, without comments.
//!
//! Owns literals and their escapes. A text with a variable in it is a token of its own, which no value is made of.

use super::value::PhpError;

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
    let mut scan = Scan { text, at: start + "<?php".len(), tokens: Vec::new() };
    while scan.next()? {}
    Ok(scan.tokens)
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
}

impl Scan<'_> {
    /// Reads one token or comment; false at the end.
    fn next(&mut self) -> Result<bool, PhpError> {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return Ok(false) };
        if first.is_whitespace() {
            self.at += first.len_utf8();
        } else if rest.starts_with("//") || (first == '#' && !rest.starts_with("#[")) {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").ok_or_else(|| self.flaw("a comment has no end"))?;
            self.at += end + 2;
        } else if rest.starts_with("<<<") {
            return Err(self.flaw("a heredoc is not read; write the text in quotes"));
        } else {
            self.token(rest, first)?;
        }
        Ok(true)
    }

    fn token(&mut self, rest: &str, first: char) -> Result<(), PhpError> {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\\');
        let (kind, length) = match first {
            '\'' => self.single(rest)?,
            '"' => self.double(rest)?,
            _ if first.is_ascii_digit() => number(rest),
            _ if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (TokenKind::Name(rest[..length].to_owned()), length)
            }
            _ => {
                let signs = ["===", "!==", "=>", "??", "?:", "->", "::", "==", "!=", "?->"];
                let sign = signs.iter().find(|sign| rest.starts_with(**sign));
                (TokenKind::Sign, sign.map_or(first.len_utf8(), |sign| sign.len()))
            }
        };
        let (line, raw) = (self.line(), rest[..length].to_owned());
        self.tokens.push(Token { kind, line, raw });
        self.at += length;
        Ok(())
    }

    fn single(&self, rest: &str) -> Result<(TokenKind, usize), PhpError> {
        let mut text = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => return Ok((TokenKind::Text(text), at + 1)),
                '\\' => match chars.next() {
                    Some((_, c @ ('\\' | '\''))) => text.push(c),
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(self.flaw("a text has no end"))
    }

    fn double(&self, rest: &str) -> Result<(TokenKind, usize), PhpError> {
        let mut text = String::new();
        let mut is_plain = true;
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if is_plain => return Ok((TokenKind::Text(text), at + 1)),
                '"' => return Ok((TokenKind::Sign, at + 1)),
                '\\' => match chars.next() {
                    Some((_, c @ ('\\' | '"' | '$'))) => text.push(c),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    // Octal, hexadecimal and Unicode escapes.
                    Some((_, '0'..='7' | 'x' | 'u' | 'e' | 'v' | 'f')) => is_plain = false,
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                '$' => {
                    let is_variable = |c: &char| c.is_alphabetic() || matches!(c, '_' | '{');
                    is_plain &= !chars.peek().is_some_and(|(_, c)| is_variable(c));
                    text.push(c);
                }
                '{' => {
                    is_plain &= chars.peek().is_none_or(|(_, c)| *c != '$');
                    text.push(c);
                }
                c => text.push(c),
            }
        }
        Err(self.flaw("a text has no end"))
    }

    fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn flaw(&self, flaw: &'static str) -> PhpError {
        PhpError { line: self.line(), flaw }
    }
}

/// `10_000`, `0x1F`, `0b11`, `0o17`, `017`, `1.5`, `1e3`.
fn number(rest: &str) -> (TokenKind, usize) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let mut length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    // `1 . 'a'` needs its blanks in PHP too, but `..` is none of a number.
    if let Some(dots) = rest[..length].find("..") {
        length = dots;
    }
    let text = rest[..length].replace('_', "").to_ascii_lowercase();
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
    let kind = match (whole, text.parse::<f64>()) {
        (Some(whole), _) => TokenKind::Whole(whole),
        (None, Ok(fraction)) => TokenKind::Fraction(fraction),
        (None, Err(_)) => TokenKind::Sign,
    };
    (kind, length)
}
