//! The search for the Redis primary through sentinels.
//!
//! Owns the order in which sentinels are queried, the login for them, and the result of each attempt.
//! The client library's own search does not name the sentinel that refused, and sends `SENTINEL
//! MASTERS`, which the user that the Redis documentation recommends for clients may not call.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};

use super::access::RedisAccess;
use super::address::{Login, client, login, open, tcp, with_timeout};
use super::failure::{self, AttemptError, LinkError, ServerKind};
use crate::config::HostPort;

pub(super) struct Sentinels {
    access: RedisAccess,
    /// The one that answered last is the first.
    endpoints: Vec<HostPort>,
    /// The name that `sentinel monitor` gives the primary.
    primary_name: String,
}

impl Sentinels {
    pub(super) fn new(access: RedisAccess, endpoints: &[HostPort], primary_name: &str) -> Self {
        Self { access, endpoints: endpoints.to_vec(), primary_name: primary_name.to_owned() }
    }

    /// A connection to the primary and its address, through the first sentinel that names one.
    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<(MultiplexedConnection, HostPort), LinkError> {
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
        Err(LinkError::no_server(failures))
    }

    async fn connect_through(
        &self,
        sentinel: &HostPort,
        config: &AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<(MultiplexedConnection, HostPort), AttemptError> {
        let named = self.query_primary(sentinel, timeout).await;
        let named = named.map_err(|error| {
            let name = format!("sentinel {sentinel}");
            self.access.attempt_error(&error, ServerKind::Sentinel, &name)
        })?;
        let Some((host, port)) = named else {
            let name = &self.primary_name;
            return Err(AttemptError::new(format!(
                "sentinel {sentinel} has no primary {name:?}: cluster.url must end with the name that `sentinel monitor` gives it there"
            )));
        };
        let redis = HostPort { host, port };
        let connected = self.connect_to(&redis, config).await;
        let (connection, is_primary) = connected.map_err(|error| {
            let server = format!("Redis at {redis}, which sentinel {sentinel} names");
            self.access.attempt_error(&error, ServerKind::Redis, &server)
        })?;
        match is_primary {
            true => Ok((connection, redis)),
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
        let redis = self.access.redis();
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
        let redis = self.access.redis();
        let client = client(redis, tcp(host, *port, redis.address.has_tls()), login, 0)?;
        let mut connection = open(&client, &with_timeout(timeout)).await?;
        let mut query = redis::cmd("SENTINEL");
        query.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary_name);
        query.query_async(&mut connection).await
    }

    /// A connection, and whether its server is a primary: a sentinel that was cut off names an old one.
    async fn connect_to(
        &self,
        redis: &HostPort,
        config: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, bool), RedisError> {
        let client = self.access.client(redis)?;
        let mut connection = open(&client, config).await?;
        let mut query = redis::cmd("INFO");
        let info: String = query.arg("replication").query_async(&mut connection).await?;
        Ok((connection, info.lines().any(|line| line == "role:master")))
    }
}
