//! RFC 8259, sign by sign, and what JSON readers of other languages refuse beyond it.

use std::collections::BTreeSet;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Json {
    /// JSON that every reader reads, and reads the same.
    Portable,
    /// JSON that some reader refuses, or reads otherwise.
    Odd,
    /// No JSON.
    None,
}

/// Levels of lists and objects that each reader reads.
const LEVELS: usize = 60;

struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
    is_odd: bool,
    has_half: bool,
}

pub(crate) fn json(text: &str) -> Json {
    judged(text).0
}

/// Whether a string of a JSON text has one half of a surrogate pair; nothing is said of what is no JSON.
pub(crate) fn has_half(text: &str) -> bool {
    judged(text).1
}

fn judged(text: &str) -> (Json, bool) {
    let mut text = Text { bytes: text.as_bytes(), at: 0, is_odd: false, has_half: false };
    let is_json = text.value(0).is_some() && text.blanks().is_some() && text.at == text.bytes.len();
    let json = match (is_json, text.is_odd || text.has_half) {
        (false, _) => Json::None,
        (true, true) => Json::Odd,
        (true, false) => Json::Portable,
    };
    (json, text.has_half)
}

impl Text<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or_default()
    }

    fn blanks(&mut self) -> Option<()> {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let is_there = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        is_there.then_some(())
    }

    fn value(&mut self, level: usize) -> Option<()> {
        self.blanks()?;
        match self.peek() {
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'"' => self.string().map(|_| ()),
            b'[' => self.items(level, b']'),
            b'{' => self.items(level, b'}'),
            _ => self.number(),
        }
    }

    /// A list or an object.
    fn items(&mut self, level: usize, end: u8) -> Option<()> {
        self.is_odd |= level == LEVELS;
        let mut keys = BTreeSet::new();
        self.at += 1;
        self.blanks()?;
        if self.peek() == end {
            self.at += 1;
            return Some(());
        }
        loop {
            if end == b'}' {
                self.blanks()?;
                let key = self.string()?;
                self.is_odd |= !keys.insert(key);
                self.blanks()?;
                self.word(":")?;
            }
            self.value(level + 1)?;
            self.blanks()?;
            match self.peek() {
                b',' => self.at += 1,
                sign if sign == end => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// A string as UTF-16.
    fn string(&mut self) -> Option<Vec<u16>> {
        self.word("\"")?;
        let mut units = Vec::new();
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    let sign = self.peek();
                    self.at += 1;
                    units.push(match sign {
                        b'"' | b'\\' | b'/' => u16::from(sign),
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => 10,
                        b'r' => 13,
                        b't' => 9,
                        b'u' => self.unit()?,
                        _ => return None,
                    });
                }
                0..0x20 => return None,
                _ => {
                    let rest = std::str::from_utf8(&self.bytes[self.at..]).expect("a text");
                    let sign = rest.chars().next()?;
                    units.extend_from_slice(sign.encode_utf16(&mut [0; 2]));
                    self.at += sign.len_utf8();
                }
            }
        }
        self.at += 1;
        self.has_half |= String::from_utf16(&units).is_err();
        Some(units)
    }

    /// Four digits.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        let digit = |sum: u16, byte: &u8| Some(sum << 4 | char::from(*byte).to_digit(16)? as u16);
        digits.iter().try_fold(0, digit)
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let is_zero = self.peek() == b'0';
        let digits = self.digits();
        if digits == 0 || (is_zero && digits > 1) {
            return None;
        }
        if self.peek() == b'.' {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).expect("digits");
        self.is_odd |= text.parse::<f64>().is_ok_and(f64::is_infinite);
        Some(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }
}
