//! `resound check`: is the configuration right, which apps does it have, and where does each value come from?
//!
//! Owns the text. A secret is shown by its fingerprint only.

use std::path::PathBuf;

use clap::Args;

use super::env_file::EnvFileFlags;
use super::failure::Failure;
use super::stdout::print;
use resound::app::App;
use resound::config::{ClusterConfig, Config, EnvFileReport, ResolvedKey};
use resound::logging::terminal_line;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The file to read; a bare name is looked for here and in ./config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env_file: EnvFileFlags,
    /// Print every key, and not only those that something sets.
    #[arg(long)]
    all: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load_from(&self.env_file.with(self.config.as_deref()))?;
        let shown = if self.all { Shown::All } else { Shown::Set };
        print(&summary(&config, shown))?;
        Ok(())
    }
}

/// Which keys are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Set,
    All,
}

/// One line per app, for the cluster and for settings without effect, then the keys, then "ok". No text of the
/// configuration begins a line of its own, or commands a terminal.
fn summary(config: &Config, shown: Shown) -> String {
    let mut apps: Vec<&App> = config.apps.iter().map(|app| &**app).collect();
    apps.sort_by(|left, right| left.id.cmp(&right.id));
    let mut lines: Vec<String> = apps.into_iter().map(line).collect();
    let development = "no app is configured: the development app is served, on loopback only";
    lines.extend(config.development.as_ref().map(|_| development.to_owned()));
    lines.extend(config.cluster.as_ref().map(cluster));
    lines.extend(inputs(config));
    lines.push(memory(config));
    lines.extend(config.env_file.as_ref().map(env_file));
    lines.extend(injected(&config.injected));
    lines.extend(config.notes.iter().map(|note| format!("warning: {note}")));
    let keys = config.resolved.keys().filter(|key| shown == Shown::All || !key.is_default);
    lines.extend(keys.map(resolved));
    lines.push("ok".to_owned());
    lines.iter().map(|line| format!("{}\n", terminal_line(line))).collect()
}

/// As it would stand in a file, with what set it behind.
fn resolved(key: &ResolvedKey) -> String {
    let ResolvedKey { key, value, source, .. } = key;
    format!("{key} = {value}  # {source}")
}

fn env_file(EnvFileReport { name, variables }: &EnvFileReport) -> String {
    match variables.as_slice() {
        [] => format!("environment file: {name}, which sets nothing here"),
        names => format!("environment file: {name}, which sets {}", names.join(", ")),
    }
}

fn injected(variables: &[String]) -> Option<String> {
    match variables {
        [] => None,
        names => Some(format!("ignored, set by Kubernetes or Docker: {}", names.join(", "))),
    }
}

fn cluster(cluster: &ClusterConfig) -> String {
    let transport = if cluster.settings.streams.is_some() { "streams" } else { "pubsub" };
    let prefix = &cluster.prefix;
    let places = cluster.servers().into_iter().map(|redis| {
        let (address, database) = (redis.address, redis.database);
        format!("{address}, database {database}, ")
    });
    let places: String = places.collect();
    format!("cluster: {places}prefix {prefix}, transport {transport}")
}

/// How much memory the process may use here, and why.
fn memory(config: &Config) -> String {
    match &config.limits.memory {
        Some(bound) => format!("memory: at most {} bytes, {}", bound.bytes, bound.source),
        None => "memory: no bound".to_owned(),
    }
}

/// What other programs publish in Redis.
fn inputs(config: &Config) -> Vec<String> {
    let laravel = config.laravel_redis.iter().map(|input| {
        let (address, app, prefix) = (&input.redis.address, &input.app, &input.prefix);
        format!("laravel_redis: {address}, app {app}, prefix {prefix:?}")
    });
    let reverb = config.beside_reverb.iter().map(|reverb| {
        let (address, channel) = (&reverb.redis.address, &reverb.channel);
        format!("beside_reverb: {address}, channel {channel}")
    });
    laravel.chain(reverb).collect()
}

fn line(app: &App) -> String {
    let state = if app.enabled { "" } else { ", disabled" };
    let connections = match app.limits.connections {
        Some(bound) => format!("at most {bound} connections"),
        None => "any number of connections".to_owned(),
    };
    let (id, key, bytes) = (&app.id, &app.key, app.limits.message_bytes);
    format!("app {id}: key {key}, {connections}, messages up to {bytes} bytes{state}")
}

#[cfg(test)]
mod tests {
    use super::{Shown, memory, summary};
    use resound::config::{Config, ConfigFile, Sources};

    #[test]
    fn apps_are_listed_by_id_without_their_secrets() {
        let text = "apps = [{ id = \"b\", key = \"kb\", secret = \"s\", enabled = false },\
                    { id = 1, key = \"ka\", secret = \"s\", max_connections = 5 }]";
        let file = Some(ConfigFile { name: "a.toml".to_owned(), text: text.to_owned() });
        let config = Config::new(&Sources { file, ..Sources::default() }).unwrap();
        assert_eq!(
            summary(&config, Shown::Set).replace(&format!("{}\n", memory(&config)), ""),
            "app 1: key ka, at most 5 connections, messages up to 10000 bytes\n\
             app b: key kb, any number of connections, messages up to 10000 bytes, disabled\n\
             apps[0].enabled = false  # a.toml:1\n\
             apps[0].id = \"b\"  # a.toml:1\n\
             apps[0].key = \"kb\"  # a.toml:1\n\
             apps[0].secret = sha256:043a7187  # a.toml:1\n\
             apps[1].id = 1  # a.toml:1\n\
             apps[1].key = \"ka\"  # a.toml:1\n\
             apps[1].max_connections = 5  # a.toml:1\n\
             apps[1].secret = sha256:043a7187  # a.toml:1\n\
             ok\n"
        );
    }

    #[test]
    fn inputs_are_shown_without_credentials() {
        let text = "[[laravel_redis]]\nprefix = \"laravel-\"\nurl = \"redis://:hidden@redis\"\n\
                    [beside_reverb]\nurl = \"redis://:hidden@reverb\"\n";
        let file = Some(ConfigFile { name: "a.toml".to_owned(), text: text.to_owned() });
        let config = Config::new(&Sources { file, ..Sources::default() }).unwrap();
        let summary = summary(&config, Shown::Set);
        let lines = "laravel_redis: redis://redis:6379, app 100001, prefix \"laravel-\"\n\
                     beside_reverb: redis://reverb:6379, channel reverb\n";
        assert!(summary.contains(lines), "{summary}");
        assert!(!summary.contains("hidden"), "{summary}");
    }

    #[test]
    fn the_cluster_is_shown_without_credentials() {
        let url = "rediss://user:hidden@redis.example/2";
        let text = format!("[cluster]\nenabled = true\nurl = \"{url}\"\ntransport = \"streams\"\n");
        let file = Some(ConfigFile { name: "a.toml".to_owned(), text });
        let config = Config::new(&Sources { file, ..Sources::default() }).unwrap();
        let summary = summary(&config, Shown::Set).replace(&format!("{}\n", memory(&config)), "");
        let line =
            "cluster: rediss://redis.example:6379, database 2, prefix resound, transport streams\n";
        let keys = "cluster.enabled = true  # a.toml:2\n\
                    cluster.transport = \"streams\"  # a.toml:4\n\
                    cluster.url = sha256:3a03edad  # a.toml:3\n";
        assert!(summary.ends_with(&format!("{line}{keys}ok\n")), "{summary}");
        assert!(!summary.contains("hidden") && !summary.contains("user:"), "{summary}");
    }

    #[test]
    fn injected_variables_are_named() {
        let injected = ["RESOUND_PORT", "REVERB_SERVER_PORT"];
        let url = |name: &str| (name.to_owned(), "tcp://10.0.0.1:8080".to_owned());
        let environment = injected.map(url).into();
        let config = Config::new(&Sources { environment, ..Sources::default() }).unwrap();
        let summary = summary(&config, Shown::Set).replace(&format!("{}\n", memory(&config)), "");
        let line = "ignored, set by Kubernetes or Docker: RESOUND_PORT, REVERB_SERVER_PORT\n";
        assert!(summary.ends_with(&format!("{line}ok\n")), "{summary}");
    }

    #[test]
    fn the_bound_of_memory_is_shown_with_its_source() {
        let text = |value: &str| {
            let text = format!("[limits]\nmemory_bytes = {value}\n");
            let file = Some(ConfigFile { name: "a.toml".to_owned(), text });
            summary(&Config::new(&Sources { file, ..Sources::default() }).unwrap(), Shown::Set)
        };
        let configured = "memory: at most 33554432 bytes, limits.memory_bytes\n";
        assert!(text("33554432").contains(configured), "{}", text("33554432"));
        assert!(text("0").contains("memory: no bound\n"));
        let of_system = text("\"auto\"");
        assert!(of_system.contains(" bytes, 85 % of the "), "{of_system}");
    }

    #[test]
    fn every_key_is_shown_on_request() {
        let config = Config::new(&Sources::default()).unwrap();
        let (set, all) = (summary(&config, Shown::Set), summary(&config, Shown::All));
        assert!(!set.contains("server.port"), "{set}");
        for line in ["server.port = 8080  # default\n", "cluster.password = empty  # default\n"] {
            assert!(all.contains(line), "{all}");
        }
    }
}
