//! Who a client is: the peer of a connection, or the address that a listed proxy reports.
//!
//! Owns which part of a header field counts. A field is read from a listed proxy alone, since clients can
//! send it too.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::{ForwardedHeader, ProxiesConfig};
use crate::stream::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The client of a connection or of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    peer: Peer,
    /// Another address than the peer's, reported by a proxy.
    reported: Option<IpAddr>,
}

impl Client {
    /// The peer itself.
    pub(super) fn of_peer(peer: Peer) -> Self {
        Self { peer, reported: None }
    }

    /// The client that a header of the PROXY protocol names.
    pub(super) fn behind(peer: Peer, client: SocketAddr) -> Self {
        Self { peer, reported: Some(client.ip().to_canonical()) }
    }

    pub(super) fn peer(self) -> Peer {
        self.peer
    }

    /// Its address; a client over a unix socket has one only if a proxy reports it.
    pub(super) fn address(self) -> Option<IpAddr> {
        self.reported.or(match self.peer {
            Peer::Ip(address) => Some(address.ip()),
            Peer::Unix => None,
        })
    }

    /// Whether it is a process of this machine, and no proxy that asks for a client elsewhere.
    pub(super) fn is_local(self, headers: &HeaderMap) -> bool {
        let fields =
            [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded, ForwardedHeader::XRealIp];
        let is_loopback = |text| parse(text).is_some_and(|address| address.is_loopback());
        let peer_is_local = match self.peer {
            Peer::Ip(address) => address.ip().is_loopback(),
            Peer::Unix => true,
        };
        peer_is_local
            && self.reported.is_none_or(|address| address.is_loopback())
            && fields.into_iter().all(|field| reported(headers, field).all(is_loopback))
    }

    /// Whether it is a listed proxy.
    pub(super) fn is_proxy(self, proxies: &ProxiesConfig) -> bool {
        self.address().map_or(proxies.unix, |address| proxies.contains(address))
    }

    /// The client of a request that came on the connection of this one: the last address of the field
    /// that is no proxy's. Those before it are what that client has sent itself.
    pub(super) fn of_request(self, headers: &HeaderMap, proxies: &ProxiesConfig) -> Self {
        if !self.is_proxy(proxies) {
            return self;
        }
        let mut client = self;
        for text in reported(headers, proxies.header) {
            let Some(address) = parse(text) else { break };
            client.reported = Some(address);
            if !client.is_proxy(proxies) {
                break;
            }
        }
        client
    }
}

/// As the log has it: `192.0.2.1:40000`, or `203.0.113.7 through 192.0.2.1:40000`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reported {
            None => self.peer.fmt(f),
            Some(address) => write!(f, "{address} through {}", self.peer),
        }
    }
}

/// The entries of a field, the last one first: each proxy adds the address of its peer at the end.
fn reported(headers: &HeaderMap, header: ForwardedHeader) -> impl Iterator<Item = &str> {
    let name = match header {
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => axum::http::header::FORWARDED,
        ForwardedHeader::XRealIp => X_REAL_IP,
    };
    let lines = headers.get_all(name).into_iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    entries.map(move |entry| match header {
        ForwardedHeader::Forwarded => node_of(entry),
        _ => entry.trim(),
    })
}

/// The node of `for=` in an element of `Forwarded`; empty if it has none.
fn node_of(element: &str) -> &str {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let node = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, node)| node);
    node.unwrap_or_default().trim_matches('"')
}

/// An address with or without a port, brackets or both.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{Client, Peer};
    use crate::config::{Config, ConfigFile, ProxiesConfig, Sources};

    fn proxies(header: &str) -> ProxiesConfig {
        let text = format!(
            "[server]\nproxies = [\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.9\", \"unix\"]\n\
             forwarded_header = \"{header}\"\n"
        );
        let file = Some(ConfigFile { name: "a.toml".to_owned(), text });
        Config::new(&Sources { file, ..Sources::default() }).unwrap().proxies
    }

    fn check(header: &str, peer: &str, fields: &[(&'static str, &'static str)], client: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = peer.parse().map_or(Peer::Unix, Peer::of);
        let found = Client::of_peer(peer).of_request(&headers, &proxies(header));
        assert_eq!(found.to_string(), client, "{header} {peer} {fields:?}");
    }

    #[test]
    fn only_a_listed_proxy_reports_a_client() {
        let xff = "x-forwarded-for";
        for (peer, fields, client) in [
            ("203.0.113.1:1", &[][..], "203.0.113.1:1"),
            // Not a proxy, whatever it claims.
            ("203.0.113.1:1", &[(xff, "198.51.100.1")], "203.0.113.1:1"),
            ("10.0.0.1:1", &[], "10.0.0.1:1"),
            ("10.0.0.1:1", &[(xff, "198.51.100.1")], "198.51.100.1 through 10.0.0.1:1"),
            ("[::ffff:10.0.0.1]:1", &[(xff, "198.51.100.1")], "198.51.100.1 through 10.0.0.1:1"),
            ("[fd00::1]:1", &[(xff, "2001:db8::1")], "2001:db8::1 through [fd00::1]:1"),
            ("unix", &[(xff, "198.51.100.1")], "198.51.100.1 through unix"),
            // What the client sent itself stands before what the proxy adds.
            ("10.0.0.1:1", &[(xff, "192.0.2.66, 198.51.100.1")], "198.51.100.1 through 10.0.0.1:1"),
            (
                "10.0.0.1:1",
                &[(xff, "192.0.2.66"), (xff, "198.51.100.1")],
                "198.51.100.1 through 10.0.0.1:1",
            ),
            // Two proxies.
            (
                "10.0.0.1:1",
                &[(xff, "192.0.2.66, 198.51.100.1, 192.0.2.9")],
                "198.51.100.1 through 10.0.0.1:1",
            ),
            ("10.0.0.1:1", &[(xff, "10.9.9.9, 192.0.2.9")], "10.9.9.9 through 10.0.0.1:1"),
            // What cannot be read ends the search at the proxy that sent it.
            ("10.0.0.1:1", &[(xff, "198.51.100.1, unknown")], "10.0.0.1:1"),
            ("10.0.0.1:1", &[(xff, "unknown, 192.0.2.9")], "192.0.2.9 through 10.0.0.1:1"),
            ("10.0.0.1:1", &[(xff, "")], "10.0.0.1:1"),
            ("10.0.0.1:1", &[(xff, ",")], "10.0.0.1:1"),
            // With ports, as Azure sends them, and with brackets.
            ("10.0.0.1:1", &[(xff, "198.51.100.1:4000")], "198.51.100.1 through 10.0.0.1:1"),
            ("10.0.0.1:1", &[(xff, "[2001:db8::1]:4000")], "2001:db8::1 through 10.0.0.1:1"),
            ("10.0.0.1:1", &[(xff, "::ffff:198.51.100.1")], "198.51.100.1 through 10.0.0.1:1"),
            // Other fields may be the client's own.
            (
                "10.0.0.1:1",
                &[("x-real-ip", "198.51.100.1"), ("forwarded", "for=198.51.100.1")],
                "10.0.0.1:1",
            ),
        ] {
            check(xff, peer, fields, client);
        }
    }

    #[test]
    fn a_client_behind_a_proxy_of_this_machine_is_elsewhere() {
        for (peer, fields, is_local) in [
            ("127.0.0.1:1", &[][..], true),
            ("[::1]:1", &[], true),
            ("unix", &[], true),
            ("192.0.2.1:1", &[], false),
            ("127.0.0.1:1", &[("x-forwarded-for", "192.0.2.1")], false),
            ("127.0.0.1:1", &[("x-forwarded-for", "127.0.0.1, 192.0.2.1")], false),
            ("127.0.0.1:1", &[("x-forwarded-for", "127.0.0.1")], true),
            ("unix", &[("forwarded", "for=192.0.2.1")], false),
            ("127.0.0.1:1", &[("x-real-ip", "unknown")], false),
            ("192.0.2.1:1", &[("x-real-ip", "127.0.0.1")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let client = Client::of_peer(peer.parse().map_or(Peer::Unix, Peer::of));
            assert_eq!(client.is_local(&headers), is_local, "{peer} {fields:?}");
        }
    }

    #[test]
    fn the_other_fields_are_read_if_the_configuration_names_them() {
        for (value, client) in [
            ("for=198.51.100.1", "198.51.100.1 through 10.0.0.1:1"),
            ("for=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1 through 10.0.0.1:1"),
            ("proto=https; For=\"[2001:db8::1]:4711\"", "2001:db8::1 through 10.0.0.1:1"),
            ("for=192.0.2.66, for=198.51.100.1", "198.51.100.1 through 10.0.0.1:1"),
            ("for=_hidden", "10.0.0.1:1"),
            ("proto=https", "10.0.0.1:1"),
        ] {
            check("forwarded", "10.0.0.1:1", &[("forwarded", value)], client);
        }
        let real = &[("x-real-ip", "198.51.100.1"), ("x-forwarded-for", "192.0.2.66")];
        check("x-real-ip", "10.0.0.1:1", real, "198.51.100.1 through 10.0.0.1:1");
        check("x-real-ip", "203.0.113.1:1", real, "203.0.113.1:1");
    }
}
