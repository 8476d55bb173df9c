//! Every key with the value that counts and where it comes from, for people.
//!
//! Owns the text of a value and of its source; a secret is shown by its fingerprint. Which keys take effect
//! without a restart is decided here too, since that is a property of keys.

use std::collections::BTreeMap;
use std::fmt;

use config::{Value, ValueKind};

use super::apps::AppEntry;
use super::error::ValueOrigin;
use super::file::ConfigFile;
use super::inputs::InputEntry;
use super::schema::{LARAVEL_REDIS, Schema};
use super::secret::{FILE_KEY, is_secret};
use super::values::{Setting, ValueTable, Values};
use crate::app::fingerprint;

/// The keys that a reload applies: what apps start from, and what is logged. Each `[[apps]]` entry is
/// applied too.
const APPLIED: [&str; 6] = [
    "app.",
    "log.level",
    "log.debug",
    "internal.token",
    "internal.read_only_token",
    "internal.hosts",
];

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolvedKey {
    /// Its full name, such as `server.port` or `apps[0].key`.
    pub key: String,
    /// Its value as it would stand in a file.
    pub value: String,
    /// The file and line, the variable or the flag that set it.
    pub source: String,
    /// Whether it is the default, which nothing set.
    pub is_default: bool,
}

/// All keys of one configuration.
#[derive(Clone, Default)]
pub struct Resolved(Vec<ResolvedKey>);

/// A key that another configuration has with another value, and that needs a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingKey {
    /// Its name.
    pub key: String,
    /// The value that is in use.
    pub running: String,
    /// The value that is configured.
    pub configured: String,
}

/// Two configurations are compared by their settings; this only shows them.
impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolved(…)")
    }
}

impl Resolved {
    pub(super) fn of(
        merged: &ValueTable,
        entries: &[AppEntry],
        inputs: &[InputEntry],
        schema: &Schema,
        file: Option<&ConfigFile>,
    ) -> Self {
        let lines = file.map(|file| (file.name.as_str(), file.lines()));
        let row = |key: &str, shown: String, setting: &Setting<'_>| {
            let source = source(&setting.origin, lines.as_ref());
            let is_default = setting.origin.is_default();
            ResolvedKey { key: shown, value: text(key, setting.value()), source, is_default }
        };
        let values = Values::of(merged);
        let mut all: Vec<_> =
            schema.names().map(|key| row(key, key.to_owned(), &values.at(key))).collect();
        for (index, entry) in entries.iter().enumerate() {
            for key in leaves(&entry.table, "") {
                if let Some(setting) = Values::of(&entry.table).get(&key) {
                    let shown = format!("apps[{index}].{key}");
                    all.push(row(&format!("apps.{key}"), shown, &setting));
                }
            }
        }
        for (index, input) in inputs.iter().enumerate() {
            for key in leaves(&input.table, "") {
                if let Some(setting) = Values::of(&input.table).get(&key) {
                    let shown = format!("{LARAVEL_REDIS}[{index}].{key}");
                    all.push(row(&format!("{LARAVEL_REDIS}.{key}"), shown, &setting));
                }
            }
        }
        Self(all)
    }

    /// Every key, in order of name; those of apps at the end.
    pub fn keys(&self) -> impl Iterator<Item = &ResolvedKey> {
        self.0.iter()
    }

    /// The names of the variables of a `.env` file that set a key, each once.
    pub(super) fn variables_of(&self, env_file: &str) -> Vec<String> {
        let mut variables: Vec<String> = Vec::new();
        for key in &self.0 {
            let place = key.source.strip_prefix(env_file).and_then(|rest| rest.strip_prefix(':'));
            if let Some((_, variable)) = place.and_then(|place| place.split_once(": "))
                && !variables.iter().any(|known| known == variable)
            {
                variables.push(variable.to_owned());
            }
        }
        variables
    }

    /// The keys that have another value in `next` and that a reload does not apply.
    pub fn pending(&self, next: &Self) -> Vec<PendingKey> {
        let applied = |key: &str| {
            key.starts_with("apps[") || APPLIED.iter().any(|applied| key.starts_with(applied))
        };
        let values: BTreeMap<&str, &str> =
            next.keys().map(|key| (key.key.as_str(), key.value.as_str())).collect();
        let pending = |now: &ResolvedKey| {
            let configured = (*values.get(now.key.as_str())?).to_owned();
            let (key, running) = (now.key.clone(), now.value.clone());
            (configured != running).then_some(PendingKey { key, running, configured })
        };
        let changed = self.keys().filter(|now| !applied(&now.key)).filter_map(pending);
        changed.chain(self.pending_inputs(next)).collect()
    }

    /// Entries of `laravel_redis` that were added or removed.
    fn pending_inputs(&self, next: &Self) -> Option<PendingKey> {
        let entries = |all: &Self| {
            let is_entry = |key: &&ResolvedKey| {
                key.key.starts_with(LARAVEL_REDIS) && key.key.ends_with("].prefix")
            };
            format!("{} entries", all.keys().filter(is_entry).count())
        };
        let (running, configured) = (entries(self), entries(next));
        let key = LARAVEL_REDIS.to_owned();
        (running != configured).then_some(PendingKey { key, running, configured })
    }
}

/// The full names of the values of a table, those in lists of tables left out.
fn leaves(table: &ValueTable, path: &str) -> Vec<String> {
    let names: BTreeMap<&String, &Value> = table.iter().collect();
    let of = |(name, value): (&String, &Value)| {
        let key = format!("{path}{name}");
        match &value.kind {
            ValueKind::Table(inner) => leaves(inner, &format!("{key}.")),
            _ => vec![key],
        }
    };
    names.into_iter().flat_map(of).collect()
}

/// The name of the file and the line, or the variable or flag.
fn source(origin: &ValueOrigin, file: Option<&(&str, BTreeMap<String, usize>)>) -> String {
    if origin.is_default() {
        return "default".to_owned();
    }
    let origin = origin.to_string();
    let of_file = file.and_then(|(name, lines)| {
        let path = origin.strip_prefix(name)?.strip_prefix(": ")?;
        Some(match lines.get(path) {
            Some(line) => format!("{name}:{line}"),
            None => (*name).to_owned(),
        })
    });
    of_file.unwrap_or_else(|| origin.replace("environment variable", "variable"))
}

/// The value as it would stand in a file, or the fingerprint of a secret.
fn text(key: &str, value: &Value) -> String {
    // The headers may hold a token.
    let is_hidden = is_secret(key) || key == "telemetry.headers";
    if is_hidden || key.ends_with(&format!("secret{FILE_KEY}")) {
        return fingerprint(&value.to_string());
    }
    shown(value)
}

fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => {
            // A list of tables: its entries may hold tokens.
            if items.iter().any(|item| matches!(item.kind, ValueKind::Table(_))) {
                return format!("{} entries", items.len());
            }
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        _ => value.to_string(),
    }
}
