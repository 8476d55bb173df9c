//! The primary that sentinels name.
//!
//! Owns the order in which they are asked, how a node introduces itself to them, and what each attempt
//! ended with. The client library's own search does not name the sentinel that refused, and asks for
//! `SENTINEL MASTERS`, which the user that the Redis documentation recommends for clients may not call.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};

use super::LinkError;
use super::address::{Login, client, login, open, primary, tcp, within};
use super::failure::{self, Moment, Place, Role, Transport};
use crate::config::{Endpoint, RedisConfig};

/// Sentinels, and the name by which they know the primary.
pub(super) struct Sentinels {
    redis: RedisConfig,
    /// The one that answered last is the first.
    all: Vec<Endpoint>,
    name: String,
    tls: bool,
}

/// What an attempt through one sentinel ended with.
struct Failure {
    text: String,
    is_timeout: bool,
}

impl Sentinels {
    pub(super) fn new(redis: &RedisConfig, all: &[Endpoint], name: &str, tls: bool) -> Self {
        Self { redis: redis.clone(), all: all.to_vec(), name: name.to_owned(), tls }
    }

    /// A connection to the primary and its address, from the first sentinel that leads to one.
    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<(MultiplexedConnection, String), LinkError> {
        let mut failures = Vec::new();
        for at in 0..self.all.len() {
            match self.through(&self.all[at], config, timeout).await {
                Ok(found) => {
                    self.all[..=at].rotate_right(1);
                    return Ok(found);
                }
                Err(failure) => failures.push(failure),
            }
        }
        let is_timeout = failures.iter().any(|failure| failure.is_timeout);
        let texts: Vec<_> = failures.into_iter().map(|failure| failure.text).collect();
        Err(LinkError::NoPrimary { causes: texts.join(" | "), is_timeout })
    }

    async fn through(
        &self,
        sentinel: &Endpoint,
        config: &AsyncConnectionConfig,
        timeout: Duration,
    ) -> Result<(MultiplexedConnection, String), Failure> {
        let found = self.ask(sentinel, timeout).await;
        let found = found.map_err(|error| {
            self.failure(&error, Role::Sentinel, &format!("sentinel {sentinel}"))
        })?;
        let Some((host, port)) = found else {
            let name = &self.name;
            return Err(Failure::of(format!(
                "sentinel {sentinel} knows no primary {name:?}: cluster.url must end with the name that `sentinel monitor` gives it there"
            )));
        };
        let redis = Endpoint { host, port };
        let connected = self.reach(&redis, config).await;
        let (connection, is_primary) = connected.map_err(|error| {
            let place = format!("Redis at {redis}, which sentinel {sentinel} names");
            self.failure(&error, Role::Redis, &place)
        })?;
        match is_primary {
            true => Ok((connection, redis.to_string())),
            false => Err(Failure::of(format!(
                "sentinel {sentinel} names {redis}, which is a replica: a failover is under way, or the sentinel is cut off from the others"
            ))),
        }
    }

    /// Where the primary is. A sentinel that asks for a password and has none of its own configured
    /// gets that of Redis: most installations give both the same. It could not keep it from the
    /// sentinel either way, since the sentinel names the server that gets it.
    async fn ask(
        &self,
        sentinel: &Endpoint,
        timeout: Duration,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let redis = &self.redis;
        let (username, password) =
            (redis.sentinel_username.as_deref(), redis.sentinel_password.as_ref());
        let asked = self.ask_as(sentinel, Login { username, password }, timeout).await;
        match asked {
            Err(error)
                if password.is_none()
                    && redis.password.is_some()
                    && failure::wants_password(&error) =>
            {
                self.ask_as(sentinel, login(redis), timeout).await
            }
            asked => asked,
        }
    }

    async fn ask_as(
        &self,
        Endpoint { host, port }: &Endpoint,
        login: Login<'_>,
        timeout: Duration,
    ) -> Result<Option<(String, u16)>, RedisError> {
        let client = client(&self.redis, tcp(host, *port, self.tls), login, 0)?;
        let mut connection = open(&client, &within(timeout)).await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        ask.query_async(&mut connection).await
    }

    /// A connection, and whether a primary is at its end: a sentinel that was cut off names an old one.
    async fn reach(
        &self,
        Endpoint { host, port }: &Endpoint,
        config: &AsyncConnectionConfig,
    ) -> Result<(MultiplexedConnection, bool), RedisError> {
        let client = primary(&self.redis, tcp(host, *port, self.tls))?;
        let mut connection = open(&client, config).await?;
        let mut ask = redis::cmd("INFO");
        let info: String = ask.arg("replication").query_async(&mut connection).await?;
        Ok((connection, info.lines().any(|line| line == "role:master")))
    }

    fn failure(&self, error: &RedisError, role: Role, at: &str) -> Failure {
        let place =
            Place { role, transport: Transport::of_tcp(self.tls), moment: Moment::Connecting };
        Failure { text: format!("{at}: {}", place.explain(error)), is_timeout: error.is_timeout() }
    }
}

impl Failure {
    fn of(text: String) -> Self {
        Self { text, is_timeout: false }
    }
}
