//! Connects to the Redis primary, directly or through sentinels.
//!
//! Owns the order in which sentinels are queried, the login for them, and the result of each attempt.
//! The client library's own search does not name the sentinel that refused, and sends `SENTINEL
//! MASTERS`, which the user that the Redis documentation recommends for clients may not call.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, PushInfo, RedisError};

use super::address::{Login, client, login, open, redis_client, tcp, with_timeout};
use super::failure::{self, FailureContext, LinkError, LinkPhase, RedisTransport, ServerKind};
use super::key_names::KeyNames;
use super::missing_right::RedisUser;
use crate::config::{HostPort, RedisAddress, RedisConfig};

/// Makes the connections of a link, one after the other.
pub(crate) struct Connector {
    redis: RedisConfig,
    /// Of every key and topic of the user.
    prefix: String,
    keys: KeyNames,
    route: Route,
    /// The primary that a sentinel has named last.
    primary: Option<String>,
}

enum Route {
    Direct(Box<Client>),
    Sentinels(Box<Sentinels>),
}

impl Connector {
    /// A connector that `[cluster]` configures, for a user whose keys and topics begin with `prefix`.
    pub(crate) fn new(redis: &RedisConfig, prefix: &str) -> Result<Self, RedisError> {
        Self::named(redis, prefix, KeyNames::Cluster)
    }

    /// The same with the keys that configure it.
    pub(crate) fn named(
        redis: &RedisConfig,
        prefix: &str,
        keys: KeyNames,
    ) -> Result<Self, RedisError> {
        // Fails if the process has a provider already, which is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let direct =
            |address| redis_client(redis, address).map(|client| Route::Direct(Box::new(client)));
        let route = match &redis.address {
            RedisAddress::Tcp { host, port, tls } => direct(tcp(host, *port, *tls))?,
            RedisAddress::Unix(path) => direct(ConnectionAddr::Unix(path.clone()))?,
            RedisAddress::Sentinel { sentinels, master, tls } => {
                Route::Sentinels(Box::new(Sentinels {
                    redis: redis.clone(),
                    prefix: prefix.to_owned(),
                    keys,
                    endpoints: sentinels.clone(),
                    primary_name: master.clone(),
                    tls: *tls,
                }))
            }
        };
        let (redis, prefix) = (redis.clone(), prefix.to_owned());
        Ok(Self { redis, prefix, keys, route, primary: None })
    }

    /// Connects, with `timeout` for each step. Pushes of the connection go to `push_sender`.
    pub(crate) async fn connect(
        &mut self,
        timeout: Duration,
        push_sender: impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, LinkError> {
        let config = with_timeout(timeout).set_push_sender(push_sender);
        match &mut self.route {
            Route::Direct(client) => Ok(open(client, &config).await?),
            Route::Sentinels(sentinels) => {
                self.primary = None;
                let (connection, primary) = sentinels.connect(&config, timeout).await?;
                self.primary = Some(primary);
                Ok(connection)
            }
        }
    }

    /// Why a link failed, and what to change.
    pub(crate) fn explain(&self, error: &LinkError, phase: LinkPhase) -> String {
        let transport = match &self.redis.address {
            RedisAddress::Unix(_) => RedisTransport::Unix,
            RedisAddress::Tcp { tls, .. } | RedisAddress::Sentinel { tls, .. } => {
                RedisTransport::of_tcp(*tls)
            }
        };
        self.keys.name(match error {
            LinkError::Redis(error) => {
                let user = user(&self.redis, &self.prefix, self.keys);
                FailureContext { server: ServerKind::Redis, user, transport, phase }.explain(error)
            }
            other => other.to_string(),
        })
    }
}

/// The configured address without its credentials, and the current primary.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.redis.address, f)?;
        match &self.primary {
            Some(primary) => write!(f, " (at {primary})"),
            None => Ok(()),
        }
    }
}

fn user<'a>(redis: &'a RedisConfig, prefix: &'a str, keys: KeyNames) -> RedisUser<'a> {
    RedisUser { name: redis.username.as_deref().unwrap_or("default"), prefix, keys }
}

struct Sentinels {
    redis: RedisConfig,
    prefix: String,
    keys: KeyNames,
    /// The one that answered last is the first.
    endpoints: Vec<HostPort>,
    /// The name that `sentinel monitor` gives the primary.
    primary_name: String,
    tls: bool,
}

/// How an attempt through one sentinel failed.
struct AttemptError {
    text: String,
    is_timeout: bool,
}

impl Sentinels {
    /// A connection to the primary and its address, through the first sentinel that names one.
    async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<(MultiplexedConnection, String), LinkError> {
        let mut failures = Vec::new();
        for at in 0..self.endpoints.len() {
            match self.connect_through(&self.endpoints[at], config, timeout).await {
                Ok(connected) => {
                    self.endpoints[..=at].rotate_right(1);
                    return Ok(connected);
                }
                Err(failure) => failures.push(failure),
            }
        }
        let is_timeout = failures.iter().any(|failure| failure.is_timeout);
        let texts: Vec<_> = failures.into_iter().map(|failure| failure.text).collect();
        Err(LinkError::NoPrimary { causes: texts.join(" | "), is_timeout })
    }

    async fn connect_through(
        &self,
        sentinel: &HostPort,
        config: &AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<(MultiplexedConnection, String), AttemptError> {
        let named = self.query_primary(sentinel, timeout).await;
        let named = named.map_err(|error| {
            self.attempt_error(&error, ServerKind::Sentinel, &format!("sentinel {sentinel}"))
        })?;
        let Some((host, port)) = named else {
            let name = &self.primary_name;
            return Err(AttemptError::new(format!(
                "sentinel {sentinel} knows no primary {name:?}: cluster.url must end with the name that `sentinel monitor` gives it there"
            )));
        };
        let redis = HostPort { host, port };
        let connected = self.connect_to(&redis, config).await;
        let (connection, is_primary) = connected.map_err(|error| {
            let server = format!("Redis at {redis}, which sentinel {sentinel} names");
            self.attempt_error(&error, ServerKind::Redis, &server)
        })?;
        match is_primary {
            true => Ok((connection, redis.to_string())),
            false => Err(AttemptError::new(format!(
                "sentinel {sentinel} names {redis}, which is a replica: a failover is under way, or the sentinel is cut off from the others"
            ))),
        }
    }

    /// The address of the primary. A sentinel that requires a password and has none of its own
    /// configured gets that of Redis: most installations give both the same. It could not be kept
    /// from the sentinel anyway, since the sentinel names the server that gets it.
    async fn query_primary(
        &self,
        sentinel: &HostPort,
        timeout: Duration,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let redis = &self.redis;
        let (username, password) =
            (redis.sentinel_username.as_deref(), redis.sentinel_password.as_ref());
        let named = self.query_primary_as(sentinel, Login { username, password }, timeout).await;
        match named {
            Err(error)
                if password.is_none()
                    && redis.password.is_some()
                    && failure::is_password_required(&error) =>
            {
                self.query_primary_as(sentinel, login(redis), timeout).await
            }
            named => named,
        }
    }

    async fn query_primary_as(
        &self,
        HostPort { host, port }: &HostPort,
        login: Login<'_>,
        timeout: Duration,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let client = client(&self.redis, tcp(host, *port, self.tls), login, 0)?;
        let mut connection = open(&client, &with_timeout(timeout)).await?;
        let mut query = redis::cmd("SENTINEL");
        query.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary_name);
        query.query_async(&mut connection).await
    }

    /// A connection, and whether its server is a primary: a sentinel that was cut off names an old one.
    async fn connect_to(
        &self,
        HostPort { host, port }: &HostPort,
        config: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, bool), RedisError> {
        let client = redis_client(&self.redis, tcp(host, *port, self.tls))?;
        let mut connection = open(&client, config).await?;
        let mut query = redis::cmd("INFO");
        let info: String = query.arg("replication").query_async(&mut connection).await?;
        Ok((connection, info.lines().any(|line| line == "role:master")))
    }

    fn attempt_error(&self, error: &RedisError, server: ServerKind, name: &str) -> AttemptError {
        let transport = RedisTransport::of_tcp(self.tls);
        let (user, phase) = (user(&self.redis, &self.prefix, self.keys), LinkPhase::Connecting);
        let context = FailureContext { server, user, transport, phase };
        let text = format!("{name}: {}", context.explain(error));
        AttemptError { text, is_timeout: error.is_timeout() }
    }
}

impl AttemptError {
    fn new(text: String) -> Self {
        Self { text, is_timeout: false }
    }
}
