//! A Redis that the server or an app uses: its address and the login.
//!
//! Values only. The texts in which an address is configured are read by `config`, connections are opened by
//! `redis_connection`.

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;

/// One Redis or Valkey, or one of several that Sentinel names, and the login for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Where it is.
    pub address: RedisAddress,
    /// `None`: the default user of Redis.
    pub username: Option<String>,
    /// `None`: Redis requires none.
    pub password: Option<Secret>,
    /// The user at the sentinels; `None`: their default user.
    pub sentinel_username: Option<String>,
    /// The password of the sentinels. `None`: they require none, or that of Redis.
    pub sentinel_password: Option<Secret>,
    /// The number of the database, which pub/sub ignores.
    pub database: i64,
    /// The root CAs that may have signed its certificate, in PEM form; only with TLS. `None`: the
    /// default root CAs.
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
        // Of all hosts only an IPv6 address has a colon.
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

impl RedisAddress {
    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
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
