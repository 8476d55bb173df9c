//! A Redis that the server or an app uses: its address and the login.
//!
//! Values only. The texts in which an address is configured are read by `config`, connections are opened by
//! `redis_connection`.

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;

/// One Redis or Valkey, one of several that Sentinel names, or a Redis Cluster, and the login for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Where it is.
    pub address: RedisAddress,
    /// Its place in `cluster.urls`, from 0; `None` if another key names it.
    pub place: Option<usize>,
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
    /// Where nodes of a Redis Cluster are reached that announce another address.
    pub node_addresses: NodeAddresses,
}

impl RedisConfig {
    /// What names one of a list: `cluster.urls[1]`.
    pub fn listed_as(&self) -> Option<String> {
        self.place.map(|place| format!("cluster.urls[{place}]"))
    }
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
    /// Some nodes of a Redis Cluster, of which one that answers is enough.
    Seeds {
        /// At least two.
        nodes: Vec<HostPort>,
        /// Whether to use TLS, to all nodes.
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

/// The addresses that nodes of a Redis Cluster announce, and where each is reached from here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeAddresses(pub Vec<NodeAddress>);

/// One of them. Without a port, it holds for all ports of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// The host that a node announces.
    pub announced: String,
    /// The port that it announces; `None`: any.
    pub announced_port: Option<u16>,
    /// The host at which it is reached.
    pub host: String,
    /// The port there; `None`: the announced one.
    pub port: Option<u16>,
}

impl NodeAddresses {
    /// Where the node is reached that announces this address.
    pub fn reachable(&self, announced: HostPort) -> HostPort {
        let is_named = |entry: &&NodeAddress| {
            entry.announced == announced.host
                && entry.announced_port.is_none_or(|port| port == announced.port)
        };
        match self.0.iter().find(is_named) {
            Some(NodeAddress { host, port, .. }) => {
                HostPort { host: host.clone(), port: port.unwrap_or(announced.port) }
            }
            None => announced,
        }
    }
}

impl RedisAddress {
    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        match self {
            Self::Tcp { tls, .. } | Self::Seeds { tls, .. } | Self::Sentinel { tls, .. } => *tls,
            Self::Unix(_) => false,
        }
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
            Self::Seeds { nodes, .. } => write!(f, "redis{secure}://{}", list(nodes)),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Sentinel { sentinels, master, .. } => {
                write!(f, "redis{secure}+sentinel://{}/{master}", list(sentinels))
            }
        }
    }
}

fn list(ends: &[HostPort]) -> String {
    let ends: Vec<_> = ends.iter().map(HostPort::to_string).collect();
    ends.join(",")
}

#[cfg(test)]
mod tests {
    use super::{HostPort, NodeAddress, NodeAddresses};

    #[test]
    fn an_announced_address_leads_where_the_first_entry_for_it_says() {
        let entry = |announced: &str, announced_port, host: &str, port| NodeAddress {
            announced: announced.to_owned(),
            announced_port,
            host: host.to_owned(),
            port,
        };
        let addresses = NodeAddresses(vec![
            entry("10.0.0.1", Some(6379), "::1", Some(7001)),
            entry("10.0.0.1", None, "redis.example", None),
        ]);
        let reachable = |host: &str, port| {
            addresses.reachable(HostPort { host: host.to_owned(), port }).to_string()
        };
        assert_eq!(reachable("10.0.0.1", 6379), "[::1]:7001");
        assert_eq!(reachable("10.0.0.1", 6380), "redis.example:6380");
        assert_eq!(reachable("10.0.0.2", 6379), "10.0.0.2:6379");
    }
}
