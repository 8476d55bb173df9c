//! The value of a variable as Laravel's `env()` gives it.
//!
//! Owns the words that stand for other values than themselves. What a setting makes of them is left to `config`.

/// What `env()` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvLiteral<'v> {
    /// `true`
    True,
    /// `false`
    False,
    /// The empty text.
    Empty,
    /// Null.
    Null,
    /// Any other text, without quotes around it.
    Text(&'v str),
}

impl<'v> EnvLiteral<'v> {
    /// What `env()` makes of the text of a variable.
    pub fn of(text: &'v str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "true" | "(true)" => Self::True,
            "false" | "(false)" => Self::False,
            "empty" | "(empty)" | "" => Self::Empty,
            "null" | "(null)" => Self::Null,
            _ => Self::Text(unquoted(text)),
        }
    }
}

/// A second pair of quotes, which the file or Docker's `--env-file` left in. A text with a line break keeps them.
fn unquoted(text: &str) -> &str {
    let between = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let inner = between('"').or_else(|| between('\''));
    inner.filter(|inner| !inner.contains('\n')).unwrap_or(text)
}
