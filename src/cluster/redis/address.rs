//! Where Redis is: a host, a Unix socket, or the primary that Sentinel names; with or without TLS.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use super::LinkError;
use super::failure::{Moment, Place, Role, Transport};
use super::greeting;
use super::sentinel::Sentinels;
use crate::app::Secret;
use crate::config::{RedisAddress, RedisConfig};
use crate::network_fault::NetworkFault;

/// What makes connections.
pub(super) struct Source {
    redis: RedisConfig,
    way: Way,
    /// The primary that a sentinel has named last.
    primary: Option<String>,
}

enum Way {
    Direct(Box<Client>),
    Sentinels(Box<Sentinels>),
}

/// A user and its password at one of the ends.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a Secret>,
}

impl Source {
    pub(super) fn new(redis: &RedisConfig) -> Result<Self, RedisError> {
        // The first caller in the process wins, and every caller brings the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let direct = |address| primary(redis, address).map(|client| Way::Direct(Box::new(client)));
        let way = match &redis.address {
            RedisAddress::Tcp { host, port, tls } => direct(tcp(host, *port, *tls))?,
            RedisAddress::Unix(path) => direct(ConnectionAddr::Unix(path.clone()))?,
            RedisAddress::Sentinel { sentinels, master, tls } => {
                Way::Sentinels(Box::new(Sentinels::new(redis, sentinels, master, *tls)))
            }
        };
        Ok(Self { redis: redis.clone(), way, primary: None })
    }

    /// A connection whose every step may take this long, and what is to get its pushes.
    pub(super) async fn connect(
        &mut self,
        timeout: Duration,
        hear: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, LinkError> {
        let config = within(timeout).set_push_sender(hear);
        match &mut self.way {
            Way::Direct(client) => Ok(open(client, &config).await?),
            Way::Sentinels(sentinels) => {
                self.primary = None;
                let (connection, primary) = sentinels.connect(&config, timeout).await?;
                self.primary = Some(primary);
                Ok(connection)
            }
        }
    }

    /// Why a link failed, and what to change.
    pub(super) fn explain(&self, broken: &LinkError, moment: Moment) -> String {
        let transport = match &self.redis.address {
            RedisAddress::Unix(_) => Transport::Unix,
            RedisAddress::Tcp { tls, .. } | RedisAddress::Sentinel { tls, .. } => {
                Transport::of_tcp(*tls)
            }
        };
        match broken {
            LinkError::Redis(error) => {
                Place { role: Role::Redis, transport, moment }.explain(error)
            }
            other => other.to_string(),
        }
    }
}

/// A connection, or why there is none, if need be from a second look at what Redis writes first.
pub(super) async fn open(
    client: &Client,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let opened = client.get_multiplexed_async_connection_with_config(config).await;
    match opened {
        Err(error) if NetworkFault::of(&error) == Some(NetworkFault::Closed) => {
            let refusal = greeting::refusal(client.get_connection_info().addr()).await;
            Err(refusal.unwrap_or(error))
        }
        opened => opened,
    }
}

pub(super) fn within(timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout))
}

pub(super) fn tcp(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    let (host, insecure, tls_params) = (host.to_owned(), false, None);
    match tls {
        false => ConnectionAddr::Tcp(host, port),
        true => ConnectionAddr::TcpTls { host, port, insecure, tls_params },
    }
}

/// What connects to the Redis at this address.
pub(super) fn primary(redis: &RedisConfig, address: ConnectionAddr) -> Result<Client, RedisError> {
    client(redis, address, login(redis), redis.database)
}

/// How a node introduces itself to Redis.
pub(super) fn login(redis: &RedisConfig) -> Login<'_> {
    Login { username: redis.username.as_deref(), password: redis.password.as_ref() }
}

pub(super) fn client(
    redis: &RedisConfig,
    address: ConnectionAddr,
    login: Login<'_>,
    database: i64,
) -> Result<Client, RedisError> {
    let mut settings = RedisConnectionInfo::default()
        .set_db(database)
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("resound", env!("CARGO_PKG_VERSION"));
    if let Some(username) = login.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = login.password {
        settings = settings.set_password(password.reveal());
    }
    let info = address.into_connection_info()?.set_redis_settings(settings);
    match &redis.ca {
        None => Client::open(info),
        Some(_) => {
            let certificates = TlsCertificates { client_tls: None, root_cert: redis.ca.clone() };
            Client::build_with_tls(info, certificates)
        }
    }
}

/// Without credentials.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.redis.address, f)?;
        match &self.primary {
            Some(primary) => write!(f, " (at {primary})"),
            None => Ok(()),
        }
    }
}
