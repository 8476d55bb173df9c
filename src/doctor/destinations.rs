//! Where the network checks connect to, and as whom: what the files of the set-up say about it.
//!
//! Owns which key wins where several name the same. Nothing is connected to here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::app::{App, Secret};
use crate::config::{Config, ListenAddress, RedisConfig};
use crate::probe::ServerUrl;

/// An address, and what named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The address.
    pub url: ServerUrl,
    /// The flag or the keys that are to be changed if it is wrong.
    pub named_by: String,
}

/// An app as its back end knows it.
#[derive(Debug, Clone)]
pub struct AppCredentials {
    /// `REVERB_APP_ID`.
    pub id: String,
    /// `REVERB_APP_KEY`.
    pub key: String,
    /// `REVERB_APP_SECRET`.
    pub secret: Secret,
    /// The file that has them.
    pub named_by: String,
}

/// A Redis, and what for.
#[derive(Debug, Clone)]
pub struct RedisDestination {
    /// Its address and the login for it.
    pub redis: RedisConfig,
    /// What the keys of a cluster begin with; `None` for the Redis of Laravel.
    pub prefix: Option<String>,
}

/// Everything that the network checks connect to.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    /// The address that the server listens on, without the proxy.
    pub server: Option<Destination>,
    /// Where browsers reach it.
    pub public: Option<Destination>,
    /// Where Laravel sends its events, if that is another address.
    pub back_end: Option<Destination>,
    /// Who signs.
    pub app: Option<AppCredentials>,
    /// The app as the configuration of the server has it, if that was read too.
    pub served: Option<AppCredentials>,
    /// The origin of the application's pages.
    pub origin: Option<String>,
    /// The Redis of the cluster.
    pub cluster: Option<RedisDestination>,
    /// The Redis of Laravel.
    pub laravel_redis: Option<RedisDestination>,
    /// Where `/ready` is answered beside the server's own address.
    pub health: Option<Destination>,
    /// The bytes of a body that the server accepts.
    pub body_bytes: Option<usize>,
}

impl Destinations {
    /// Those of a configuration of Resound.
    pub fn of_config(config: &Config) -> Self {
        let address = config.listen.server.iter().find_map(|address| match address {
            ListenAddress::Ip(address) => Some(*address),
            ListenAddress::Unix { .. } => None,
        });
        let server = address.map(|address| {
            // Without a port in the configuration, no address leads to the server.
            let tls = config.tls.as_ref().is_some_and(|tls| tls.required);
            let prefix = config.server.path.clone();
            named(reachable(address), tls, prefix, "server.host and server.port")
        });
        let health = config
            .metrics
            .listen
            .map(|address| named(reachable(address), false, String::new(), "metrics.listen"));
        let served = one(config).map(|app| credentials(app, "the configuration of Resound"));
        let cluster = config.cluster.as_ref().map(|cluster| RedisDestination {
            redis: cluster.redis.clone(),
            prefix: Some(cluster.settings.prefix.clone()),
        });
        Self {
            server: server.filter(|server| server.url.port > 0),
            app: served.clone(),
            served,
            cluster,
            health,
            body_bytes: Some(config.http.max_body_bytes),
            ..Self::default()
        }
    }

    /// The address of a role.
    pub fn at(&self, place: Place) -> Option<&Destination> {
        match place {
            Place::Server => self.server.as_ref(),
            Place::Public => self.public.as_ref(),
            Place::BackEnd => self.back_end.as_ref(),
        }
    }
}

/// The role of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What the server listens on.
    Server,
    /// What browsers connect to.
    Public,
    /// What Laravel connects to.
    BackEnd,
}

fn named(address: SocketAddr, tls: bool, prefix: String, named_by: &str) -> Destination {
    let (host, port) = (address.ip().to_string(), address.port());
    Destination { url: ServerUrl { tls, host, port, prefix }, named_by: named_by.to_owned() }
}

/// The only app of a configuration.
fn one(config: &Config) -> Option<&App> {
    let mut apps = config.apps.iter();
    let first = apps.next()?;
    apps.next().is_none().then_some(&**first)
}

/// The credentials of an app, and where they stand.
pub(super) fn credentials(app: &App, named_by: &str) -> AppCredentials {
    AppCredentials {
        id: app.id.clone(),
        key: app.key.clone(),
        secret: app.secret.clone(),
        named_by: named_by.to_owned(),
    }
}

/// An unspecified address is reached through loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
