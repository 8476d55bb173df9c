//! What is wrong with the configuration, in one sentence that names the place.
//!
//! Owns the form of every message: place, what was found, what is allowed. Knows no key and no
//! rule; `meaning` and `apps` bring both.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Why the process refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    /// A whole message, for what is not about one value.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Where a value was written: `config/reverb.toml: server.port`, `flag --port`,
/// `environment variable REVERB_SERVER_PORT`. The subject of every message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(String);

/// Marks the place of a default; no file, variable or flag has a name that ends so.
const DEFAULT: &str = " (the default)";
/// 24 hours: a longer wait is a wrong unit, not a wish.
const LONGEST_SECONDS: u64 = 86_400;
/// 1 GiB: the same for sizes.
const LARGEST_BYTES: u64 = 1 << 30;

impl Place {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A key of `config/defaults.toml` that nothing set.
    pub(super) fn of_default(key: &str) -> Self {
        Self(format!("{key}{DEFAULT}"))
    }

    /// A part of the value, such as `[0]` or `.url`.
    pub(super) fn inside(&self, part: impl fmt::Display) -> Self {
        Self(format!("{self}{part}"))
    }

    /// Whether nothing set the value.
    pub(super) fn is_default(&self) -> bool {
        self.0.ends_with(DEFAULT)
    }

    /// The file, variable or flag alone; `None` for a default.
    pub(super) fn source(&self, key: &str) -> Option<String> {
        let source = self.0.strip_suffix(key).and_then(|text| text.strip_suffix(": "));
        (!self.is_default()).then(|| source.unwrap_or(&self.0).to_owned())
    }

    /// "`place` is `found`; `allowed`".
    pub(super) fn refuse(&self, found: impl fmt::Display, allowed: impl fmt::Display) -> Problem {
        Problem(format!("{self} is {found}; {allowed}"))
    }

    /// "`place` `flaw`", for a value that is not shown.
    pub(super) fn flaw(&self, flaw: impl fmt::Display) -> Problem {
        Problem(format!("{self} {flaw}"))
    }

    /// A number within bounds, in the type that holds it.
    pub(super) fn number<T: TryFrom<u64>>(
        &self,
        found: u64,
        allowed: RangeInclusive<u64>,
    ) -> Result<T, Problem> {
        let number = if allowed.contains(&found) { T::try_from(found).ok() } else { None };
        number.ok_or_else(|| {
            self.refuse(found, format_args!("allowed are {} to {}", allowed.start(), allowed.end()))
        })
    }

    /// A size or count that 0 would make useless.
    pub(super) fn bytes(&self, found: u64) -> Result<usize, Problem> {
        self.number(found, 1..=LARGEST_BYTES)
    }

    /// A time to wait; none at all would refuse everybody.
    pub(super) fn seconds(&self, found: u64) -> Result<Duration, Problem> {
        self.number(found, 1..=LONGEST_SECONDS).map(Duration::from_secs)
    }

    /// A time after which something ends, where 0 means never.
    pub(super) fn seconds_or_never(&self, found: u64) -> Result<Option<Duration>, Problem> {
        let seconds = self.number(found, 0..=LONGEST_SECONDS)?;
        Ok((seconds > 0).then_some(Duration::from_secs(seconds)))
    }

    /// A bound where 0 means that there is none.
    pub(super) fn bound(&self, found: u64) -> Result<Option<u32>, Problem> {
        let bound: u32 = self.number(found, 0..=u64::from(u32::MAX))?;
        Ok((bound > 0).then_some(bound))
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
