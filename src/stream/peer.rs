//! The address of the other end of a connection, as the kernel has it.
//!
//! A proxy in front is the peer; the client behind it is found by `server`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Ip(SocketAddr),
    /// Over a unix socket, whose clients have no address.
    Unix,
}

impl Peer {
    /// A listener on `[::]` accepts IPv4 too, as `::ffff:192.0.2.1`: such an address is the IPv4 one.
    pub fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            ip @ IpAddr::V4(_) => Self::Ip(SocketAddr::new(ip, address.port())),
            IpAddr::V6(_) => Self::Ip(address),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn an_ipv4_address_in_ipv6_form_is_shown_as_ipv4() {
        for (address, shown) in [
            ("[::ffff:192.0.2.1]:4000", "192.0.2.1:4000"),
            ("192.0.2.1:4000", "192.0.2.1:4000"),
            ("[2001:db8::1]:4000", "[2001:db8::1]:4000"),
            ("[::1]:4000", "[::1]:4000"),
        ] {
            assert_eq!(Peer::of(address.parse().unwrap()).to_string(), shown);
        }
        assert_eq!(Peer::Unix.to_string(), "unix");
    }
}
