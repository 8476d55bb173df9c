//! `[server]`: where the server listens, and with how many threads.
//!
//! Owns the forms of addresses and of the route prefix. Whether an address is free shows when it is bound.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use super::error::ConfigError;
use super::values::{Setting, Values};

/// More threads than any machine has cores are a typo.
const MAX_WORKERS: u64 = 1024;

/// No machine accepts more in a second.
const MAX_SOCKETS_PER_SECOND: u64 = 1_000_000;

/// `[server]`: where and how to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// The prefix of every route: empty, or with a leading and without a trailing slash.
    pub path: String,
    /// The public name, shown at start.
    pub hostname: Option<String>,
    /// The longest time between SIGTERM and the end of the last socket.
    pub drain: Duration,
    /// Sockets that a drain closes per second.
    pub drain_sockets_per_second: usize,
    /// The time in which the process of an upgrade must accept connections.
    pub upgrade_timeout: Duration,
    /// Where the process writes its id.
    pub pid_file: Option<PathBuf>,
    /// How often the files of the configuration are looked at; `None`: only on request.
    pub watch_config: Option<Duration>,
    /// Threads that each own a part of the sockets, at least 1.
    pub workers: usize,
}

impl ServerConfig {
    pub(super) fn read(values: Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            host: host(&values.at("server.host"))?,
            port: values.at("server.port").number(0..=65_535)?,
            path: prefix(&values.at("server.path"))?,
            hostname: values.at("server.hostname").text_if_any(),
            drain: values.at("server.drain_seconds").seconds()?,
            drain_sockets_per_second: values
                .at("server.drain_sockets_per_second")
                .number(1..=MAX_SOCKETS_PER_SECOND)?,
            upgrade_timeout: values.at("server.upgrade_timeout_seconds").seconds()?,
            pid_file: values.at("server.pid_file").text_if_any().map(PathBuf::from),
            watch_config: values.at("server.watch_config_seconds").seconds_or_never()?,
            workers: match values.at("server.workers").number(0..=MAX_WORKERS)? {
                // With two workers on two cores, a delivery costs 15 to 50 % more CPU than with one,
                // and fewer of them are made: nothing is left for the other end of the connections.
                0 => available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1),
                workers => workers,
            },
        })
    }
}

/// Reverb requires brackets around IPv6; they are optional here.
fn host(setting: &Setting<'_>) -> Result<IpAddr, ConfigError> {
    let parse = |text: &str| {
        if text == "localhost" {
            return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        bare.unwrap_or(text).parse().ok()
    };
    let allowed = "it must be an IP address such as 0.0.0.0, 127.0.0.1 or [::], or localhost";
    setting.parsed(parse, allowed)
}

/// The same prefix however its slashes are written.
fn prefix(setting: &Setting<'_>) -> Result<String, ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let parse = |text: &str| match text.trim_matches('/') {
        "" => Some(String::new()),
        path if path.chars().all(fits) && !path.contains("//") => Some(format!("/{path}")),
        _ => None,
    };
    setting.parsed(parse, "it must be a path such as /ws, of letters, digits and - . _ ~")
}
