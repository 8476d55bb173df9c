//! `cluster.url`: the forms in which the address of Redis is written as one text.
//!
//! Owns the schemes and the parts that follow them, by hand: lists of sentinels and unescaped passwords
//! are no URLs of RFC 3986. Layers are left to `redis`. A message never holds a part of the text but its
//! scheme, since a text that does not parse may hold a password.

use percent_encoding::percent_decode_str;

use super::address::{LARGEST_DATABASE, host};
use crate::app::{HostPort, RedisAddress};

const FORMS: &str = RedisUrl::FORMS;
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

const UNESCAPED: &str = "has an @ behind the host; in a user name and a password / ? @ and % are \
                         written %2F %3F %40 and %25";

/// The parts of a URL; those it leaves out are `None`.
pub(in crate::config) struct RedisUrl {
    pub(in crate::config) address: RedisAddress,
    pub(in crate::config) username: Option<String>,
    pub(in crate::config) password: Option<String>,
    pub(in crate::config) sentinel_username: Option<String>,
    pub(in crate::config) sentinel_password: Option<String>,
    pub(in crate::config) database: Option<i64>,
}

#[derive(Clone, Copy)]
enum Kind {
    Tcp { tls: bool },
    Unix,
    Sentinel { tls: bool },
}

/// The parts between the scheme and the parameters.
struct Parts<'a> {
    hosts: &'a str,
    path: &'a str,
}

impl RedisUrl {
    /// What a text must be that is none.
    pub(in crate::config) const FORMS: &str = "it must be redis://[user:password@]host[:port][/database], the same with \
         rediss:// for TLS, for a Redis Cluster several host[:port] with commas between them, unix:///path, or \
         redis+sentinel://host[:port],host[:port]/master";

    /// How the flaw begins that a parameter is not known.
    pub(in crate::config) const UNKNOWN_PARAMETER: &str = "has an unknown parameter";

    /// A URL of an address alone.
    pub(in crate::config) fn of(address: RedisAddress) -> Self {
        Self {
            address,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            database: None,
        }
    }

    /// Reads a URL. The error has neither the origin nor the text.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, String> {
        let (kind, rest) = kind(text)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if !matches!(kind, Kind::Unix) && (path.contains('@') || query.contains('@')) {
            return Err(UNESCAPED.to_owned());
        }
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let parts = Parts { hosts, path };
        let (address, database) = match kind {
            Kind::Tcp { tls } => parts.tcp(tls)?,
            Kind::Unix => (parts.unix()?, None),
            Kind::Sentinel { tls } => parts.sentinel(tls)?,
        };
        let has_sentinels = matches!(kind, Kind::Sentinel { .. });
        let (username, password) = (decoded(name)?, decoded(password)?);
        let mut url = Self { username, password, database, ..Self::of(address) };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "db" | "database" => url.database = number(value)?,
                "user" | "username" => url.username = decoded(value)?,
                "pass" | "password" => url.password = decoded(value)?,
                "sentinel_user" | "sentinel_username" if has_sentinels => {
                    url.sentinel_username = decoded(value)?;
                }
                "sentinel_pass" | "sentinel_password" if has_sentinels => {
                    url.sentinel_password = decoded(value)?;
                }
                _ => {
                    let more = if has_sentinels { ", sentinel_user and sentinel_pass" } else { "" };
                    return Err(format!(
                        "{}; known are db, user, pass{more}",
                        Self::UNKNOWN_PARAMETER
                    ));
                }
            }
        }
        Ok(url)
    }
}

fn kind(text: &str) -> Result<(Kind, &str), String> {
    let name = |scheme: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.bytes().all(plain).then(|| scheme.to_ascii_lowercase())
    };
    let parts = text.split_once("://").and_then(|(scheme, rest)| Some((name(scheme)?, rest)));
    let (scheme, rest) = parts.ok_or_else(|| format!("has no scheme; {FORMS}"))?;
    let kind = match scheme.replace("valkey", "redis").as_str() {
        // What stands there decides whether it is a cluster; other programs write it into the scheme.
        "redis" | "tcp" | "redis+cluster" | "redis-cluster" => Kind::Tcp { tls: false },
        "rediss" | "tls" | "rediss+cluster" | "rediss-cluster" => Kind::Tcp { tls: true },
        "unix" | "redis+unix" => Kind::Unix,
        "redis+sentinel" => Kind::Sentinel { tls: false },
        "rediss+sentinel" => Kind::Sentinel { tls: true },
        _ => return Err(format!("begins with {scheme}://; {FORMS}")),
    };
    Ok((kind, rest))
}

impl Parts<'_> {
    fn tcp(&self, tls: bool) -> Result<(RedisAddress, Option<i64>), String> {
        let ends = self.hosts.split(',').map(|text| end(text.trim(), PORT));
        let mut nodes = ends.collect::<Result<Vec<_>, _>>()?;
        let database = number(self.path.trim_matches('/'))?;
        let address = match nodes.len() {
            1 => {
                let HostPort { host, port } = nodes.remove(0);
                RedisAddress::Tcp { host, port, tls }
            }
            _ => RedisAddress::Seeds { nodes, tls },
        };
        Ok((address, database))
    }

    fn unix(&self) -> Result<RedisAddress, String> {
        match decoded(self.path)? {
            Some(path) if self.hosts.is_empty() && path != "/" => {
                Ok(RedisAddress::Unix(path.into()))
            }
            _ => Err("has no path; it must have three slashes: unix:///path".to_owned()),
        }
    }

    fn sentinel(&self, tls: bool) -> Result<(RedisAddress, Option<i64>), String> {
        let ends = self.hosts.split(',').map(|text| end(text.trim(), SENTINEL_PORT));
        let sentinels = ends.collect::<Result<_, _>>()?;
        let path = self.path.trim_matches('/');
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        let master = decoded(name)?.ok_or_else(|| {
            "has no name of a master; it must end with the one the sentinels know, such as \
             redis+sentinel://host/mymaster"
                .to_owned()
        })?;
        Ok((RedisAddress::Sentinel { sentinels, master, tls }, number(database)?))
    }
}

fn end(text: &str, port: u16) -> Result<HostPort, String> {
    let (name, port) = match text.rsplit_once(':') {
        // The last colon of an IPv6 address belongs to it.
        Some(_) if text.ends_with(']') => (text, Some(port)),
        Some((name, digits)) => (name, digits.parse().ok().filter(|port| *port > 0)),
        None => (text, Some(port)),
    };
    let port = port.ok_or_else(|| format!("has a port that is none; {FORMS}"))?;
    let is_bare_ipv6 = name.contains(':') && !name.starts_with('[');
    match host(name) {
        Some(host) if !is_bare_ipv6 => Ok(HostPort { host, port }),
        _ if name.is_empty() => Err(format!("has no host; {FORMS}")),
        _ => Err(format!("has a host that is no name and no address; {FORMS}")),
    }
}

fn number(text: &str) -> Result<Option<i64>, String> {
    let within = |number: &u64| *number <= LARGEST_DATABASE;
    match text.parse().ok().filter(within).map(i64::try_from) {
        _ if text.is_empty() => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        _ => Err("has a database that is no number from 0 to 2147483647".to_owned()),
    }
}

/// Empty is none.
fn decoded(text: &str) -> Result<Option<String>, String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(Some(text.into_owned()).filter(|text| !text.is_empty())),
        Err(_) => Err("has a part that is not UTF-8 after percent-decoding".to_owned()),
    }
}
