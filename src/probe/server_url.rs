//! [`ServerUrl`]: where a server is reached, as the parts of a URL.
//!
//! Owns the reading and the writing of such URLs.

use std::fmt;
use std::net::SocketAddr;

use axum::http::Uri;

/// What stands before `/app/…` and `/apps/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether TLS is used.
    pub tls: bool,
    /// A name or an IP address, without the brackets of IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Empty, or `/ws`.
    pub prefix: String,
}

impl ServerUrl {
    /// Reads a URL with the scheme `http`, `https`, `ws` or `wss`; `None` if it is none.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let written = uri.authority()?.as_str().rsplit_once(':').map(|(_, port)| port);
        let port = match (uri.port_u16(), written) {
            (Some(port), _) if port > 0 => port,
            // A port that is no number up to 65535 is none to this crate.
            (_, Some(text)) if !text.ends_with(']') => return None,
            _ => default_port(tls),
        };
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Some(Self { tls, host, port, prefix })
    }

    /// `host:port`, with the brackets that IPv6 needs.
    pub fn address(&self) -> String {
        match self.host.parse() {
            Ok(ip) => SocketAddr::new(ip, self.port).to_string(),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }

    /// The value of `Host`: without the port where it is that of the scheme.
    pub fn authority(&self) -> String {
        let address = self.address();
        match address.strip_suffix(&format!(":{}", default_port(self.tls))) {
            Some(host) => host.to_owned(),
            None => address,
        }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.address(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::ServerUrl;

    #[test]
    fn urls_are_read_in_all_their_forms() {
        for (url, shown, authority) in [
            ("https://ws.example.com", "https://ws.example.com:443", "ws.example.com"),
            (
                "wss://ws.example.com:8443/ws/",
                "https://ws.example.com:8443/ws",
                "ws.example.com:8443",
            ),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("ws://[::1]/ws", "http://[::1]:80/ws", "[::1]"),
            ("http://[::1]:9000", "http://[::1]:9000", "[::1]:9000"),
        ] {
            let url = ServerUrl::parse(url).unwrap();
            assert_eq!(
                (url.to_string(), url.authority()),
                (shown.to_owned(), authority.to_owned())
            );
        }
        for url in
            ["", "ws.example.com", "ftp://a", "http://a:0", "http://a:99999", "http://[::1]:65536/"]
        {
            assert_eq!(ServerUrl::parse(url), None, "{url}");
        }
    }
}
