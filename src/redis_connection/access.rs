//! As whom and for what a connection is used, and the failure of an attempt in words.

use std::sync::Arc;

use redis::{Client, RedisError};

use super::address::{redis_client, tcp};
use super::failure::{AttemptError, FailureContext, LinkPhase, RedisTransport, ServerKind};
use super::key_names::KeyNames;
use super::missing_right::RedisUser;
use crate::config::{HostPort, RedisConfig};

/// The configuration of a connection, which all attempts share.
#[derive(Clone)]
pub(super) struct RedisAccess(Arc<Parts>);

struct Parts {
    redis: RedisConfig,
    /// Of every key and topic of the user.
    prefix: String,
    keys: KeyNames,
}

impl RedisAccess {
    pub(super) fn new(redis: &RedisConfig, prefix: &str, keys: KeyNames) -> Self {
        Self(Arc::new(Parts { redis: redis.clone(), prefix: prefix.to_owned(), keys }))
    }

    pub(super) fn redis(&self) -> &RedisConfig {
        &self.0.redis
    }

    pub(super) fn keys(&self) -> KeyNames {
        self.0.keys
    }

    /// A client of the Redis at an address, with the transport of the configuration.
    pub(super) fn client(&self, HostPort { host, port }: &HostPort) -> Result<Client, RedisError> {
        redis_client(self.redis(), tcp(host, *port, self.redis().address.has_tls()))
    }

    pub(super) fn user(&self) -> RedisUser<'_> {
        let Parts { redis, prefix, keys } = &*self.0;
        RedisUser { name: redis.username.as_deref().unwrap_or("default"), prefix, keys: *keys }
    }

    /// A failure at a server that `name` describes.
    pub(super) fn attempt_error(
        &self,
        error: &RedisError,
        server: ServerKind,
        name: &str,
    ) -> AttemptError {
        let transport = RedisTransport::of_tcp(self.redis().address.has_tls());
        let (user, phase) = (self.user(), LinkPhase::Connecting);
        let context = FailureContext { server, user, transport, phase };
        let text = format!("{name}: {}", context.explain(error));
        AttemptError { text, is_timeout: error.is_timeout() }
    }
}
