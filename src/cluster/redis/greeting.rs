//! What Redis writes before it closes a connection that it does not accept.
//!
//! In protected mode and above maxclients it writes the reason at once and closes. The client library has
//! sent its first commands by then; the reset that they cause discards the reason before it is read. So a
//! connection that was closed is tried once more by one that only reads.

use std::time::Duration;

use redis::{ConnectionAddr, RedisError, make_extension_error};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A Redis that accepts the connection writes nothing, and is left after this time.
const PATIENCE: Duration = Duration::from_millis(200);

/// The text in protected mode has 700 bytes.
const BYTES_MAX: u64 = 2048;

/// The reason, as the error it is; `None` without one. TLS hides it.
pub(super) async fn refusal(address: &ConnectionAddr) -> Option<RedisError> {
    let ConnectionAddr::Tcp(host, port) = address else { return None };
    let read = async {
        let peer = TcpStream::connect((host.as_str(), *port)).await.ok()?;
        let mut text = String::new();
        peer.take(BYTES_MAX).read_to_string(&mut text).await.ok()?;
        parse(&text)
    };
    tokio::time::timeout(PATIENCE, read).await.ok()?
}

/// An error of the protocol: `-CODE text`.
fn parse(text: &str) -> Option<RedisError> {
    let line = text.strip_prefix('-')?.lines().next()?;
    let (code, detail) = line.split_once(' ')?;
    Some(make_extension_error(code.to_owned(), Some(detail.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_an_error_of_the_protocol_is_a_refusal() {
        let text = "-DENIED Redis is running in protected mode. 1) Just\r\n";
        let error = parse(text).unwrap();
        assert_eq!(error.code(), Some("DENIED"));
        assert_eq!(error.detail(), Some("Redis is running in protected mode. 1) Just"));
        for other in ["", "-", "-DENIED", "HTTP/1.1 400 Bad Request\r\n", "+OK fine\r\n"] {
            assert!(parse(other).is_none(), "{other:?}");
        }
    }
}
