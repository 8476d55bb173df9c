//! What is looked at: the files of a Laravel application, the configuration of Resound, addresses.
//!
//! Owns reading them, once for all checks. What is wrong with them is left to the checks.

use std::path::PathBuf;

use super::redaction::Redaction;
use crate::config::{Config, ConfigError};

/// What the caller names.
#[derive(Debug, Clone, Default)]
pub struct SetupOptions {
    /// The folder of a Laravel application.
    pub app: Option<PathBuf>,
    /// Its `.env`, if that is elsewhere.
    pub env_file: Option<PathBuf>,
    /// The configuration file of Resound.
    pub config: Option<PathBuf>,
    /// Where browsers reach the server.
    pub url: Option<String>,
    /// Where the internal listener is.
    pub internal: Option<String>,
}

/// Everything that the checks look at.
#[derive(Default)]
pub struct Setup {
    /// The configuration of Resound, or why it is refused; `None` if no file was named.
    pub config: Option<Result<Config, ConfigError>>,
    /// Where browsers reach the server, if it was named.
    pub url: Option<String>,
    /// Where the internal listener is, if it was named.
    pub internal: Option<String>,
    /// Every secret of the set-up.
    pub redaction: Redaction,
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SetupError(String);

impl Setup {
    /// Reads what the options name.
    pub fn read(options: &SetupOptions) -> Result<Self, SetupError> {
        let config = options.config.as_deref().map(|file| Config::load(Some(file), Vec::new()));
        if options.app.is_none() && config.is_none() && options.url.is_none() {
            return Err(SetupError(
                "there is nothing to look at; name the folder of the Laravel application with --app, or the \
                 configuration file with --config"
                    .to_owned(),
            ));
        }
        let secrets = config.iter().flatten().flat_map(secrets).collect::<Vec<_>>();
        Ok(Self {
            config,
            url: options.url.clone(),
            internal: options.internal.clone(),
            redaction: Redaction::new(secrets),
        })
    }
}

/// The secrets of every app, and of Redis.
fn secrets(config: &Config) -> Vec<String> {
    let of_apps = config.apps.iter().flat_map(|app| app.secrets());
    of_apps.map(|secret| secret.reveal().to_owned()).collect()
}
