//! Where Redis is, and what it is told at first: the address keys of `[cluster]`.
//!
//! Owns the choice between the URL and the other keys, and the authority for TLS. Knows nothing of
//! how a URL is written (`url` does) and opens no connection.

use std::cmp::Ordering;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::layers::{Layer, Places};
use super::problem::{Place, Problem};
use super::written::Cluster;
use crate::app::Secret;

mod url;

use url::Url;

/// Redis itself takes no more.
const LARGEST_DATABASE: u64 = i32::MAX as u64;

const HOST: &str = "it must be a host name or an IP address, tls:// and one of them, or the path \
                    of a unix socket";
const PORT: &str = "the port is a key of its own, cluster.port, in the environment REDIS_PORT";

/// What nodes share messages through: one Redis or Valkey, or one of several that Sentinel names.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// Where it is.
    pub address: RedisAddress,
    /// `None`: the default user of Redis.
    pub username: Option<String>,
    /// `None`: it wants none.
    pub password: Option<Secret>,
    /// The user at the sentinels; `None`: their default user.
    pub sentinel_username: Option<String>,
    /// The password of the sentinels. `None`: they want none, or that of Redis.
    pub sentinel_password: Option<Secret>,
    /// The number of the database; topics know none.
    pub database: i64,
    /// The authority its certificate is signed by, one or more in PEM form; only with TLS. `None`:
    /// one of those everybody knows.
    pub ca: Option<Vec<u8>>,
}

/// Where Redis is. Shown without credentials, which it does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// On a host.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// Not 0.
        port: u16,
        /// Whether to speak TLS.
        tls: bool,
    },
    /// Behind a socket of this machine.
    Unix(PathBuf),
    /// Where one of these says.
    Sentinel {
        /// At least one.
        sentinels: Vec<Endpoint>,
        /// The name they know it by.
        master: String,
        /// Whether to speak TLS, to them and to it.
        tls: bool,
    },
}

/// A port of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

/// As in a URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.parse::<Ipv6Addr>() {
            Ok(_) => write!(f, "[{host}]:{port}"),
            Err(_) => write!(f, "{host}:{port}"),
        }
    }
}

impl RedisAddress {
    fn has_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. } | Self::Sentinel { tls: true, .. })
    }
}

/// As it would stand in `cluster.url`.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure = if self.has_tls() { "s" } else { "" };
        match self {
            Self::Tcp { host, port, .. } => {
                let end = Endpoint { host: host.clone(), port: *port };
                write!(f, "redis{secure}://{end}")
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Sentinel { sentinels, master, .. } => {
                let ends: Vec<_> = sentinels.iter().map(Endpoint::to_string).collect();
                write!(f, "redis{secure}+sentinel://{}/{master}", ends.join(","))
            }
        }
    }
}

/// The address as the layers say it. Host and port of a later layer replace a URL as a whole;
/// user, password and database of a later layer replace that part of it, so that a password need
/// not stand in a file. Beside a URL in the same layer, as in Laravel's `.env`, they fill what it
/// leaves out, and from an earlier layer they are not taken: they are another server's.
pub(super) fn redis(
    written: &Cluster,
    places: &Places<'_>,
    layers: &[Layer],
) -> Result<RedisConfig, Problem> {
    let at = |key: &str| places.at(&format!("cluster.{key}"));
    let last = |key: &str| layers.iter().rposition(|layer| layer.sets(&format!("cluster.{key}")));
    let has_url = !written.url.is_empty() && last("host").max(last("port")) <= last("url");
    let url = if has_url {
        Url::parse(&written.url).map_err(|flaw| at("url").flaw(flaw))?
    } else {
        Url::of(of_keys(written, places)?)
    };
    let counts = |key: &str, is_in_url: bool| match last(key).cmp(&last("url")) {
        Ordering::Greater => true,
        Ordering::Equal => !is_in_url,
        Ordering::Less => !has_url,
    };
    let part =
        |key: &str, of_key: &String, of_url: Option<String>| match counts(key, of_url.is_some()) {
            true => Some(of_key.clone()).filter(|text| !text.is_empty()),
            false => of_url,
        };
    let secret = |text: Option<String>| text.map(|text| Secret::new(&text));
    let username = part("username", &written.username, url.username);
    let password = secret(part("password", &written.password, url.password));
    let (key, of_url) = ("sentinel_username", url.sentinel_username);
    let sentinel_username = part(key, &written.sentinel_username, of_url);
    let (key, of_url) = ("sentinel_password", url.sentinel_password);
    let sentinel_password = secret(part(key, &written.sentinel_password, of_url));
    let database = if counts("database", url.database.is_some()) {
        at("database").number(written.database, 0..=LARGEST_DATABASE)?
    } else {
        url.database.unwrap_or_default()
    };
    let ca = authority(&written.ca_file, &url.address, &at("ca_file"))?;
    let address = url.address;
    Ok(RedisConfig {
        address,
        username,
        password,
        sentinel_username,
        sentinel_password,
        database,
        ca,
    })
}

/// `tls://` before the host is how Laravel's `.env` asks for TLS. A path needs no port.
fn of_keys(written: &Cluster, places: &Places<'_>) -> Result<RedisAddress, Problem> {
    let place = places.at("cluster.host");
    let (scheme, rest) = written.host.split_once("://").unwrap_or(("", &written.host));
    let scheme = scheme.to_ascii_lowercase();
    // Not shown: what stands before it may be a password.
    if written.host.contains('@') {
        return Err(place.flaw("has a user name or password; only cluster.url holds them too"));
    }
    let refused = |allowed| place.refuse(format_args!("{:?}", written.host), allowed);
    let tls = match scheme.as_str() {
        "" | "unix" if rest.starts_with('/') => return Ok(RedisAddress::Unix(rest.into())),
        "" | "tcp" | "redis" | "valkey" => false,
        "tls" | "rediss" | "valkeys" => true,
        _ => return Err(refused(HOST)),
    };
    let Some(host) = host(rest) else {
        let has_port = rest.rsplit_once(':').is_some_and(|(name, _)| host(name).is_some());
        return Err(refused(if has_port { PORT } else { HOST }));
    };
    let port = places.at("cluster.port").number(written.port, 1..=65_535)?;
    Ok(RedisAddress::Tcp { host, port, tls })
}

/// A name or an IP address; brackets around IPv6 are taken away.
fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if bare.unwrap_or(text).parse::<Ipv6Addr>().is_ok() {
        return Some(bare.unwrap_or(text).to_owned());
    }
    // Names with underscores are those of containers.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}

/// Reads the file now, so that a wrong one stops the start and not the first connection.
fn authority(
    path: &str,
    address: &RedisAddress,
    place: &Place,
) -> Result<Option<Vec<u8>>, Problem> {
    if path.is_empty() {
        return Ok(None);
    }
    let refused = |allowed: String| place.refuse(format_args!("{path:?}"), allowed);
    if !address.has_tls() {
        return Err(refused(format!(
            "it is for TLS, and {address} has none: begin the url with rediss:// or the host with \
             tls://, or remove it"
        )));
    }
    let pem =
        std::fs::read(path).map_err(|error| refused(format!("it cannot be read: {error}")))?;
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
