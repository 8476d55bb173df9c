//! The query of a signed request, parsed once: the signature check and the call use the same values.
//!
//! Each request of the HTTP API passes here, so all keys and values stand in one text: two allocations, not two per
//! parameter.

use std::iter;

use memchr::{memchr, memchr_iter};
use percent_encoding::percent_decode_str;

/// The parameters of a query, sorted by key. Keys are in lower case and unique, values are decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedQuery {
    /// The keys and values, one behind the other, in the order in which they were sent.
    text: String,
    parameters: Vec<Parameter>,
}

/// Where a key and its value stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parameter {
    key: usize,
    value: usize,
    end: usize,
}

/// Why a query is ambiguous or unreadable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The signed value may differ from the used one.
    #[error("the query parameter {0:?} is given twice")]
    Duplicate(String),
    /// The decoded bytes are not UTF-8.
    #[error("the query is not valid UTF-8 after percent-decoding")]
    NotText,
    /// A newline in a value could imitate the signed text of another request.
    #[error("the query parameter {0:?} holds a control character")]
    Control(String),
}

impl SignedQuery {
    /// Parses the part of a URL after `?`.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        let (text, parameters) = (String::with_capacity(raw.len()), Vec::with_capacity(8));
        let mut query = Self { text, parameters };
        let mut start = 0;
        for end in memchr_iter(b'&', raw.as_bytes()).chain(iter::once(raw.len())) {
            if start < end {
                query.push(&raw[start..end])?;
            }
            start = end + 1;
        }
        let Self { text, parameters } = &mut query;
        parameters.sort_unstable_by(|a, b| a.key(text).cmp(b.key(text)));
        if let Some(pair) =
            parameters.windows(2).find(|pair| pair[0].key(text) == pair[1].key(text))
        {
            return Err(QueryError::Duplicate(pair[0].key(text).to_owned()));
        }
        if has_control(text) {
            let found = parameters
                .iter()
                .find(|found| has_control(found.key(text)) || has_control(found.value(text)));
            return Err(QueryError::Control(found.map_or("", |found| found.key(text)).to_owned()));
        }
        Ok(query)
    }

    /// Appends a `key=value`.
    fn push(&mut self, pair: &str) -> Result<(), QueryError> {
        let (raw_key, raw_value) = match memchr(b'=', pair.as_bytes()) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, ""),
        };
        let key = self.text.len();
        push_decoded(&mut self.text, raw_key)?;
        let value = self.text.len();
        self.text[key..].make_ascii_lowercase();
        push_decoded(&mut self.text, raw_value)?;
        self.parameters.push(Parameter { key, value, end: self.text.len() });
        Ok(())
    }

    /// The value of a parameter.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|parameter| parameter.key(&self.text) == key)?;
        Some(found.value(&self.text))
    }

    /// The signed form: `key=value&key=value`, sorted, values not encoded, without `auth_signature`.
    pub fn canonical(&self) -> String {
        let mut text = String::with_capacity(self.text.len() + 2 * self.parameters.len());
        for parameter in &self.parameters {
            let key = parameter.key(&self.text);
            if key == "auth_signature" {
                continue;
            }
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(parameter.value(&self.text));
        }
        text
    }
}

impl Parameter {
    fn key(self, text: &str) -> &str {
        &text[self.key..self.value]
    }

    fn value(self, text: &str) -> &str {
        &text[self.value..self.end]
    }
}

fn push_decoded(decoded: &mut String, text: &str) -> Result<(), QueryError> {
    if !any_byte(text, |byte| matches!(byte, b'+' | b'%')) {
        decoded.push_str(text);
        return Ok(());
    }
    // PHP's http_build_query writes a space as a plus sign.
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8().map_err(|_| QueryError::NotText)?;
    decoded.push_str(&text);
    Ok(())
}

fn has_control(text: &str) -> bool {
    // Beyond ASCII there are control characters too, which only their decoded form shows.
    any_byte(text, |byte| !matches!(byte, b' '..=b'~')) && text.chars().any(char::is_control)
}

/// Whether a byte is such a one. All are looked at, which the compiler does for 32 bytes at once.
fn any_byte(text: &str, is_such: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |found, byte| found | is_such(byte))
}
