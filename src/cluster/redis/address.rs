//! Where Redis is: a host, a Unix socket, or whoever Sentinel says; with or without TLS.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};

use super::{Broken, fault};
use crate::config::{RedisAddress, RedisConfig};

/// What makes connections.
pub(super) struct Source {
    client: Clients,
    redis: RedisConfig,
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
        Ok(Self { client, redis: redis.clone() })
    }

    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let refused = match &mut self.client {
            Clients::One(client) => {
                return client.get_multiplexed_async_connection_with_config(config).await;
            }
            Clients::Sentinel(client) => {
                match client.get_async_connection_with_config(config).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => error,
                }
            }
        };
        // Sentinels often have the password of Redis, and one that has none refuses any.
        let is_open = self.redis.sentinel_password.is_none() && self.redis.password.is_some();
        if is_open && self.refusing_sentinel().await.is_some() {
            let same = RedisConfig {
                sentinel_username: self.redis.username.clone(),
                sentinel_password: self.redis.password.clone(),
                ..self.redis.clone()
            };
            *self = Self::new(&same)?;
            if let Clients::Sentinel(client) = &mut self.client {
                return client.get_async_connection_with_config(config).await;
            }
        }
        Err(refused)
    }

    /// Why a link could not be made, or broke, for the log.
    pub(super) async fn explain(&self, broken: &Broken) -> String {
        match self.refusing_sentinel().await {
            Some((host, port)) => format!(
                "the sentinel {host}:{port} refuses to answer without the right password: set cluster.sentinel_password (REDIS_SENTINEL_PASSWORD)"
            ),
            None => fault::explain(broken, &self.redis.address),
        }
    }

    /// The first sentinel that does not accept the credentials for sentinels.
    async fn refusing_sentinel(&self) -> Option<(&str, u16)> {
        let RedisAddress::Sentinel { sentinels, tls, .. } = &self.redis.address else {
            return None;
        };
        let credentials = RedisConfig {
            username: self.redis.sentinel_username.clone(),
            password: self.redis.sentinel_password.clone(),
            database: 0,
            ..self.redis.clone()
        };
        let limit = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PROBE))
            .set_response_timeout(Some(PROBE));
        for (host, port) in sentinels {
            let Ok(client) = client(&credentials, tcp(host, *port, *tls)) else { continue };
            let connected = client.get_multiplexed_async_connection_with_config(&limit).await;
            let answer: Result<(), RedisError> = match connected {
                Ok(mut connection) => redis::cmd("PING").query_async(&mut connection).await,
                Err(error) => Err(error),
            };
            if answer.is_err_and(|error| is_refusal(&error)) {
                return Some((host, *port));
            }
        }
        None
    }
}

/// A sentinel that does not answer at once is away, which is another fault.
const PROBE: Duration = Duration::from_millis(500);

fn is_refusal(error: &RedisError) -> bool {
    let codes = ["NOAUTH", "WRONGPASS", "NOPERM"];
    error.kind() == ErrorKind::AuthenticationFailed
        || error.code().is_some_and(|code| codes.contains(&code))
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
    if let Some(username) = &redis.sentinel_username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &redis.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.reveal());
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
        fmt::Display::fmt(&self.redis.address, f)
    }
}
