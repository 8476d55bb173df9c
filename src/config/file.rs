//! The configuration file: where it is looked for, and whether its shape is right.
//!
//! Owns the look-up and the messages with the line, which show none that may hold a secret. Knows
//! no meaning: what passes here may still hold values out of range.

use std::io::{self, ErrorKind};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::layers::Layer;
use super::problem::Problem;
use super::suggest::nearest;
use super::syntax;
use super::written::Written;

/// Keys whose values are secrets, or hold one.
const SECRETS: [&str; 3] = ["secret", "password", "url"];

/// A longer line is not shown.
const LINE_CHARS: usize = 100;

/// A file as it was read, secrets included.
#[derive(Clone)]
pub struct File {
    /// Its path: messages name it.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// Finds and reads the file of `--config`. A bare name is looked for in the working folder,
    /// then in its `config` folder, so that `--config reverb.toml` works at the root of a project.
    pub fn read(path: &Path) -> Result<Self, Problem> {
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
            return Err(Problem::new(format!(
                "flag --config is {path:?}, a folder; it must be a file"
            )));
        }
        let names: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        Err(Problem::new(format!(
            "flag --config is {path:?}, but there is no such file; looked for {}",
            names.join(" and ")
        )))
    }

    fn of_bytes(name: String, bytes: Vec<u8>) -> Result<Self, Problem> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let flaw = syntax::not_text(error.as_bytes());
                Err(Problem::new(format!("{name} {flaw}")))
            }
        }
    }

    /// The layer of this file, once nothing in it is unknown or of the wrong type.
    pub(super) fn layer(&self) -> Result<Layer, Problem> {
        let written: Written = self.parsed()?;
        let app = &written.app;
        if [&app.id, &app.key, &app.secret].iter().any(|text| !text.is_empty()) {
            return Err(Problem::new(format!(
                "{}: [app] is what every app starts from; an app of its own, with id, key and \
                 secret, is [[apps]]",
                self.name
            )));
        }
        let table: toml::Table = self.parsed()?;
        Ok(Layer::of_toml(&table, &|key| format!("{}: {key}", self.name)))
    }

    /// Whether it has no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.parsed::<toml::Table>().is_ok_and(|table| table.is_empty())
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        toml::from_str(&self.text).map_err(|error| self.refuse(&error))
    }

    /// The line and what is wrong with it. A line that may hold a secret only has its number.
    fn refuse(&self, error: &toml::de::Error) -> Problem {
        let name = &self.name;
        if let Some(flaw) = syntax::other_format(&self.text) {
            return Problem::new(format!("{name} {flaw}"));
        }
        let start = error.span().map_or(0, |span| span.start);
        let above = self.text.get(..start).unwrap_or_default().matches('\n').count();
        let line = self.text.lines().nth(above).unwrap_or_default().trim();
        let flaw = syntax::explain(error.message());
        let number = above + 1;
        let shown = !line.is_empty()
            && !line.contains(char::is_control)
            && line.chars().count() <= LINE_CHARS
            && !may_hold_secret(line);
        let found = if shown { format!(" is {line}") } else { " is wrong".to_owned() };
        Problem::new(format!("{name}: line {number}{found}; {flaw}"))
    }
}

/// Why a file that is there cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let name = path.display();
    Problem::new(match error.kind() {
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
