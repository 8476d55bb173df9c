//! What is looked at: the files of a Laravel application, the configuration of Resound, addresses.
//!
//! Owns reading them, once for all checks. What is wrong with them is left to the checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::destinations::{Destination, Destinations};
use super::laravel_destinations::LaravelVariables;
use super::network::Network;
use super::redaction::Redaction;
use crate::config::{Config, ConfigError};
use crate::dotenv::{self, Dotenv};
use crate::probe::ServerUrl;

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
    /// The origin of the application's pages.
    pub origin: Option<String>,
    /// The main configuration file of Nginx.
    pub nginx: Option<PathBuf>,
    /// How far the checks may look.
    pub reach: Reach,
}

/// How far the checks look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// At files, and at what answers.
    #[default]
    Network,
    /// At files only.
    Files,
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
    /// The main configuration file of Nginx, if it was named.
    pub nginx: Option<PathBuf>,
    /// How far the checks may look.
    pub reach: Reach,
    /// What the network shows, as far as checks have asked for it.
    pub network: Network,
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
        let destinations = match options.reach {
            Reach::Network => destinations(options, &config)?,
            Reach::Files => Destinations::default(),
        };
        let secrets = config.iter().flatten().flat_map(secrets).collect::<Vec<_>>();
        Ok(Self {
            config,
            url: options.url.clone(),
            internal: options.internal.clone(),
            nginx: options.nginx.clone(),
            reach: options.reach,
            network: Network::new(destinations),
            redaction: Redaction::new(secrets),
        })
    }
}

/// Where the network checks connect to.
fn destinations(
    options: &SetupOptions,
    config: &Option<Result<Config, ConfigError>>,
) -> Result<Destinations, SetupError> {
    let mut destinations = match config {
        Some(Ok(config)) => Destinations::of_config(config),
        _ => Destinations::default(),
    };
    if let Some(text) = &options.url {
        let url = ServerUrl::parse(text).ok_or_else(|| {
            SetupError(format!("flag --url is {text:?}; it must be like https://ws.example.com"))
        })?;
        destinations.public = Some(Destination { url, named_by: "--url".to_owned() });
    }
    let env = options.env_file.clone().or_else(|| options.app.as_ref().map(|app| app.join(".env")));
    if let Some(path) = env
        && let Some(values) = variables(&path)
    {
        let file = path.display().to_string();
        destinations = LaravelVariables { values: &values, file: &file }.complete(destinations);
    }
    if let Some(origin) = &options.origin {
        destinations.origin = Some(origin.clone());
    }
    Ok(destinations)
}

/// The variables of a `.env`, if it can be read.
fn variables(path: &Path) -> Option<BTreeMap<String, String>> {
    let text = dotenv::decode(&std::fs::read(path).ok()?);
    let variables = Dotenv::parse(&text).ok()?.load(|_| None);
    let values = variables.effective().map(|one| (one.name.clone(), one.value.clone()));
    Some(values.filter_map(|(name, value)| Some((name, value?))).collect())
}

/// The secrets of every app, and of Redis.
fn secrets(config: &Config) -> Vec<String> {
    let of_apps = config.apps.iter().flat_map(|app| app.secrets());
    of_apps.map(|secret| secret.reveal().to_owned()).collect()
}
