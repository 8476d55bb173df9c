//! What phpdotenv refuses, with the line and what to change.
//!
//! Owns the sentences. A value is never part of one, and an invalid name neither: it may be a line of a key.

use std::fmt;

/// Why a file is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{flaw}", name.as_deref().map(|name| format!("{name} ")).unwrap_or_default())]
pub struct DotenvError {
    /// The first line of what is refused, counted from 1.
    pub line: usize,
    /// The name of the variable, if that is not what is wrong.
    pub name: Option<String>,
    /// The cause.
    pub flaw: DotenvFlaw,
}

/// The causes for which phpdotenv refuses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DotenvFlaw {
    /// There is no name before the first `=`.
    Equals,
    /// The name has other characters than letters, digits, `_` and `.`.
    Name,
    /// A quote has no end.
    Quote,
    /// A backslash in double quotes stands before another character than those it escapes.
    Escape,
    /// Something follows a space, or the closing quote.
    Whitespace,
}

impl DotenvFlaw {
    /// The cause in phpdotenv's own words, with which Laravel reports it.
    pub fn in_php(self) -> &'static str {
        match self {
            Self::Equals => "an unexpected equals",
            Self::Name => "an invalid name",
            Self::Quote => "a missing closing quote",
            Self::Escape => "an unexpected escape sequence",
            Self::Whitespace => "unexpected whitespace",
        }
    }
}

impl fmt::Display for DotenvFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equals => "an equals sign has no name before it; write NAME=value",
            Self::Name => {
                "the name is not valid; it may have letters, digits, _ and ., and stands before an \
                 equals sign"
            }
            Self::Quote => "has a quote without an end; close it at the end of the value",
            Self::Escape => {
                "has a backslash that escapes nothing; write two of them, or put the value in single \
                 quotes"
            }
            Self::Whitespace => {
                "has text behind a space or a closing quote; put the whole value in double quotes, and \
                 a backslash before each double quote in it"
            }
        })
    }
}
