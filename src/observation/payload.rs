//! The data of an event as a viewer may see it: not at all, by its keys and types, or as it is.
//!
//! Owns how much of it is kept and the masked form, which has no value of the data in it.

use crate::config::PayloadView;

/// The data of an event, or its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    text: Box<str>,
    bytes: usize,
}

impl Payload {
    /// Bytes that a viewer sees.
    pub const SHOWN_BYTES: usize = 4096;

    /// Keeps so many bytes of the data, or one character less.
    pub fn of(data: &str, kept_bytes: usize) -> Self {
        Self { text: beginning(data, kept_bytes).into(), bytes: data.len() }
    }

    /// All that is kept.
    pub fn kept(&self) -> &str {
        &self.text
    }

    /// The bytes of the whole data.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a viewer sees the beginning of the data only.
    pub fn is_cut(&self) -> bool {
        self.bytes > Self::SHOWN_BYTES
    }

    fn shown(&self) -> &str {
        beginning(&self.text, Self::SHOWN_BYTES)
    }

    pub(super) fn kept_bytes(&self) -> usize {
        self.text.len()
    }

    /// What the viewer sees.
    pub fn seen(&self, view: PayloadView) -> Option<String> {
        match view {
            PayloadView::None => None,
            PayloadView::Masked => Some(masked(self.shown(), self.is_cut())),
            PayloadView::Full => Some(self.shown().to_owned()),
        }
    }
}

/// At most so many bytes of a text, without a part of a character.
fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Keys and types of JSON; of other data its length alone.
fn masked(text: &str, is_cut: bool) -> String {
    let mut masking = Masking { rest: text, is_cut, result: String::new() };
    match masking.mask_all() {
        Some(()) => masking.result,
        None => format!("text({}{})", text.chars().count(), if is_cut { "…" } else { "" }),
    }
}

/// Reads JSON token by token, so that the beginning of a long text has a form too.
struct Masking<'a> {
    rest: &'a str,
    is_cut: bool,
    result: String,
}

impl Masking<'_> {
    /// `None` if it is no JSON.
    fn mask_all(&mut self) -> Option<()> {
        // Which brackets are open, and in an object whether a key comes next.
        let (mut open, mut is_key) = (Vec::new(), false);
        loop {
            self.rest = self.rest.trim_start();
            let Some(first) = self.rest.chars().next() else {
                if self.is_cut {
                    self.result.push('…');
                }
                return (self.is_cut || (open.is_empty() && !self.result.is_empty())).then_some(());
            };
            match first {
                '{' | '[' => {
                    self.take_sign(first);
                    open.push(first);
                    is_key = first == '{';
                }
                '}' | ']' => {
                    self.take_sign(first);
                    let opened = open.pop()?;
                    if (opened == '{') != (first == '}') {
                        return None;
                    }
                    is_key = false;
                }
                ',' if !open.is_empty() => {
                    self.take_sign(first);
                    self.result.push(' ');
                    is_key = open.last() == Some(&'{');
                }
                ':' if open.last() == Some(&'{') => {
                    self.take_sign(first);
                    self.result.push(' ');
                    is_key = false;
                }
                '"' => self.mask_string(is_key)?,
                _ => self.mask_word()?,
            }
        }
    }

    fn take_sign(&mut self, sign: char) {
        self.result.push(sign);
        self.rest = &self.rest[sign.len_utf8()..];
    }

    fn mask_string(&mut self, is_key: bool) -> Option<()> {
        let (mut chars, mut is_escaped) = (0, false);
        for (at, char) in self.rest.char_indices().skip(1) {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' => {
                    is_escaped = true;
                    continue;
                }
                '"' => {
                    match is_key {
                        true => self.result.push_str(&self.rest[..=at]),
                        false => self.result.push_str(&format!("string({chars})")),
                    }
                    self.rest = &self.rest[at + 1..];
                    return Some(());
                }
                _ => {}
            }
            chars += 1;
        }
        // The end was left out. The beginning of a key may be the beginning of a value in a text that is no JSON.
        if !self.is_cut {
            return None;
        }
        self.result.push_str(&format!("string({chars}…)"));
        self.rest = "";
        Some(())
    }

    /// A number, `true`, `false` or `null`.
    fn mask_word(&mut self) -> Option<()> {
        let is_end = |char: char| !(char.is_ascii_alphanumeric() || "+-.".contains(char));
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let is_whole = !(rest.is_empty() && self.is_cut);
        self.result.push_str(match word {
            "true" | "false" => "boolean",
            "null" => "null",
            number if number.parse::<f64>().is_ok() => "number",
            // The beginning of one, at the end of what was kept.
            _ if !is_whole && is_beginning(word) => "",
            _ => return None,
        });
        self.rest = rest;
        Some(())
    }
}

fn is_beginning(word: &str) -> bool {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    !word.is_empty()
        && (is_number || ["true", "false", "null"].iter().any(|whole| whole.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::{Payload, PayloadView};

    fn masked(data: &str) -> String {
        Payload::of(data, 100_000).seen(PayloadView::Masked).unwrap()
    }

    #[test]
    fn the_masked_form_has_keys_and_types() {
        for (data, expected) in [
            ("{}", "{}"),
            (r#"{"name":"Ann Example","id":7}"#, r#"{"name": string(11), "id": number}"#),
            (
                r#"{"a":[1,"x",null,true],"b":{"c":false}}"#,
                r#"{"a":[number, string(1), null, boolean], "b": {"c": boolean}}"#,
            ),
            (r#""hidden""#, "string(6)"),
            (r#"{"k\"ey":"a\"b\u00e9"}"#, r#"{"k\"ey": string(8)}"#),
            ("-1.5e3", "number"),
            ("hidden", "text(6)"),
            ("", "text(0)"),
            (r#"{"a":hidden}"#, "text(12)"),
            (r#"{"a":"hidden}"#, "text(13)"),
            (r#"{"a":1"#, "text(6)"),
            ("[1}", "text(3)"),
        ] {
            let expected = expected.replace("\"a\":[", "\"a\": [");
            assert_eq!(masked(data), expected, "{data}");
        }
    }

    #[test]
    fn a_long_text_is_cut_and_no_value_of_it_is_seen() {
        let data = format!(r#"{{"first":1,"long":"{}"}}"#, "hidden".repeat(2000));
        let seen = masked(&data);
        assert_eq!(seen, r#"{"first": number, "long": string(4077…)…"#);
        let payload = Payload::of(&data, Payload::SHOWN_BYTES);
        assert!(payload.is_cut() && payload.bytes() == data.len());
        let full = payload.seen(PayloadView::Full).unwrap();
        assert_eq!(full.len(), 4096);
        assert_eq!(payload.seen(PayloadView::None), None);
        assert_eq!(masked(&"é".repeat(4000)), "text(2048…)");
        assert_eq!(masked(&"x".repeat(9000)), "text(4096…)");
    }
}
