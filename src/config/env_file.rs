//! The `.env` file of a Laravel application: which one is read, and what of it counts.
//!
//! Owns the choice of the file, and its variables beside those of the process, which win. Never shows a value. The
//! rules of the file are those of `dotenv`; what the variables set is left to `environment`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::secret::FILE_VARIABLE;
use crate::dotenv::{self, Dotenv, DotenvVariable, EnvLiteral, LostCause, LostLines};

/// What is read of the working folder.
const NAME: &str = ".env";

/// Far beyond any real one.
const LARGEST_BYTES: u64 = 1 << 20;

/// How the variables begin that make a `.env` of the working folder the server's.
const OURS: [&str; 4] = ["REVERB_", "PUSHER_", "RESOUND_", "SOKETI_"];

/// How the variables begin that describe another process: the PHP of the application, which has its own traces.
const OF_PHP: &str = "OTEL_";

/// Names and values, as the process has them.
type ProcessVariables = BTreeMap<String, String>;

/// Which `.env` file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EnvFileChoice {
    /// That of the working folder, if it has settings of this server.
    #[default]
    WorkingFolder,
    /// None.
    None,
    /// This one.
    Path(PathBuf),
}

/// A file as it was read, secrets included.
#[derive(Clone)]
pub struct EnvFile {
    /// Its path: messages name it.
    pub name: String,
    dotenv: Dotenv,
}

/// What was read of a `.env` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFileReport {
    /// Its path.
    pub name: String,
    /// The names of its variables that set something, in order.
    pub variables: Vec<String>,
}

impl EnvFile {
    /// Parses a text, which Laravel must accept.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, ConfigError> {
        let name = name.into();
        match Dotenv::parse(text) {
            Ok(dotenv) => Ok(Self { name, dotenv }),
            Err(error) => {
                let what = error.name.map(|name| format!(" {name}")).unwrap_or_default();
                let (line, flaw) = (error.line, error.flaw);
                Err(ConfigError::new(format!(
                    "{name}:{line}:{what} {flaw}; Laravel refuses the whole file"
                )))
            }
        }
    }

    /// Reads the chosen file.
    pub(super) fn read(choice: &EnvFileChoice) -> Result<Option<Self>, ConfigError> {
        match choice {
            EnvFileChoice::None => Ok(None),
            EnvFileChoice::WorkingFolder => Self::found(Path::new(NAME)),
            EnvFileChoice::Path(path) => {
                let name = path.display().to_string();
                let text = read(path).map_err(|flaw| {
                    ConfigError::new(format!("flag --env-file is {name:?}; {flaw}"))
                })?;
                Self::parse(name, &text).map(Some)
            }
        }
    }

    /// That of the working folder. One without settings of this server is not looked at further, whatever is wrong
    /// with it.
    fn found(path: &Path) -> Result<Option<Self>, ConfigError> {
        let Ok(text) = read(path) else { return Ok(None) };
        if !text
            .lines()
            .any(|line| is_ours(line.trim_start().trim_start_matches("export").trim_start()))
        {
            return Ok(None);
        }
        let refuse =
            |error| ConfigError::new(format!("{error}; correct it, or start with --no-env-file"));
        let file = Self::parse(path.display().to_string(), &text).map_err(refuse)?;
        let variables = file.dotenv.load(|_| None);
        Ok(variables.effective().any(|it| is_ours(&it.name)).then_some(file))
    }

    /// Its variables with their lines, without those that the process has itself.
    pub(super) fn variables(
        &self,
        process: &ProcessVariables,
    ) -> BTreeMap<String, (String, usize)> {
        let loaded = self.dotenv.load(|name| process.get(name).map(String::as_str));
        let counts = |it: &&DotenvVariable| {
            // A secret of the process may stand in a file, and that of the file too.
            let of_file = process.contains_key(&format!("{}{FILE_VARIABLE}", it.name));
            let inline =
                it.name.strip_suffix(FILE_VARIABLE).is_some_and(|it| process.contains_key(it));
            !it.is_shadowed && !of_file && !inline && !it.name.starts_with(OF_PHP)
        };
        let counted = loaded.effective().filter(counts);
        counted.filter_map(|it| Some((it.name.clone(), (it.value.clone()?, it.line)))).collect()
    }

    /// The origin of a variable in messages, without its name.
    pub(super) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    /// What people should know of the file: one sentence each, without values.
    pub(super) fn notes(&self, process: &ProcessVariables) -> Vec<String> {
        let variables = self.dotenv.load(|name| process.get(name).map(String::as_str));
        let mut notes: Vec<String> = self.dotenv.lost.iter().map(|lost| self.lost(lost)).collect();
        let hidden = variables.effective().filter(|it| it.is_shadowed && is_ours(&it.name));
        notes.extend(hidden.filter_map(|it| self.hidden(it, process)));
        let ours = self.dotenv.shell_differences(&variables).filter(|(it, _)| is_ours(&it.name));
        notes.extend(ours.map(|(it, difference)| {
            format!(
                "{}: {} is read as Laravel reads it; {difference}",
                self.place(it.line),
                it.name
            )
        }));
        if self.dotenv.has_carriage_returns {
            notes.push(format!(
                "{} has lines that end with CR LF; a shell that sources the file appends the CR to each value",
                self.name
            ));
        }
        notes
    }

    fn lost(&self, LostLines { first, last, cause }: &LostLines) -> String {
        let place = self.place(*first);
        match cause {
            LostCause::Unclosed => format!(
                "{place}: the double quote is not closed, so the lines {first} to {last} have no effect, as in \
                 Laravel; close it"
            ),
            LostCause::Comment => format!(
                "{place}: a double quote opens in this comment, so the lines {first} to {last} are part of it, as in \
                 Laravel; remove the quote"
            ),
        }
    }

    /// A value that an empty variable of the process hides, in Laravel too.
    fn hidden(&self, it: &DotenvVariable, process: &ProcessVariables) -> Option<String> {
        let is_nothing =
            |text: &str| matches!(EnvLiteral::of(text), EnvLiteral::Empty | EnvLiteral::Null);
        let (outer, inner) = (process.get(&it.name)?, it.value.as_deref()?);
        (is_nothing(outer) && !is_nothing(inner)).then(|| {
            format!(
                "{}: {} has no effect, as in Laravel, since the environment variable of this name is set and \
                 empty; remove that",
                self.place(it.line),
                it.name
            )
        })
    }
}

/// Only a regular file: tools that keep secrets put a pipe there, which opens when they answer.
fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    let kind = fs::metadata(path).map_err(unreadable)?;
    if !kind.is_file() {
        return Err("it must be a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(format!("it is larger than {LARGEST_BYTES} bytes, so no .env file"));
    }
    Ok(dotenv::decode(&bytes))
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|prefix| name.starts_with(prefix))
}
