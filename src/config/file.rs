//! The configuration file: where it is looked for, and whether its shape is right.
//!
//! Owns the look-up and the messages with the line, which is not shown if it may hold a secret. A file
//! that passes may still have values out of range; the sections check those.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use toml::de::DeTable;

use super::environment::Environment;
use super::error::ConfigError;
use super::file_texts::FileTexts;
use super::layers::Layer;
use super::lines;
use super::schema::{CREDENTIALS, OLD_ID, PREVIOUS_SECRET, Schema};
use super::secret::FILE_KEY;
use super::suggest::nearest;
use super::syntax;

/// Keys whose values are secrets, or hold one.
const SECRETS: [&str; 4] = ["secret", "password", "url", "encryption_master_key"];

/// A longer line is not shown.
const LINE_CHARS: usize = 100;

/// A file as it was read, secrets included.
#[derive(Clone)]
pub struct ConfigFile {
    /// Its path: messages name it.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl ConfigFile {
    /// Finds and reads the file of `--config`. A bare name is looked for in the working folder,
    /// then in its `config` folder, so that `--config reverb.toml` works at the root of a project.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bare = path.components().count() == 1 && path.is_relative();
        let mut places = vec![path.to_owned()];
        if bare {
            places.push(Path::new("config").join(path));
        }
        let mut is_folder = false;
        for place in &places {
            match std::fs::read(place) {
                Ok(bytes) => return Self::of_bytes(place.display().to_string(), bytes),
                Err(error) => match error.kind() {
                    ErrorKind::IsADirectory => is_folder = true,
                    ErrorKind::NotFound | ErrorKind::NotADirectory => {}
                    _ => return Err(unreadable(place, &error)),
                },
            }
        }
        if is_folder {
            return Err(ConfigError::new(format!(
                "flag --config is {path:?}, a folder; it must be a file"
            )));
        }
        let names: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        Err(ConfigError::new(format!(
            "flag --config is {path:?}, but there is no such file; looked for {}",
            names.join(" and ")
        )))
    }

    fn of_bytes(name: String, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let flaw = syntax::not_text(error.as_bytes());
                Err(ConfigError::new(format!("{name} {flaw}")))
            }
        }
    }

    /// The layer of this file, once nothing in it is unknown or of the wrong type. Environment in its texts
    /// are replaced, and the files of secrets read.
    pub(super) fn layer(
        &self,
        schema: &Schema,
        environment: &Environment,
    ) -> Result<Layer, ConfigError> {
        let refuse = |error: &toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            self.refuse(start, &syntax::explain(error.message()))
        };
        let file = DeTable::parse(&self.text).map_err(|error| refuse(&error))?;
        self.has_no_credentials_for_all(file.get_ref())?;
        schema.check(file.get_ref()).map_err(|flaw| self.refuse(flaw.span.start, &flaw.text))?;
        let mut table: toml::Table = toml::from_str(&self.text).map_err(|error| refuse(&error))?;
        let texts = FileTexts { name: &self.name, lines: self.lines(), environment };
        let from_files = texts.resolve(&mut table)?;
        Ok(Layer::of_toml(&table, &|key| {
            let end = if from_files.contains_key(key) { FILE_KEY } else { "" };
            format!("{}: {key}{end}", self.name)
        }))
    }

    /// The line of each key, lists of tables by their index.
    pub(super) fn lines(&self) -> BTreeMap<String, usize> {
        lines::of_keys(&self.text)
    }

    /// The files of its secrets.
    pub(super) fn secret_files(&self, environment: &Environment) -> Vec<String> {
        let Ok(mut table) = toml::from_str(&self.text) else { return Vec::new() };
        let texts = FileTexts { name: &self.name, lines: self.lines(), environment };
        texts.resolve(&mut table).map(|files| files.into_values().collect()).unwrap_or_default()
    }

    /// Whether it has no key at all.
    pub(super) fn is_empty(&self) -> bool {
        DeTable::parse(&self.text).is_ok_and(|table| table.get_ref().is_empty())
    }

    fn has_no_credentials_for_all(&self, file: &DeTable<'_>) -> Result<(), ConfigError> {
        let app = file.get("app").and_then(|app| app.get_ref().as_table());
        let has = |key: &&str| app.is_some_and(|app| app.contains_key(*key));
        if CREDENTIALS.iter().chain([&OLD_ID, &PREVIOUS_SECRET]).any(has) {
            return Err(ConfigError::new(format!(
                "{}: [app] is what every app starts from; an app of its own, with id, key and \
                 secret, is [[apps]]",
                self.name
            )));
        }
        Ok(())
    }

    /// The line and what is wrong with it. A line that may hold a secret only has its number.
    fn refuse(&self, start: usize, flaw: &str) -> ConfigError {
        let name = &self.name;
        if let Some(format) = syntax::other_format(&self.text) {
            return ConfigError::new(format!("{name} {format}"));
        }
        let number = lines::line(&self.text, start);
        let line = self.text.lines().nth(number - 1).unwrap_or_default().trim();
        let shown = !line.is_empty()
            && !line.contains(char::is_control)
            && line.chars().count() <= LINE_CHARS
            && !may_hold_secret(line);
        let found = if shown { format!(" is {line}") } else { " is wrong".to_owned() };
        ConfigError::new(format!("{name}: line {number}{found}; {flaw}"))
    }
}

/// Why a file that is there cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let name = path.display();
    ConfigError::new(match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("{name} cannot be read; the user of this process has no permission to")
        }
        _ => format!("{name} cannot be read: {error}"),
    })
}

/// Whether a word of it is the name of a secret, typos included, or it has apps without key names.
fn may_hold_secret(line: &str) -> bool {
    if line.starts_with("apps") {
        return true;
    }
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| nearest(word, SECRETS.into_iter()).is_some())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use super::unreadable;

    #[test]
    fn a_file_without_permission_is_named_with_the_reason() {
        let refused = unreadable(Path::new("a.toml"), &ErrorKind::PermissionDenied.into());
        let message = "a.toml cannot be read; the user of this process has no permission to";
        assert_eq!(refused.to_string(), message);
    }
}
