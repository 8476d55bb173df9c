//! The address of a node: the parts of `https://host:port/prefix`, for sockets and requests alike.
//!
//! Owns the reading of URLs. Whom a connection trusts is decided by `tls_client`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use http::Uri;
use rustls::pki_types::ServerName;

use super::tls_client::{NoAuthorities, TlsClient, TlsTrust};

/// One node of the server under load. Its WebSockets and its HTTP API share an address.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name or IP address, without the brackets of IPv6.
    pub host: String,
    /// The port of both.
    pub port: u16,
    /// What stands before `/app/…` and `/apps/…`: empty, or `/ws`.
    pub prefix: String,
    /// How its connections are encrypted; `None` without TLS.
    pub tls: Option<TlsClient>,
}

/// Why a URL is not a target: what is wrong with it, without the URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// 0, or above 65535.
    #[error("its port must be from 1 to 65535")]
    Port,
    /// Anything else.
    #[error("it must be like http://127.0.0.1:8080 or wss://ws.example.com/prefix")]
    Form,
    /// With TLS, a host that no certificate can be for.
    #[error("its host is no name that a certificate can be for")]
    Host,
    /// With TLS, on a system without authorities.
    #[error(
        "this system has no authorities to trust: install the package ca-certificates, or name one with --ca-file"
    )]
    NoAuthorities,
}

impl Target {
    /// Reads a URL; `ws:` and `http:` mean the same, and `wss:` and `https:`.
    pub fn parse(url: &str, trust: &TlsTrust) -> Result<Self, InvalidTarget> {
        let uri: Uri = url.parse().map_err(|_| InvalidTarget::Form)?;
        let has_tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(InvalidTarget::Form),
        };
        let host = uri.host().filter(|_| uri.query().is_none()).ok_or(InvalidTarget::Form)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = if has_tls { Some(client(&host, trust)?) } else { None };
        let port = match uri.port_u16() {
            Some(0) => return Err(InvalidTarget::Port),
            Some(port) => port,
            // A port that is no number up to 65535 is none to this crate.
            None if has_port(&uri) => return Err(InvalidTarget::Port),
            None => default_port(tls.as_ref()),
        };
        Ok(Self { host, port, prefix: uri.path().trim_end_matches('/').to_owned(), tls })
    }

    /// `host:port` as the header `Host` has it: without the port that the scheme implies, with the brackets IPv6 needs.
    pub fn authority(&self) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => self.host.clone(),
        };
        if self.port == default_port(self.tls.as_ref()) {
            return host;
        }
        format!("{host}:{}", self.port)
    }

    /// The first address of the name.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        addresses.next().ok_or_else(none)
    }
}

fn default_port(tls: Option<&TlsClient>) -> u16 {
    if tls.is_some() { 443 } else { 80 }
}

fn client(host: &str, trust: &TlsTrust) -> Result<TlsClient, InvalidTarget> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| InvalidTarget::Host)?;
    TlsClient::new(trust, name).map_err(|NoAuthorities| InvalidTarget::NoAuthorities)
}

/// Whether there is something behind the last colon that follows the host.
fn has_port(uri: &Uri) -> bool {
    let host_and_port = uri.authority().map_or("", |authority| authority.as_str());
    let (_, behind) = host_and_port.rsplit_once(':').unwrap_or_default();
    !behind.is_empty() && !behind.ends_with(']')
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidTarget, Target, TlsTrust};

    fn check(url: &str, shown: &str) {
        let target = Target::parse(url, &TlsTrust::Any).unwrap();
        assert_eq!(target.to_string(), shown, "{url}");
        assert_eq!(target.tls.is_some(), shown.starts_with("https"), "{url}");
    }

    fn check_refused(url: &str, reason: &InvalidTarget) {
        assert_eq!(Target::parse(url, &TlsTrust::Any).unwrap_err(), *reason, "{url}");
    }

    #[test]
    fn urls_are_read_in_all_their_forms() {
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080");
        check("ws://127.0.0.1:8080/", "http://127.0.0.1:8080");
        check("http://localhost/ws/", "http://localhost/ws");
        check("http://localhost:443", "http://localhost:443");
        check("ws://[::1]:9000/ws", "http://[::1]:9000/ws");
        check("ws://[::1]/ws", "http://[::1]/ws");
        check("wss://ws.example.com/ws", "https://ws.example.com/ws");
        check("https://ws.example.com:80", "https://ws.example.com:80");
        check("https://[::1]:443", "https://[::1]");
        assert_eq!(Target::parse("wss://a", &TlsTrust::Any).unwrap().port, 443);
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for url in ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "https://", "http://a/?b=c"]
        {
            check_refused(url, &InvalidTarget::Form);
        }
        for url in ["http://a:99999", "http://a:0", "wss://[::1]:65536/ws"] {
            check_refused(url, &InvalidTarget::Port);
        }
        check_refused("https://a..b", &InvalidTarget::Host);
        let none = TlsTrust::Authorities(Vec::new());
        assert_eq!(Target::parse("https://a", &none).unwrap_err(), InvalidTarget::NoAuthorities);
        assert!(Target::parse("http://a", &none).is_ok());
    }
}
