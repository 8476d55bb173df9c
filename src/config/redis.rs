//! Where Redis is, and the credentials for it: the address keys of `[cluster]` and of the inputs.
//!
//! Owns the choice between the URL and the other keys, and reads the root CA for TLS. The forms of an
//! address are those of `address` and `url`; no connection is opened here.

use std::cmp::Ordering;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::ConfigError;
use super::layers::Layer;
use super::values::{Setting, Values};
use crate::app::{NodeAddresses, RedisAddress, RedisConfig, Secret};

mod address;
mod node_addresses;
mod several;
mod url;

use address::{LARGEST_DATABASE, host};
pub(super) use node_addresses::node_addresses;
pub(super) use url::RedisUrl;

const HOST: &str = "it must be a host name or an IP address, tls:// and one of them, or the path \
                    of a unix socket";
const WITH_TLS: &str = "begin the url with rediss:// or the host with tls://";

/// The keys that name one Redis.
const HOST_KEYS: [&str; 2] = ["url", "host"];

/// The address keys of one section.
#[derive(Clone, Copy)]
pub(super) struct RedisKeys<'a> {
    pub(super) values: Values<'a>,
    pub(super) layers: &'a [Layer],
    /// What stands before each key in `values`: `cluster.`, or nothing in an entry of a list.
    pub(super) path: &'a str,
    /// The section as messages name it.
    pub(super) section: &'a str,
}

impl<'a> RedisKeys<'a> {
    fn at(&self, key: &str) -> Setting<'a> {
        self.values.at(&format!("{}{key}", self.path))
    }

    /// The last layer that sets a key.
    fn last(&self, key: &str) -> Option<usize> {
        let key = format!("{}{key}", self.path);
        self.layers.iter().rposition(|layer| layer.sets(&key))
    }
}

impl RedisConfig {
    /// The address as the layers have it. Host and port of a later layer replace a URL as a whole;
    /// user, password and database of a later layer replace that part of it, so that a password need
    /// not stand in a file. Beside a URL in the same layer, as in Laravel's `.env`, they fill what it
    /// leaves out, and from an earlier layer they are not taken: they are another server's.
    pub(super) fn read(keys: RedisKeys<'_>) -> Result<Self, ConfigError> {
        let (at, last) = (|key: &str| keys.at(key), |key: &str| keys.last(key));
        let text = at("url").text_if_any();
        let text = text.filter(|_| last("host").max(last("port")) <= last("url"));
        let url = match &text {
            Some(text) => RedisUrl::parse(text).map_err(|flaw| at("url").flaw(flaw))?,
            None => RedisUrl::of(of_keys(keys)?),
        };
        let counts = |key: &str, is_in_url: bool| match last(key).cmp(&last("url")) {
            Ordering::Greater => true,
            Ordering::Equal => !is_in_url,
            Ordering::Less => text.is_none(),
        };
        let part = |key: &str, of_url: Option<String>| match counts(key, of_url.is_some()) {
            true => at(key).text_if_any(),
            false => of_url,
        };
        let secret = |text: Option<String>| text.map(|text| Secret::new(&text));
        let database = if counts("database", url.database.is_some()) {
            at("database").number(0..=LARGEST_DATABASE)?
        } else {
            url.database.unwrap_or_default()
        };
        Ok(Self {
            username: part("username", url.username),
            password: secret(part("password", url.password)),
            sentinel_username: part("sentinel_username", url.sentinel_username),
            sentinel_password: secret(part("sentinel_password", url.sentinel_password)),
            database,
            ca: certificates(&at("ca_file"), &url.address, WITH_TLS)?,
            address: url.address,
            place: None,
            node_addresses: NodeAddresses::default(),
        })
    }

    /// The address of a section that has a URL and no other key but `ca_file`.
    pub(super) fn of_url(url: &Setting<'_>, ca_file: &Setting<'_>) -> Result<Self, ConfigError> {
        let parts = RedisUrl::parse(&url.text()).map_err(|flaw| url.flaw(flaw))?;
        let secret = |text: Option<String>| text.map(|text| Secret::new(&text));
        Ok(Self {
            username: parts.username,
            password: secret(parts.password),
            sentinel_username: parts.sentinel_username,
            sentinel_password: secret(parts.sentinel_password),
            database: parts.database.unwrap_or_default(),
            ca: certificates(ca_file, &parts.address, "begin the url with rediss://")?,
            address: parts.address,
            place: None,
            node_addresses: NodeAddresses::default(),
        })
    }
}

/// Laravel's `.env` selects TLS with `tls://` before the host. A path needs no port.
fn of_keys(keys: RedisKeys<'_>) -> Result<RedisAddress, ConfigError> {
    let (setting, section) = (keys.at("host"), keys.section);
    let text = setting.text();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
    let scheme = scheme.to_ascii_lowercase();
    // Not shown: what stands before it may be a password.
    if text.contains('@') {
        return Err(setting
            .flaw(format_args!("has a user name or password; only {section}.url holds them too")));
    }
    let refused = |allowed: &str| setting.refuse(format_args!("{text:?}"), allowed);
    let tls = match scheme.as_str() {
        "" | "unix" if rest.starts_with('/') => return Ok(RedisAddress::Unix(rest.into())),
        "" | "tcp" | "redis" | "valkey" => false,
        "tls" | "rediss" | "valkeys" => true,
        _ => return Err(refused(HOST)),
    };
    let Some(host) = host(rest) else {
        let has_port = rest.rsplit_once(':').is_some_and(|(name, _)| host(name).is_some());
        let port =
            format!("the port is a key of its own, {section}.port, in the environment REDIS_PORT");
        return Err(refused(if has_port { &port } else { HOST }));
    };
    let port = keys.at("port").number(1..=65_535)?;
    Ok(RedisAddress::Tcp { host, port, tls })
}

/// The root CA of a `ca_file`, read now, so that a wrong file stops the start and not the first
/// connection. `with_tls` tells how the address would have TLS.
pub(super) fn certificates(
    setting: &Setting<'_>,
    address: &RedisAddress,
    with_tls: &str,
) -> Result<Option<Vec<u8>>, ConfigError> {
    let Some(path) = setting.text_if_any() else { return Ok(None) };
    let refused = |allowed: String| setting.refuse(format_args!("{path:?}"), allowed);
    if !address.has_tls() {
        return Err(refused(format!(
            "it is for TLS, and {address} has none: {with_tls}, or remove it"
        )));
    }
    let pem =
        std::fs::read(&path).map_err(|error| refused(format!("it cannot be read: {error}")))?;
    match has_certificates(&pem) {
        true => Ok(Some(pem)),
        false => Err(refused(
            "it must hold certificates in PEM form, each from -----BEGIN CERTIFICATE----- to \
             -----END CERTIFICATE-----"
                .to_owned(),
        )),
    }
}

/// Whether there is at least one, and none that TLS could not use.
fn has_certificates(pem: &[u8]) -> bool {
    let mut store = RootCertStore::empty();
    let all_are = CertificateDer::pem_slice_iter(pem)
        .all(|certificate| certificate.is_ok_and(|der| store.add(der).is_ok()));
    all_are && !store.is_empty()
}
