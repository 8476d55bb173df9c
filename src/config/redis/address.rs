//! The address of Redis: a host, a unix socket, or sentinels.
//!
//! Owns what may be a host and a database. The texts in which an address is configured are read by
//! `redis` and `url`.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

/// Redis itself takes no more.
pub(super) const LARGEST_DATABASE: u64 = i32::MAX as u64;

/// Where Redis is. Shown without credentials, which it does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// On a host.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// Not 0.
        port: u16,
        /// Whether to use TLS.
        tls: bool,
    },
    /// On a unix socket.
    Unix(PathBuf),
    /// At the address that one of the sentinels gives.
    Sentinel {
        /// At least one.
        sentinels: Vec<HostPort>,
        /// The name of the master at the sentinels.
        master: String,
        /// Whether to use TLS, to the sentinels and to Redis.
        tls: bool,
    },
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

/// As it stands in a URL.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.parse::<Ipv6Addr>() {
            Ok(_) => write!(f, "[{host}]:{port}"),
            Err(_) => write!(f, "{host}:{port}"),
        }
    }
}

impl RedisAddress {
    pub(super) fn has_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. } | Self::Sentinel { tls: true, .. })
    }
}

/// As it would stand in `cluster.url`.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure = if self.has_tls() { "s" } else { "" };
        match self {
            Self::Tcp { host, port, .. } => {
                let end = HostPort { host: host.clone(), port: *port };
                write!(f, "redis{secure}://{end}")
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Sentinel { sentinels, master, .. } => {
                let ends: Vec<_> = sentinels.iter().map(HostPort::to_string).collect();
                write!(f, "redis{secure}+sentinel://{}/{master}", ends.join(","))
            }
        }
    }
}

/// A name or an IP address; brackets around IPv6 are taken away.
pub(super) fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if bare.unwrap_or(text).parse::<Ipv6Addr>().is_ok() {
        return Some(bare.unwrap_or(text).to_owned());
    }
    // Names with underscores are those of containers.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}
