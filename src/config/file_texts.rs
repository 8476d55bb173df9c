//! The texts of a file that stand for others: `${VAR}`, and the files of secrets.
//!
//! Owns where they may stand and the messages, which name the key and its line. The forms are those of
//! `substitution` and `secret`.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::error::ConfigError;
use super::list;
use super::schema::join;
use super::secret::{FILE_KEY, is_secret, read_file};
use super::substitution::substitute;

/// One file, and what its texts refer to.
pub(super) struct FileTexts<'a> {
    pub(super) name: &'a str,
    pub(super) lines: BTreeMap<String, usize>,
    pub(super) environment: &'a Environment,
}

/// A table on its way down: its full name, and that without the indexes of lists.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    kind: &'a str,
}

/// The only secret that is a list.
const URLS: &str = "cluster.urls";

fn kind_of(place: Place<'_>, secret: &str) -> String {
    join(place.kind, secret)
}

impl FileTexts<'_> {
    /// Replaces the variables in all texts, and the name of each secret's file by its content. Returns the
    /// file of each secret that has one, by its key.
    pub(super) fn resolve(
        &self,
        table: &mut toml::Table,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        for (key, value) in &mut *table {
            self.replace_variables(value, key)?;
        }
        let mut files = BTreeMap::new();
        self.read_secrets(table, Place { path: "", kind: "" }, &mut files)?;
        Ok(files)
    }

    fn replace_variables(&self, value: &mut toml::Value, key: &str) -> Result<(), ConfigError> {
        match value {
            toml::Value::String(text) => {
                let replaced = substitute(text, |name| self.environment.raw(name));
                *text = replaced.map_err(|flaw| self.refuse(key, &flaw))?;
            }
            toml::Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let of_item =
                        if item.is_table() { format!("{key}[{index}]") } else { key.to_owned() };
                    self.replace_variables(item, &of_item)?;
                }
            }
            toml::Value::Table(table) => {
                for (name, item) in table {
                    self.replace_variables(item, &join(key, name))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn read_secrets(
        &self,
        table: &mut toml::Table,
        place: Place<'_>,
        files: &mut BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        for name in table.keys().cloned().collect::<Vec<_>>() {
            let (key, kind) = (join(place.path, &name), join(place.kind, &name));
            if let Some(secret) = name.strip_suffix(FILE_KEY)
                && is_secret(&kind_of(place, secret))
            {
                if table.contains_key(secret) {
                    return Err(
                        self.refuse(&key, &format!("stands beside {secret}; remove one of them"))
                    );
                }
                let file = table.remove(&name);
                let file = file.as_ref().and_then(toml::Value::as_str).unwrap_or_default();
                let text = read_file(file).map_err(|flaw| self.refuse(&key, &flaw))?;
                let value = self.secret_value(&kind_of(place, secret), text)?;
                table.insert(secret.to_owned(), value);
                files.insert(join(place.path, secret), file.to_owned());
                continue;
            }
            match table.get_mut(&name) {
                Some(toml::Value::Table(inner)) => {
                    self.read_secrets(inner, Place { path: &key, kind: &kind }, files)?;
                }
                Some(toml::Value::Array(items)) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        if let toml::Value::Table(inner) = item {
                            let path = format!("{key}[{index}]");
                            self.read_secrets(inner, Place { path: &path, kind: &kind }, files)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The text of a file as the type of its key.
    fn secret_value(&self, key: &str, text: String) -> Result<toml::Value, ConfigError> {
        if key != URLS {
            return Ok(text.into());
        }
        let items = list::items(&text);
        let items = items.ok_or_else(|| {
            self.refuse(&format!("{key}{FILE_KEY}"), "names a file that has no list")
        })?;
        Ok(toml::Value::Array(items.into_iter().map(toml::Value::from).collect()))
    }

    fn refuse(&self, key: &str, flaw: &str) -> ConfigError {
        let line = self.lines.get(key).map(|line| format!(" (line {line})")).unwrap_or_default();
        ConfigError::new(format!("{}: {key}{line} {flaw}", self.name))
    }
}
