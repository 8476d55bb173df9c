//! The header of the PROXY protocol, version 1 or 2, at the start of a connection of a listed proxy.
//!
//! Takes the header's bytes from the connection and none behind them. Who may send one is decided by the
//! caller.

use std::io;
use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::AsyncReadExt;

use crate::stream::ByteStream;

/// What both versions begin with.
const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header that is read. Version 2 with two IPv6 addresses has 52 bytes, and what proxies add
/// (the name of a certificate, the id of a load balancer) some hundred.
const HEADER_BYTES_MAX: usize = 2048;

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A header of this many bytes. Health checks of the proxy name no client.
    Header { bytes: usize, client: Option<SocketAddr> },
    /// What looks like a header and is none.
    Malformed,
    /// Anything else.
    Other,
}

/// Waits for the beginning of a connection, and takes the header from it, if it has one.
pub(super) async fn read(stream: &mut ByteStream) -> io::Result<Beginning> {
    let mut buffer = [0; HEADER_BYTES_MAX];
    let beginning = stream.look_ahead(&mut buffer, recognise).await?;
    if let Beginning::Header { bytes, .. } = beginning {
        stream.read_exact(&mut buffer[..bytes]).await?;
    }
    Ok(beginning)
}

/// What these first bytes are; `None` if that takes more of them.
pub(super) fn recognise(first: &[u8]) -> Option<Beginning> {
    let may_be = |signature: &[u8]| {
        let length = first.len().min(signature.len());
        first[..length] == signature[..length]
    };
    if first.is_empty() || !may_be(V1) && !may_be(V2) {
        return Some(Beginning::Other);
    }
    match ProxyHeader::parse(first, ParseConfig::default()) {
        Ok((header, bytes)) => {
            let client = header.proxied_address().map(|addresses| addresses.source);
            Some(Beginning::Header { bytes, client })
        }
        Err(Error::BufferTooShort) if first.len() < HEADER_BYTES_MAX => None,
        Err(_) => Some(Beginning::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::{ProxiedAddress, ProxyHeader};

    use super::{Beginning, HEADER_BYTES_MAX, V1, V2, recognise};

    fn check(first: &[u8], expected: Option<Beginning>) {
        assert_eq!(recognise(first), expected, "{}", first.escape_ascii());
    }

    fn header(bytes: usize, client: &str) -> Option<Beginning> {
        Some(Beginning::Header { bytes, client: client.parse().ok() })
    }

    #[test]
    fn headers_are_recognised_and_other_protocols_left_alone() {
        let http = "GET / HTTP/1.1\r\n\r\n";
        let of = |line: &str| format!("{line}\r\n{http}");
        check(
            of("PROXY TCP4 192.0.2.1 192.0.2.2 40000 80").as_bytes(),
            header(41, "192.0.2.1:40000"),
        );
        check(of("PROXY TCP6 2001:db8::1 ::1 4 80").as_bytes(), header(33, "[2001:db8::1]:4"));
        check(of("PROXY UNKNOWN").as_bytes(), header(15, ""));
        check(of("PROXY UNKNOWN ffff:: ::1 1 2").as_bytes(), header(30, ""));
        let v2 = [V2, b"\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\0\x50GET /"].concat();
        check(&v2, header(28, "192.0.2.1:40000"));
        check(&[V2, b"\x20\x00\0\0GET /"].concat(), header(16, ""));
        // A unix socket has no address.
        let unix = [V2, b"\x21\x31\0\xd8", &[0; 216][..]].concat();
        check(&unix, header(232, ""));
        for malformed in [
            &b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 99999\r\n"[..],
            b"PROXY TCP4 example.com 192.0.2.2 40000 80\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.2 40000 80\r\n",
            &[V1, &[b'x'; 200]].concat(),
            &[V2, b"\x11\x11\0\x0c"].concat(),
            &[V2, b"\x21\x11\xff\xff", &[0; HEADER_BYTES_MAX][..]].concat(),
        ] {
            check(malformed, Some(Beginning::Malformed));
        }
        for other in [
            &b""[..],
            http.as_bytes(),
            b"POST / HTTP/1.1",
            b"PRI * HTTP/2.0\r\n",
            b"\x16\x03\x01",
            b"\r\nGET / HTTP/1.1",
            b"PROXY\r\n",
        ] {
            check(other, Some(Beginning::Other));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_beginning(first in proptest::collection::vec(any::<u8>(), 0..300)) {
            for signature in [&b""[..], V1, V2, b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"] {
                let first = [signature, &first].concat();
                if let Some(Beginning::Header { bytes, .. }) = recognise(&first) {
                    prop_assert!(bytes <= first.len());
                }
            }
        }

        #[test]
        fn a_header_is_read_however_its_bytes_arrive(
            client: std::net::SocketAddr,
            server: std::net::SocketAddr,
            behind in proptest::collection::vec(any::<u8>(), 0..50),
            version in 1..=2,
        ) {
            prop_assume!(client.is_ipv4() == server.is_ipv4());
            let header = ProxyHeader::with_address(ProxiedAddress::stream(client, server));
            let mut encoded = [0; 300];
            let length = match version {
                1 => header.encode_to_slice_v1(&mut encoded),
                _ => header.encode_to_slice_v2(&mut encoded),
            };
            let length = length.unwrap();
            let whole = [&encoded[..length], &behind].concat();
            for part in 1..whole.len() {
                let found = recognise(&whole[..part]);
                if part < length {
                    prop_assert_eq!(found, None);
                } else {
                    let is_header =
                        matches!(found, Some(Beginning::Header { bytes, .. }) if bytes == length);
                    prop_assert!(is_header, "{:?} after {} bytes", found, part);
                }
            }
        }
    }
}
