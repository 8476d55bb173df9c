//! The addresses to listen on: `server.listen`, `http.listen`, and what `server.host` and `server.port`
//! are without a list.
//!
//! Owns their forms, and that no two of them collide. Whether an address is free shows when it is bound.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::error::ConfigError;
use super::layers::Layer;
use super::server::ServerConfig;
use super::values::{Setting, Values};

/// The longest path of a unix socket on Linux; other systems allow four bytes less.
const MAX_PATH_BYTES: usize = 107;

/// The owner and the group may connect: the group is how a proxy of another user gets access.
const DEFAULT_MODE: u32 = 0o660;

const FORMS: &str = "it must be an IP address and a port such as 0.0.0.0:8080 or [::]:8080, or \
                     unix: and the full path of a socket, such as unix:/run/resound.sock?mode=0660";

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 takes any free one.
    Ip(SocketAddr),
    /// A unix socket.
    Unix {
        /// Where its file is.
        path: PathBuf,
        /// Who may connect: the permission bits of the file.
        mode: u32,
    },
}

impl ListenAddress {
    /// The form that a list has: `127.0.0.1:8080`, `localhost:8080`, `[::]:8080`, `unix:/path?mode=0660`.
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(rest) => Self::parse_unix(rest),
            None => parse_socket_address(text).map(Self::Ip),
        }
    }

    fn parse_unix(text: &str) -> Option<Self> {
        let (path, mode) = match text.split_once("?mode=") {
            Some((path, mode)) => (path, u32::from_str_radix(mode, 8).ok()?),
            None => (text, DEFAULT_MODE),
        };
        let is_path = path.starts_with('/') && path.len() > 1 && !path.contains(['?', '\0']);
        (is_path && path.len() <= MAX_PATH_BYTES && mode <= 0o777)
            .then(|| Self::Unix { path: path.into(), mode })
    }

    /// The address and port, of one that is no unix socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix { .. } => None,
        }
    }

    /// Whether only processes of this machine reach it.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().is_loopback(),
            Self::Unix { .. } => true,
        }
    }

    /// Whether one process cannot listen on both.
    pub(super) fn collides_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(left), Self::Ip(right)) => overlap(*left, *right),
            (Self::Unix { path: left, .. }, Self::Unix { path: right, .. }) => left == right,
            _ => false,
        }
    }
}

/// As it is written in a list, without the mode.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address and a port; `localhost` is the IPv4 loopback address.
pub(super) fn parse_socket_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST).parse().ok(),
        None => text.parse().ok(),
    }
}

/// Where clients and back ends connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    /// Where sockets connect to, and back ends too unless `api` has an address; at least one.
    pub server: Vec<ListenAddress>,
    /// Whether these are those of `server.listen`; else it is `server.host` and `server.port`.
    pub is_list: bool,
    /// Where back ends connect to instead; empty is at the addresses of `server`.
    pub api: Vec<ListenAddress>,
}

impl ListenConfig {
    /// The lists as the layers have them. `server.host` and `server.port` of a later layer replace the
    /// whole of `server.listen`, so that a flag is never without effect.
    pub(super) fn read(
        values: Values<'_>,
        layers: &[Layer],
        server: &ServerConfig,
    ) -> Result<Self, ConfigError> {
        let last = |key: &str| layers.iter().rposition(|layer| layer.sets(key));
        let (setting, api) = (values.at("server.listen"), values.at("http.listen"));
        let mut addresses = addresses(&setting)?;
        if last("server.host").max(last("server.port")) > last("server.listen") {
            addresses.clear();
        }
        let is_list = !addresses.is_empty();
        if !is_list {
            addresses.push(ListenAddress::Ip(SocketAddr::new(server.host, server.port)));
        }
        let listen = Self { server: addresses, is_list, api: self::addresses(&api)? };
        for address in &listen.api {
            if let Some((key, other)) = listen.of_server().find(|(_, it)| it.collides_with(address))
            {
                let allowed = format!("it must be another address: {key} has {other}");
                return Err(api.refuse(address, allowed));
            }
        }
        Ok(listen)
    }

    /// Refuses an address that clients or back ends connect to.
    pub(super) fn ensure_free(
        &self,
        setting: &Setting<'_>,
        address: &ListenAddress,
    ) -> Result<(), ConfigError> {
        let of_api = self.api.iter().map(|address| ("http.listen", address));
        let mut taken = self.of_server().chain(of_api);
        match taken.find(|(_, other)| other.collides_with(address)) {
            None => Ok(()),
            Some((key, other)) => {
                let allowed = format!("it must have another port: {key} has {other}");
                Err(setting.refuse(address, allowed))
            }
        }
    }

    /// The addresses of the server, each with the key to change.
    fn of_server(&self) -> impl Iterator<Item = (&'static str, &ListenAddress)> {
        let key = if self.is_list { "server.listen" } else { "server.port" };
        self.server.iter().map(move |address| (key, address))
    }
}

/// Settings of addresses that have no effect beside others: one sentence each.
pub(super) fn unused(values: Values<'_>, listen: &ListenConfig) -> Vec<String> {
    let list = values.at("server.listen");
    let (host, port) = (values.at("server.host").origin, values.at("server.port").origin);
    let single = [host, port].into_iter().filter(|origin| !origin.is_default());
    if listen.is_list {
        let unused = |origin| format!("{origin} has no effect beside {}", list.origin);
        single.map(unused).collect()
    } else if list.origin.is_default() || list.texts().is_empty() {
        Vec::new()
    } else {
        let wins: Vec<String> = single.map(|origin| origin.to_string()).collect();
        vec![format!("{} has no effect beside {}", list.origin, wins.join(" and "))]
    }
}

pub(super) fn addresses(setting: &Setting<'_>) -> Result<Vec<ListenAddress>, ConfigError> {
    let mut addresses: Vec<ListenAddress> = Vec::new();
    for text in setting.texts() {
        let address = ListenAddress::parse(&text)
            .ok_or_else(|| setting.refuse(format_args!("{text:?}"), FORMS))?;
        if let Some(other) = addresses.iter().find(|other| other.collides_with(&address)) {
            let allowed = format!(
                "{other} takes the same connections ([::] takes IPv4 too); leave one of them out"
            );
            return Err(setting.refuse(address, allowed));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// Whether one process cannot listen on both: an unspecified address takes its family, and `::`
/// takes IPv4 too. Port 0 is a free one each time.
fn overlap(left: SocketAddr, right: SocketAddr) -> bool {
    let covers = |all: IpAddr, one: IpAddr| {
        all == one || all.is_unspecified() && (all.is_ipv6() || one.is_ipv4())
    };
    let (a, b) = (left.ip(), right.ip());
    left.port() != 0 && left.port() == right.port() && (covers(a, b) || covers(b, a))
}
