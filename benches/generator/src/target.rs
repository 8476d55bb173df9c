//! The address of a node: the parts of `http://host:port/prefix`, for sockets and requests alike.
//!
//! Owns the reading of URLs. TLS is refused.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use http::Uri;

/// One node of the server under load. Its WebSockets and its HTTP API share an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name or IP address, without the brackets of IPv6.
    pub host: String,
    /// The port of both.
    pub port: u16,
    /// What stands before `/app/…` and `/apps/…`: empty, or `/ws`.
    pub prefix: String,
}

/// Why a URL is not a target: what is wrong with it, without the URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// `https:` or `wss:`.
    #[error(
        "the load generator has no TLS, whose cost would be measured as the server's; give the address \
         that the server itself listens on, such as http://127.0.0.1:8080"
    )]
    Tls,
    /// 0, or above 65535.
    #[error("its port must be from 1 to 65535")]
    Port,
    /// Anything else.
    #[error("it must be like http://127.0.0.1:8080 or ws://127.0.0.1:8080/prefix")]
    Form,
}

impl Target {
    /// Reads a URL; `ws:` and `http:` mean the same.
    pub fn parse(url: &str) -> Result<Self, InvalidTarget> {
        if url.starts_with("https://") || url.starts_with("wss://") {
            return Err(InvalidTarget::Tls);
        }
        let uri: Uri = url.parse().map_err(|_| InvalidTarget::Form)?;
        let port = match uri.port_u16() {
            Some(0) => return Err(InvalidTarget::Port),
            Some(port) => port,
            // A port that is no number up to 65535 is none to this crate.
            None if has_port(&uri) => return Err(InvalidTarget::Port),
            None => 80,
        };
        match (uri.scheme_str(), uri.host()) {
            (Some("http" | "ws"), Some(host)) if uri.query().is_none() => Ok(Self {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
                prefix: uri.path().trim_end_matches('/').to_owned(),
            }),
            _ => Err(InvalidTarget::Form),
        }
    }

    /// `host:port`, with the brackets IPv6 needs.
    pub fn authority(&self) -> String {
        match self.host.parse() {
            Ok(ip) => SocketAddr::new(ip, self.port).to_string(),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }

    /// The first address of the name.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        addresses.next().ok_or_else(none)
    }
}

/// Whether there is something behind the last colon that follows the host.
fn has_port(uri: &Uri) -> bool {
    let host_and_port = uri.authority().map_or("", |authority| authority.as_str());
    let (_, behind) = host_and_port.rsplit_once(':').unwrap_or_default();
    !behind.is_empty() && !behind.ends_with(']')
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidTarget, Target};

    fn check(url: &str, shown: &str) {
        assert_eq!(Target::parse(url).unwrap().to_string(), shown, "{url}");
    }

    #[test]
    fn urls_are_read_in_all_their_forms() {
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080");
        check("ws://127.0.0.1:8080/", "http://127.0.0.1:8080");
        check("http://localhost/ws/", "http://localhost:80/ws");
        check("ws://[::1]:9000/ws", "http://[::1]:9000/ws");
        check("ws://[::1]/ws", "http://[::1]:80/ws");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for url in ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://a/?b=c"] {
            assert_eq!(Target::parse(url), Err(InvalidTarget::Form), "{url}");
        }
        for url in ["http://a:99999", "http://a:0", "ws://[::1]:65536/ws"] {
            assert_eq!(Target::parse(url), Err(InvalidTarget::Port), "{url}");
        }
        for url in ["https://example.com", "wss://example.com"] {
            assert_eq!(Target::parse(url), Err(InvalidTarget::Tls), "{url}");
        }
    }
}
