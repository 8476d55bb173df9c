//! Where Redis is: a host, a Unix socket, or whoever Sentinel says; with or without TLS.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};

use crate::config::{RedisAddress, RedisConfig};

/// What makes connections.
pub(super) struct Source {
    client: Clients,
    address: RedisAddress,
}

enum Clients {
    One(Box<Client>),
    Sentinel(Box<SentinelClient>),
}

impl Source {
    pub(super) fn new(redis: &RedisConfig) -> Result<Self, RedisError> {
        // The first caller in the process wins, and every caller brings the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match &redis.address {
            RedisAddress::Tcp { host, port, tls } => {
                Clients::One(client(redis, tcp(host, *port, *tls))?)
            }
            RedisAddress::Unix(path) => {
                Clients::One(client(redis, ConnectionAddr::Unix(path.clone()))?)
            }
            RedisAddress::Sentinel { sentinels, master, tls } => {
                Clients::Sentinel(Box::new(sentinel(redis, sentinels, master, *tls)?))
            }
        };
        Ok(Self { client, address: redis.address.clone() })
    }

    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        match &mut self.client {
            Clients::One(client) => {
                client.get_multiplexed_async_connection_with_config(config).await
            }
            Clients::Sentinel(client) => client.get_async_connection_with_config(config).await,
        }
    }
}

fn tcp(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    let (host, insecure, tls_params) = (host.to_owned(), false, None);
    match tls {
        false => ConnectionAddr::Tcp(host, port),
        true => ConnectionAddr::TcpTls { host, port, insecure, tls_params },
    }
}

fn client(redis: &RedisConfig, address: ConnectionAddr) -> Result<Box<Client>, RedisError> {
    let mut settings = RedisConnectionInfo::default()
        .set_db(redis.database)
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name("resound", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &redis.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &redis.password {
        settings = settings.set_password(password.reveal());
    }
    let info = address.into_connection_info()?.set_redis_settings(settings);
    Ok(Box::new(match &redis.ca {
        None => Client::open(info)?,
        Some(_) => Client::build_with_tls(info, certificates(redis))?,
    }))
}

fn sentinel(
    redis: &RedisConfig,
    sentinels: &[(String, u16)],
    master: &str,
    tls: bool,
) -> Result<SentinelClient, RedisError> {
    let addresses = sentinels.iter().map(|(host, port)| tcp(host, *port, tls));
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_db(redis.database);
    if let Some(username) = &redis.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &redis.password {
        builder = builder.set_client_to_redis_password(password.reveal());
    }
    if tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if redis.ca.is_some() {
        builder = builder
            .set_client_to_redis_certificates(certificates(redis))
            .set_client_to_sentinel_certificates(certificates(redis));
    }
    builder.build()
}

fn certificates(redis: &RedisConfig) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: redis.ca.clone() }
}

/// Without credentials.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address, f)
    }
}
