//! The merged values of a table, read one by one with the range or form that each key allows.
//!
//! Owns the units (bytes, seconds, counts) and the largest number of each that is no typo. Types are not
//! checked here: `schema` lets no other value into a layer.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Map, Value, ValueKind};

use super::error::{ConfigError, ValueOrigin, enumeration};

/// What a share may be.
pub(super) const RATIO: &str = "it must be a number from 0 to 1, such as 0.25";

/// 24 hours: a longer time is a wrong unit.
const MAX_SECONDS: u64 = 86_400;
/// 1 GiB: the same for sizes.
const MAX_BYTES: u64 = 1 << 30;

/// A table as the `config` crate has it; the origin of each leaf is the text of its [`ValueOrigin`].
pub(super) type ValueTable = Map<String, Value>;

/// A merged table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a>(&'a ValueTable);

impl<'a> Values<'a> {
    pub(super) fn of(table: &'a ValueTable) -> Self {
        Self(table)
    }

    /// The value of a key such as `server.port`, which has a default.
    pub(super) fn at(self, key: &str) -> Setting<'a> {
        self.get(key).unwrap_or_else(|| panic!("{key} has a default"))
    }

    /// The value of a key that may be absent.
    pub(super) fn get(self, key: &str) -> Option<Setting<'a>> {
        let (parents, leaf) = key.rsplit_once('.').map_or((None, key), |(p, l)| (Some(p), l));
        let mut table = self.0;
        for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
            table = match &table.get(parent)?.kind {
                ValueKind::Table(inner) => inner,
                _ => return None,
            };
        }
        let value = table.get(leaf)?;
        Some(Setting { origin: ValueOrigin::new(value.origin().unwrap_or(key)), value })
    }
}

/// One value and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Setting<'a> {
    pub(super) origin: ValueOrigin,
    value: &'a Value,
}

impl Setting<'_> {
    /// The value as it is in its layer.
    pub(super) fn value(&self) -> &Value {
        self.value
    }

    /// A number within bounds, in the type that holds it.
    pub(super) fn number<T: TryFrom<u64>>(
        &self,
        allowed: RangeInclusive<u64>,
    ) -> Result<T, ConfigError> {
        let found = self.value.clone().into_uint().expect("the schema has a number here");
        let number = if allowed.contains(&found) { T::try_from(found).ok() } else { None };
        number.ok_or_else(|| {
            let allowed = format_args!("allowed are {} to {}", allowed.start(), allowed.end());
            self.origin.refuse(found, allowed)
        })
    }

    /// A size or count; zero would make it useless.
    pub(super) fn bytes(&self) -> Result<usize, ConfigError> {
        self.number(1..=MAX_BYTES)
    }

    /// A time to wait for something; zero would let nothing succeed.
    pub(super) fn seconds(&self) -> Result<Duration, ConfigError> {
        self.number(1..=MAX_SECONDS).map(Duration::from_secs)
    }

    /// A time to wait, where 0 stands for never.
    pub(super) fn seconds_or_never(&self) -> Result<Option<Duration>, ConfigError> {
        let seconds = self.number(0..=MAX_SECONDS)?;
        Ok((seconds > 0).then_some(Duration::from_secs(seconds)))
    }

    /// Milliseconds within bounds.
    pub(super) fn millis(&self, allowed: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        self.number(allowed).map(Duration::from_millis)
    }

    /// A share, 0 to 1.
    pub(super) fn ratio(&self) -> Result<f64, ConfigError> {
        let found = self.value.clone().into_float().expect("the schema has a number here");
        match (0.0..=1.0).contains(&found) {
            true => Ok(found),
            false => Err(self.refuse(found, RATIO)),
        }
    }

    pub(super) fn truth(&self) -> bool {
        self.value.clone().into_bool().expect("the schema has true or false here")
    }

    /// The value as text, whether it was written as a string, a number or a truth value.
    pub(super) fn text(&self) -> String {
        self.value.clone().into_string().expect("the schema has no table or list here")
    }

    /// The text of a value that is not empty.
    pub(super) fn text_if_any(&self) -> Option<String> {
        Some(self.text()).filter(|text| !text.is_empty())
    }

    /// What `parse` makes of the text; `allowed` says what it must be.
    pub(super) fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Option<T>,
        allowed: impl fmt::Display,
    ) -> Result<T, ConfigError> {
        let text = self.text();
        parse(&text).ok_or_else(|| self.refuse(format_args!("{text:?}"), allowed))
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let items = self.value.clone().into_array().expect("the schema has a list here");
        let text = |item: Value| item.into_string().expect("the schema has a list of texts here");
        items.into_iter().map(text).collect()
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let allowed = format_args!("allowed are {}", enumeration(&names));
        let chosen = |text: &str| choices.iter().find(|(name, _)| *name == text);
        self.parsed(|text| chosen(text).map(|(_, value)| *value), allowed)
    }

    /// A table of texts under any names, in the order of these names.
    pub(super) fn fields(&self) -> BTreeMap<String, String> {
        let fields = self.value.clone().into_table().expect("the schema has a table here");
        let text = |(name, field): (String, Value)| {
            (name, field.into_string().expect("the schema has a table of texts here"))
        };
        fields.into_iter().map(text).collect()
    }

    /// The tables of a list, each with the origin of its list and its index.
    pub(super) fn tables(&self) -> Vec<(ValueOrigin, ValueTable)> {
        let items = self.value.clone().into_array().expect("the schema has a list here");
        let table = |(index, item): (usize, Value)| {
            let table = item.into_table().expect("the schema has a list of tables here");
            (self.origin.part(format_args!("[{index}]")), table)
        };
        items.into_iter().enumerate().map(table).collect()
    }

    /// See [`ValueOrigin::refuse`].
    pub(super) fn refuse(
        &self,
        found: impl fmt::Display,
        allowed: impl fmt::Display,
    ) -> ConfigError {
        self.origin.refuse(found, allowed)
    }

    /// See [`ValueOrigin::flaw`].
    pub(super) fn flaw(&self, flaw: impl fmt::Display) -> ConfigError {
        self.origin.flaw(flaw)
    }
}
