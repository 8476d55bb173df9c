//! The configuration file: where it is looked for, and whether its shape is right.
//!
//! Owns the look-up and the messages with line and column, which show no line that may hold a
//! secret. Knows no meaning: what passes here may still hold values out of range.

use std::path::{Path, PathBuf};

use super::layers::Layer;
use super::nearest::nearest;
use super::problem::Problem;
use super::written::Written;

/// Keys whose values are secrets, or hold one.
const SECRETS: [&str; 3] = ["secret", "password", "url"];

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
        // Pipes are files too: `--config <(…)`.
        let Some(found) = places.iter().find(|place| place.exists() && !place.is_dir()) else {
            let names: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
            return Err(Problem::new(format!(
                "flag --config is {path:?}, but there is no such file; looked for {}",
                names.join(" and ")
            )));
        };
        Self::read_found(found)
    }

    fn read_found(path: &PathBuf) -> Result<Self, Problem> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => Err(Problem::new(format!("{name} cannot be read: {error}"))),
        }
    }

    /// The layer of this file, once nothing in it is unknown or of the wrong type.
    pub(super) fn layer(&self) -> Result<Layer, Problem> {
        let refuse = |error| self.refuse(error);
        let written: Written = toml::from_str(&self.text).map_err(refuse)?;
        let app = &written.app;
        if [&app.id, &app.key, &app.secret].iter().any(|text| !text.is_empty()) {
            return Err(Problem::new(format!(
                "{}: [app] is what every app starts from; an app of its own, with id, key and \
                 secret, is [[apps]]",
                self.name
            )));
        }
        let table: toml::Table = toml::from_str(&self.text).map_err(refuse)?;
        Ok(Layer::of_toml(&table, &|key| format!("{}: {key}", self.name)))
    }

    /// The message of the parser, which shows the line; one that may hold a secret only has its
    /// number, and values are cut out of what is said of it.
    fn refuse(&self, mut error: toml::de::Error) -> Problem {
        let start = error.span().map_or(0, |span| span.start);
        let above = self.text.get(..start).unwrap_or_default().matches('\n').count();
        let line = self.text.lines().nth(above).unwrap_or_default();
        if !may_hold_secret(line) {
            return Problem::new(format!("{}: {}", self.name, error.to_string().trim_end()));
        }
        error.set_input(None);
        let message = match error.message().rsplit_once(", expected ") {
            Some((_, expected)) if error.message().starts_with("invalid type") => {
                format!("expected {expected}")
            }
            _ => error.message().to_owned(),
        };
        let number = above + 1;
        Problem::new(format!("{}: TOML parse error at line {number}: {message}", self.name))
    }
}

/// Whether a word of it is the name of a secret, typos included.
fn may_hold_secret(line: &str) -> bool {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| nearest(word, SECRETS.into_iter()).is_some())
}
