//! Opens a connection to one address of Redis or of a sentinel: TCP or a Unix socket, with or without
//! TLS, with the login for it.
//!
//! In protected mode and above maxclients Redis writes the reason at once and closes. The client
//! library has sent its first commands by then; the reset that they cause discards the reason before
//! it is read. So after a connection that was closed a second one only reads.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, make_extension_error,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::app::Secret;
use crate::config::RedisConfig;
use crate::network_fault::NetworkFault;

/// How long to wait for the reason. A Redis that accepts the second connection writes nothing.
const REASON_TIMEOUT: Duration = Duration::from_millis(200);

/// The reason in protected mode has 700 bytes.
const REASON_BYTES_MAX: u64 = 2048;

/// The user and the password for one server.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a Secret>,
}

/// The login for Redis itself.
pub(super) fn login(redis: &RedisConfig) -> Login<'_> {
    Login { username: redis.username.as_deref(), password: redis.password.as_ref() }
}

pub(super) fn tcp(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    let (host, insecure, tls_params) = (host.to_owned(), false, None);
    match tls {
        false => ConnectionAddr::Tcp(host, port),
        true => ConnectionAddr::TcpTls { host, port, insecure, tls_params },
    }
}

/// A client of the Redis at this address, with the login and the database of the configuration.
pub(super) fn redis_client(
    redis: &RedisConfig,
    address: ConnectionAddr,
) -> Result<Client, RedisError> {
    client(redis, address, login(redis), redis.database)
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
    match login.password {
        Some(password) => settings = settings.set_password(password.reveal()),
        // Without a password the library sends no login at all, and another user, `default`, is logged in.
        None if login.username.is_some() => settings = settings.set_password(""),
        None => {}
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

/// A configuration with this time-out for connecting and for each answer.
pub(super) fn with_timeout(timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout))
}

/// Connects. If the server closes the connection, the error is the reason that it writes first.
pub(super) async fn open(
    client: &Client,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let opened = client.get_multiplexed_async_connection_with_config(config).await;
    match opened {
        Err(error) if NetworkFault::of(&error) == Some(NetworkFault::Closed) => {
            let reason = refusal_reason(client.get_connection_info().addr()).await;
            Err(reason.unwrap_or(error))
        }
        opened => opened,
    }
}

/// Reads why the server at this address refuses connections. TLS hides it.
async fn refusal_reason(address: &ConnectionAddr) -> Option<RedisError> {
    let ConnectionAddr::Tcp(host, port) = address else { return None };
    let read = async {
        let peer = TcpStream::connect((host.as_str(), *port)).await.ok()?;
        let mut text = String::new();
        peer.take(REASON_BYTES_MAX).read_to_string(&mut text).await.ok()?;
        parse_error(&text)
    };
    tokio::time::timeout(REASON_TIMEOUT, read).await.ok()?
}

/// Parses an error of the Redis protocol: `-CODE text`.
fn parse_error(text: &str) -> Option<RedisError> {
    let line = text.strip_prefix('-')?.lines().next()?;
    let (code, detail) = line.split_once(' ')?;
    Some(make_extension_error(code.to_owned(), Some(detail.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::parse_error;

    #[test]
    fn only_an_error_of_the_protocol_is_a_reason() {
        let text = "-DENIED Redis is running in protected mode. 1) Just\r\n";
        let error = parse_error(text).unwrap();
        assert_eq!(error.code(), Some("DENIED"));
        assert_eq!(error.detail(), Some("Redis is running in protected mode. 1) Just"));
        for other in ["", "-", "-DENIED", "HTTP/1.1 400 Bad Request\r\n", "+OK fine\r\n"] {
            assert!(parse_error(other).is_none(), "{other:?}");
        }
    }
}
