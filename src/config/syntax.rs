//! What is wrong with the text of a file: which other format it is, or what TOML expects.
//!
//! Owns the sentences for both, made from the parser's messages.

use serde::de::IgnoredAny;

/// The format of a text that is no TOML, and what to do instead.
pub(super) fn other_format(text: &str) -> Option<&'static str> {
    let start = text.trim_start();
    if start.starts_with("<?") {
        return Some(
            "is PHP, not TOML; write what differs from the defaults as TOML, each app as [[apps]] \
             with id, key and secret, or set the REVERB_* variables",
        );
    }
    if start.starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Some("is JSON, not TOML; write [server] and below it port = 8080");
    }
    let mut lines = start.lines().map(str::trim).filter(|line| !is_comment(line));
    let is_yaml = lines.clone().next().is_some_and(is_yaml);
    if is_yaml {
        return Some("is YAML, not TOML; write [server] and below it port = 8080");
    }
    let is_env = lines.clone().next().is_some() && lines.all(is_assignment);
    is_env.then_some(
        "is a list of environment variables, not TOML; give it with --env-file instead, or \
         write what differs from the defaults as TOML",
    )
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

/// `key:` or `key: value`, or the start of a document.
fn is_yaml(line: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let (key, rest) = line.split_at(line.find(|c| !word(c)).unwrap_or(line.len()));
    line == "---" || !key.is_empty() && (rest == ":" || rest.starts_with(": "))
}

/// `NAME=value`, the name in capitals: no key of a file has any.
fn is_assignment(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    line.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(upper))
}

/// Why bytes are no text.
pub(super) fn not_text(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return "is UTF-16; save it as UTF-8".to_owned();
    }
    let valid = bytes.utf8_chunks().next().map(|chunk| chunk.valid()).unwrap_or_default();
    let line = valid.matches('\n').count() + 1;
    format!("has a character in line {line} that is not UTF-8; save it as UTF-8")
}

/// The parser's message in the words of the file's author. No value is part of it.
pub(super) fn explain(message: &str) -> String {
    let message = message.trim();
    let known = [
        ("duplicate key", "this key is set twice"),
        ("key with no value", "a key and its value have = between them"),
        ("string values must be quoted", "text must be in quotes"),
        ("invalid float", "it is no number; text must be in quotes"),
        ("invalid integer", "it is no number; text must be in quotes"),
        ("invalid boolean", "it must be true or false, in small letters"),
    ];
    let known = known.iter().find(|(start, _)| message.starts_with(start));
    known.map_or_else(|| message.to_owned(), |(_, text)| (*text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{not_text, other_format};

    #[test]
    fn only_other_formats_are_taken_for_one() {
        for (text, word) in [
            ("<?php\nreturn [];", Some("PHP")),
            ("\n  <?php", Some("PHP")),
            ("{\"server\": {}}", Some("JSON")),
            ("{\n", Some("JSON")),
            ("[{\"id\": 1}]", Some("JSON")),
            ("# a\n---\nserver:\n", Some("YAML")),
            ("server:\n  port: 1\n", Some("YAML")),
            ("port: 1", Some("YAML")),
            ("# Laravel\n\nREVERB_APP_ID=1\nexport APP_NAME='a b'\n", Some("environment")),
            ("", None),
            ("# nothing\n", None),
            ("[server]\nport: 1\n", None),
            ("[server\nport = 1", None),
            ("port=1", None),
            ("A=1\n[server]\n", None),
        ] {
            let found = other_format(text);
            assert_eq!(found.is_some(), word.is_some(), "{text:?}: {found:?}");
            let names = |found: &str| word.is_some_and(|word| found.contains(word));
            assert!(found.is_none_or(names), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_found() {
        assert_eq!(not_text(b"\xff\xfe[\0"), "is UTF-16; save it as UTF-8");
        assert_eq!(
            not_text(b"a\nb\xe9\n"),
            "has a character in line 2 that is not UTF-8; save it as UTF-8"
        );
    }
}
