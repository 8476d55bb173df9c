//! What is looked at: the files of a Laravel application, the configuration of Resound, addresses.
//!
//! Owns reading them, once for all checks. What is wrong with them is left to the checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::destinations::{Destination, Destinations, credentials};
use super::env_file::LaravelEnv;
use super::laravel_app::LaravelApp;
use super::laravel_destinations::LaravelVariables;
use super::network::Network;
use super::redaction::Redaction;
use crate::app::App;
use crate::config::{Config, ConfigError, ConfigInputs, EnvFileChoice};
use crate::php_config::{PhpData, PhpValue};
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
    pub reach: DoctorReach,
}

/// How far the checks look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DoctorReach {
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
    pub reach: DoctorReach,
    /// What the network shows, as far as checks have asked for it.
    pub network: Network,
    /// Every secret of the set-up.
    pub redaction: Redaction,
    /// The application, if there is one.
    pub(super) app: Option<LaravelApp>,
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SetupError(String);

impl Setup {
    /// Reads what the options name, or the application in the working folder.
    pub fn read(options: &SetupOptions) -> Result<Self, SetupError> {
        let folder = match &options.app {
            Some(folder) => Some(named(folder)?),
            None if Path::new("artisan").exists() => Some(Path::new(".")),
            None => None,
        };
        let env_file = options.env_file.as_deref();
        if let Some(file) = env_file.filter(|file| !file.exists()) {
            return Err(SetupError(format!("--env-file is {file:?}, but there is no such file")));
        }
        if folder.is_none()
            && env_file.is_none()
            && options.config.is_none()
            && options.url.is_none()
        {
            return Err(SetupError(
                "there is nothing to look at; name the folder of the Laravel application with --app, or the \
                 configuration file with --config"
                    .to_owned(),
            ));
        }
        // A server beside an application need not be started in its folder.
        let env_file_of_server = match folder {
            Some(_) => EnvFileChoice::None,
            None => EnvFileChoice::WorkingFolder,
        };
        let config = options.config.clone().map(|file| {
            let (file, env_file) = (Some(file), env_file_of_server);
            Config::load_from(&ConfigInputs { file, env_file, flags: Vec::new() })
        });
        let app =
            (folder.is_some() || env_file.is_some()).then(|| LaravelApp::read(folder, env_file));
        let destinations = match options.reach {
            DoctorReach::Network => destinations(options, &config, app.as_ref())?,
            DoctorReach::Files => Destinations::default(),
        };
        let of_config = config.iter().flatten().flat_map(secrets);
        let of_app = app.iter().flat_map(secrets_of_app);
        let redaction = Redaction::new(of_config.chain(of_app));
        Ok(Self {
            config,
            url: options.url.clone(),
            internal: options.internal.clone(),
            nginx: options.nginx.clone(),
            reach: options.reach,
            network: Network::new(destinations),
            redaction,
            app,
        })
    }

    /// The set-up of a running server: its configuration as it was just `read`, at the addresses with which it `started`.
    /// The events of the round trip are those of `app`, or of the first one that is enabled.
    pub(super) fn of_server(
        started: &Config,
        read: Result<Config, ConfigError>,
        options: &SetupOptions,
        app: Option<&str>,
    ) -> Result<Self, SetupError> {
        let mut served = started.clone();
        if let Ok(read) = &read {
            served.apps = read.apps.clone();
        }
        let is_chosen = |one: &App| app.map_or(one.enabled, |id| one.id == id);
        let chosen = served.apps.iter().find(|one| is_chosen(one)).cloned();
        if let (Some(id), None) = (app, &chosen) {
            return Err(SetupError(format!(
                "app is {id:?}, which the configuration does not have"
            )));
        }
        let redaction = Redaction::new(read.iter().chain([started]).flat_map(secrets));
        let mut destinations = destinations(options, &Some(Ok(served)), None)?;
        let chosen = chosen.map(|app| credentials(&app, "the configuration of Resound"));
        (destinations.app, destinations.served) = (chosen.clone(), chosen);
        Ok(Self {
            config: Some(read),
            url: options.url.clone(),
            network: Network::new(destinations),
            redaction,
            ..Self::default()
        })
    }

    /// The `.env`, if there is one that Laravel can read.
    pub(super) fn env(&self) -> Option<&LaravelEnv> {
        self.app.as_ref()?.env()
    }
}

/// A folder that has an application.
fn named(folder: &Path) -> Result<&Path, SetupError> {
    if !folder.is_dir() {
        return Err(SetupError(format!("--app is {folder:?}, but there is no such folder")));
    }
    let has_one = ["artisan", ".env", "composer.json", "config/app.php", "bootstrap/app.php"];
    if !has_one.iter().any(|file| folder.join(file).exists()) {
        return Err(SetupError(format!(
            "--app is {folder:?}, which is no folder of a Laravel application: it has neither artisan nor .env"
        )));
    }
    Ok(folder)
}

/// Where the network checks connect to.
fn destinations(
    options: &SetupOptions,
    config: &Option<Result<Config, ConfigError>>,
    app: Option<&LaravelApp>,
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
    if let Some(env) = app.and_then(LaravelApp::env) {
        let set = env.variables.effective();
        let values: BTreeMap<String, String> =
            set.filter_map(|one| Some((one.name.clone(), one.value.clone()?))).collect();
        destinations = LaravelVariables { values: &values, file: &env.name }.complete(destinations);
    }
    if let Some(origin) = &options.origin {
        destinations.origin = Some(origin.clone());
    }
    Ok(destinations)
}

/// The secrets of every app, and of Redis.
fn secrets(config: &Config) -> Vec<String> {
    let of_apps = config.apps.iter().flat_map(|app| app.secrets());
    let redis = config.cluster.iter().flat_map(|cluster| cluster.servers());
    let redis: Vec<_> =
        redis.flat_map(|redis| redis.password.into_iter().chain(redis.sentinel_password)).collect();
    of_apps.chain(&redis).map(|secret| secret.reveal().to_owned()).collect()
}

/// Those of `.env`, and of what is cached of it.
fn secrets_of_app(app: &LaravelApp) -> Vec<String> {
    let mut secrets: Vec<String> = app.env().map(LaravelEnv::secrets).unwrap_or_default();
    if let Some(cached) = app.cached_values() {
        collect(&cached, "", &mut secrets);
    }
    secrets
}

fn collect(value: &PhpValue, name: &str, secrets: &mut Vec<String>) {
    match &value.data {
        PhpData::Text(text) if ["secret", "password", "token"].contains(&name) => {
            secrets.push(text.clone());
        }
        _ => {
            for item in value.items() {
                collect(&item.value, item.key.as_deref().unwrap_or_default(), secrets);
            }
        }
    }
}
