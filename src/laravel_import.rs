//! A configuration file from the files of a Laravel application, `.env` and `config/reverb.php`, or from soketi's.
//!
//! Owns what each setting of Reverb is called here, and the text that is written. Pure: the files are arguments. What
//! is not data is named with its line and never guessed; reading and writing files is left to the caller.

use crate::dotenv::{Dotenv, DotenvError, DotenvVariables};
use crate::php_config::{self, PhpError};

mod document;
mod reverb;
mod soketi;
mod stock;

pub use document::{LaravelImport, SecretForm};
pub use soketi::{SoketiError, import_soketi};

use document::{Document, ImportOrigins};

/// A file by its name, as the written text shall name it.
#[derive(Debug, Clone)]
pub struct LaravelFile {
    /// Its path.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What an application has.
#[derive(Debug, Clone, Default)]
pub struct LaravelFiles {
    /// `.env`
    pub env: Option<LaravelFile>,
    /// `config/reverb.php`; without it, Laravel takes that of the package.
    pub reverb: Option<LaravelFile>,
}

/// Why nothing is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Laravel refuses the `.env` file as well.
    #[error("{name} {error}; Laravel refuses the whole file")]
    Env {
        /// The file.
        name: String,
        /// What is wrong.
        error: DotenvError,
    },
    /// The file of Reverb is more than an array.
    #[error("{name} {error}")]
    Php {
        /// The file.
        name: String,
        /// What is wrong.
        error: PhpError,
    },
}

/// Writes the configuration that Reverb would have.
pub fn import(files: &LaravelFiles, secrets: SecretForm) -> Result<LaravelImport, ImportError> {
    let variables = match &files.env {
        None => DotenvVariables::default(),
        Some(LaravelFile { name, text }) => {
            let parsed = Dotenv::parse(text);
            let parsed = parsed.map_err(|error| ImportError::Env { name: name.clone(), error })?;
            parsed.load(|_| None)
        }
    };
    let variable = |name: &str| variables.get(name)?.value.as_deref();
    let text = files.reverb.as_ref().map_or(stock::REVERB, |file| &file.text);
    let php = php_config::read(text, &variable);
    let name = |file: &Option<LaravelFile>| file.as_ref().map(|file| file.name.clone());
    let (env_name, php_name) = (name(&files.env), name(&files.reverb));
    let refuse = |error| ImportError::Php { name: php_name.clone().unwrap_or_default(), error };
    let php = php.map_err(refuse)?;
    let env = env_name.as_deref().unwrap_or_default();
    let origins = ImportOrigins { php: php_name.as_deref(), env, variables: &variables };
    let mut document = Document::new(origins, secrets);
    reverb::write(&php, &mut document);
    if !document.has_apps()
        && let Ok(pusher) = php_config::read(stock::PUSHER, &variable)
    {
        reverb::write_app_of_pusher(&pusher, &mut document);
    }
    let names: Vec<&str> =
        [&env_name, &php_name].into_iter().flatten().map(String::as_str).collect();
    Ok(document.finish(&names))
}

#[cfg(test)]
mod tests;
