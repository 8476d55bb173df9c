//! Where the network checks connect to, and as whom: what the files of the set-up say about it.
//!
//! Owns which key wins where several name the same. Nothing is connected to here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::app::{App, Secret};
use crate::config::{ClusterConfig, Config, ListenAddress, RedisConfig};
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
    /// Whether Laravel sends its events to the public URL.
    pub laravel_uses_public: bool,
    /// Where the server answers its HTTP API.
    pub api: ApiAddress,
    /// Who signs.
    pub app: Option<AppCredentials>,
    /// The app as the configuration of the server has it, if that was read too.
    pub served: Option<AppCredentials>,
    /// The origin of the application's pages.
    pub origin: Option<String>,
    /// Each Redis of the cluster, in the order of `cluster.urls`.
    pub cluster: Vec<RedisDestination>,
    /// The Redis of Laravel.
    pub laravel_redis: Option<RedisDestination>,
    /// Where `/ready` is answered beside the server's own address, the best first.
    pub health: Vec<Destination>,
    /// The bytes of a body that the server accepts.
    pub body_bytes: Option<usize>,
}

impl Destinations {
    /// Those of a configuration of Resound.
    pub fn of_config(config: &Config) -> Self {
        let served_at = |address, named_by| {
            let tls = config.tls.as_ref().is_some_and(|tls| tls.required);
            named(reachable(address), tls, config.server.path.clone(), named_by)
        };
        let server = ips(&config.listen.server).next();
        let server = server.map(|address| served_at(address, "server.host and server.port"));
        let api = match config.listen.api.as_slice() {
            [] => ApiAddress::OfServer,
            addresses => match ips(addresses).next() {
                Some(address) => ApiAddress::Apart(served_at(address, "http.listen")),
                None => ApiAddress::Unix,
            },
        };
        let plain = |address, named_by| named(reachable(address), false, String::new(), named_by);
        let metrics = config.metrics.listen.map(|address| plain(address, "metrics.listen"));
        let internal =
            ips(&config.internal.listen).map(|address| plain(address, "internal.listen"));
        let health = metrics.into_iter().chain(internal).collect();
        let served = one(config).map(|app| credentials(app, "the configuration of Resound"));
        let of_cluster = |cluster: &ClusterConfig| {
            let prefix = Some(cluster.settings.prefix.clone());
            let servers = cluster.servers().into_iter();
            servers.map(move |redis| RedisDestination { redis, prefix: prefix.clone() })
        };
        let cluster = config.cluster.iter().flat_map(of_cluster).collect();
        Self {
            // Without a port in the configuration, no address leads to the server.
            server: server.filter(|server| server.url.port > 0),
            api,
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
            Place::Api => match &self.api {
                ApiAddress::Apart(at) => Some(at),
                ApiAddress::OfServer | ApiAddress::Unix => None,
            },
        }
    }

    /// Where the HTTP API is that belongs to an address of sockets; `None` if it is not served there.
    pub fn api_of(&self, place: Place) -> Option<Place> {
        match (place, &self.api) {
            (_, ApiAddress::OfServer) => Some(place),
            (Place::Public, _) => self.laravel_uses_public.then_some(place),
            (Place::Server, ApiAddress::Unix) => None,
            (Place::Server, ApiAddress::Apart(_)) => Some(Place::Api),
            (Place::Api | Place::BackEnd, _) => Some(place),
        }
    }

    /// Where events are sent to that sockets at an address receive: the API of that address, else that of Laravel,
    /// else that of the server.
    pub fn publishing(&self, place: Place) -> Option<Place> {
        let of_laravel = || self.back_end.as_ref().map(|_| Place::BackEnd);
        self.api_of(place).or_else(of_laravel).or_else(|| self.api_of(Place::Server))
    }
}

/// Where the server answers its HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ApiAddress {
    /// Where sockets connect to.
    #[default]
    OfServer,
    /// At the first address of `http.listen`, and not where sockets connect to.
    Apart(Destination),
    /// At unix sockets of `http.listen`, to which the doctor does not connect.
    Unix,
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
    /// Where the server answers its HTTP API, if that is an address of its own.
    Api,
}

fn ips(addresses: &[ListenAddress]) -> impl Iterator<Item = SocketAddr> {
    addresses.iter().filter_map(|address| match address {
        ListenAddress::Ip(address) => Some(*address),
        ListenAddress::Unix { .. } => None,
    })
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
