//! `[internal]`: the listener of those who operate the server, beside the socket that it has without any key.
//!
//! Owns the rule for tokens: an address that other machines reach needs one.

use std::net::IpAddr;

use super::error::ConfigError;
use super::listen::{ListenAddress, ListenConfig, addresses};
use super::metrics::MetricsConfig;
use super::values::{Setting, Values};
use crate::app::Secret;

/// Shorter tokens can be guessed: 16 hexadecimal digits are 64 bits.
const MIN_TOKEN_CHARS: usize = 16;

/// `[internal]`: the listener of those who operate the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalConfig {
    /// Its addresses.
    pub listen: Vec<ListenAddress>,
    /// What requests over TCP bring.
    pub token: Option<Secret>,
    /// What requests bring that change nothing and read no secret.
    pub read_only_token: Option<Secret>,
    /// Further names by which requests may call the listener, in lower case.
    pub hosts: Vec<String>,
    /// What a viewer may see of the data of events at most.
    pub payloads: PayloadView,
}

/// What a viewer sees of the data of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PayloadView {
    /// Nothing.
    None,
    /// Keys and types, such as `{"name": string(12)}`.
    Masked,
    /// The first 4 KB.
    Full,
}

impl PayloadView {
    /// All of them, each with its name.
    pub const NAMES: [(&'static str, Self); 3] =
        [("none", Self::None), ("masked", Self::Masked), ("full", Self::Full)];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Masked => "masked",
            Self::Full => "full",
        }
    }

    /// The view with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, view)| view)
    }
}

impl InternalConfig {
    pub(super) fn read(
        values: Values<'_>,
        listen: &ListenConfig,
        metrics: &MetricsConfig,
    ) -> Result<Self, ConfigError> {
        let setting = values.at("internal.listen");
        let (own, token) = (addresses(&setting)?, token(&values.at("internal.token"))?);
        let read_only_token = read_only_token(values, token.as_ref())?;
        for address in &own {
            listen.ensure_free(&setting, address)?;
            if let Some(other) = metrics.listen.map(ListenAddress::Ip)
                && other.collides_with(address)
            {
                let allowed = format!("it must have another port: metrics.listen has {other}");
                return Err(setting.refuse(address, allowed));
            }
            if !address.is_local() && token.is_none() && read_only_token.is_none() {
                let allowed = "other machines reach it, so it needs internal.token \
                               (RESOUND_INTERNAL_TOKEN, or RESOUND_INTERNAL_TOKEN_FILE for a file); \
                               127.0.0.1 and unix sockets do not";
                return Err(setting.refuse(address, allowed));
            }
        }
        let payloads = values.at("internal.payloads").choice(&PayloadView::NAMES)?;
        Ok(Self { listen: own, token, read_only_token, hosts: hosts(values)?, payloads })
    }

    /// The same for the development app, whose data is that of its developer.
    pub(super) fn for_development(mut self, values: Values<'_>) -> Self {
        if values.at("internal.payloads").origin.is_default() {
            self.payloads = PayloadView::Full;
        }
        self
    }
}

/// The second token, which has to be another one than the first.
fn read_only_token(
    values: Values<'_>,
    token_of_all: Option<&Secret>,
) -> Result<Option<Secret>, ConfigError> {
    let setting = values.at("internal.read_only_token");
    let Some(read_only) = token(&setting)? else { return Ok(None) };
    match token_of_all {
        Some(token) if *token == read_only => {
            Err(setting.flaw("is the same as internal.token; take another one"))
        }
        _ => Ok(Some(read_only)),
    }
}

/// Names without a port, as they stand in a `Host`.
fn hosts(values: Values<'_>) -> Result<Vec<String>, ConfigError> {
    let setting = values.at("internal.hosts");
    let hosts = setting.texts();
    let is_name = |host: &str| {
        let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || b".-_".contains(&sign);
        !host.is_empty() && (host.bytes().all(is_sign) || host.parse::<IpAddr>().is_ok())
    };
    if let Some(host) = hosts.iter().find(|host| !is_name(host)) {
        let allowed =
            "it must be a name such as ops.example.com, without a scheme, a port or a path";
        return Err(setting.refuse(format_args!("{host:?}"), allowed));
    }
    Ok(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect())
}

/// The token is not shown, and has to fit into a header field.
fn token(setting: &Setting<'_>) -> Result<Option<Secret>, ConfigError> {
    let Some(text) = setting.text_if_any() else { return Ok(None) };
    if text.chars().count() < MIN_TOKEN_CHARS {
        let flaw = format!(
            "has fewer than {MIN_TOKEN_CHARS} characters; take 32 random ones, as openssl rand -hex 16 \
             prints them"
        );
        return Err(setting.flaw(flaw));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(setting
            .flaw("has a character that a header field cannot hold; take letters and digits"));
    }
    Ok(Some(Secret::new(&text)))
}
