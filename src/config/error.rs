//! Errors of the configuration: one sentence that names where the value comes from.
//!
//! Owns the form of every message: origin, what was found, what is allowed. The keys and their rules
//! are those of the sections.

use std::fmt;

/// Why the process does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// A whole message, for what is not about one value.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What set a value: `config/reverb.toml: server.port`, `flag --port`,
/// `environment variable REVERB_SERVER_PORT`. The subject of every message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueOrigin(String);

/// Marks a default; no file, variable or flag has a name that ends so.
const DEFAULT: &str = " (the default)";

impl ValueOrigin {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The default of a key of `config/defaults.toml`.
    pub(super) fn of_default(key: &str) -> Self {
        Self(format!("{key}{DEFAULT}"))
    }

    /// A part of the value, such as `[0]` or `.url`.
    pub(super) fn part(&self, part: impl fmt::Display) -> Self {
        Self(format!("{self}{part}"))
    }

    /// Whether it is the default.
    pub(super) fn is_default(&self) -> bool {
        self.0.ends_with(DEFAULT)
    }

    /// The file, variable or flag without the key; `None` for a default.
    pub(super) fn source(&self, key: &str) -> Option<String> {
        let source = self.0.strip_suffix(key).and_then(|text| text.strip_suffix(": "));
        (!self.is_default()).then(|| source.unwrap_or(&self.0).to_owned())
    }

    /// "`origin` is `found`; `allowed`".
    pub(super) fn refuse(
        &self,
        found: impl fmt::Display,
        allowed: impl fmt::Display,
    ) -> ConfigError {
        ConfigError(format!("{self} is {found}; {allowed}"))
    }

    /// "`origin` `flaw`", for a value that is not shown.
    pub(super) fn flaw(&self, flaw: impl fmt::Display) -> ConfigError {
        ConfigError(format!("{self} {flaw}"))
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// "a", "a and b", "a, b and c".
pub(super) fn enumeration(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
