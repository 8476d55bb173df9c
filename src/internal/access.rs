//! Who may do what at the internal listener, and by which names it may be called: the rules, as values.
//!
//! Owns what a token, an entrance and a method allow. Requests are read in `gate`; which token there is comes from the
//! configuration, or from the start of a server without apps.

use std::net::IpAddr;

use axum::http::Method;

use crate::app::Secret;
use crate::config::InternalConfig;
use crate::protocol::signature;

/// Where a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// A unix socket: the kernel has checked who may connect.
    UnixSocket,
    /// An address of loopback.
    Loopback,
    /// An address that other machines reach.
    Network,
}

impl Entrance {
    /// That of a listener on this address.
    pub fn of_address(address: IpAddr) -> Self {
        if address.is_loopback() { Self::Loopback } else { Self::Network }
    }
}

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// Read what has no secret in it.
    Read,
    /// Everything.
    Full,
}

impl Rights {
    /// Their name in answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Full => "full",
        }
    }

    /// Whether a request with this method may go on: nothing is changed by `GET` or `HEAD`.
    pub(super) fn allow(self, method: &Method) -> bool {
        self == Self::Full || matches!(*method, Method::GET | Method::HEAD)
    }
}

/// The tokens that are accepted, and the names by which the listener may be called.
#[derive(Debug, Default)]
pub(super) struct Access {
    token: Option<Secret>,
    read_only_token: Option<Secret>,
    hosts: Vec<String>,
}

impl Access {
    /// Those of the configuration; without a token of its own, `made` counts.
    pub(super) fn new(config: &InternalConfig, made: Option<&Secret>) -> Self {
        Self {
            token: config.token.clone().or_else(|| made.cloned()),
            read_only_token: config.read_only_token.clone(),
            hosts: config.hosts.clone(),
        }
    }

    /// Whether a token is asked for over TCP.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some() || self.read_only_token.is_some()
    }

    /// What a token allows.
    pub(super) fn of_token(&self, offered: &str) -> Option<Rights> {
        let is = |token: &Option<Secret>| {
            token.as_ref().is_some_and(|token| signature::is_secret(token, offered))
        };
        // Both are compared in any case, so that the time does not show which one it was.
        match (is(&self.token), is(&self.read_only_token)) {
            (true, _) => Some(Rights::Full),
            (false, true) => Some(Rights::Read),
            (false, false) => None,
        }
    }

    /// Whether a request may call the listener by this `Host`.
    pub(super) fn admits_host(&self, entrance: Entrance, host: &str) -> bool {
        let name = name_of(host);
        let is_address = name.parse::<IpAddr>().is_ok();
        match entrance {
            Entrance::UnixSocket => true,
            _ if is_of_this_machine(name) || self.is_listed(name) => true,
            Entrance::Loopback => false,
            // A page can make its own name lead anywhere, but not an address.
            Entrance::Network => self.hosts.is_empty() || is_address,
        }
    }

    /// Whether the page of this origin is one of the listener itself; `null` is none.
    pub(super) fn admits_origin(&self, origin: &str, host: &str) -> bool {
        let Some((_, named)) = origin.split_once("://") else { return false };
        // A proxy may leave the port out of the Host that it passes on.
        named.eq_ignore_ascii_case(host) || self.is_listed(name_of(named))
    }

    fn is_listed(&self, name: &str) -> bool {
        self.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    }
}

/// The name of a `Host`, without its port and brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        // More than one colon without brackets is no Host.
        None if host.matches(':').count() > 1 => "",
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_of_this_machine(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::{Access, Entrance, Rights, Secret};

    fn access(hosts: &[&str]) -> Access {
        Access {
            token: Some(Secret::new("all-of-it-0123456")),
            read_only_token: Some(Secret::new("look-only-0123456")),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        }
    }

    #[test]
    fn a_token_gives_its_rights_and_no_other_text_does() {
        for (offered, rights) in [
            ("all-of-it-0123456", Some(Rights::Full)),
            ("look-only-0123456", Some(Rights::Read)),
            ("look-only-012345", None),
            ("", None),
        ] {
            assert_eq!(access(&[]).of_token(offered), rights, "{offered}");
        }
        assert_eq!(Access::default().of_token(""), None);
        assert_eq!(Access::default().of_token("all-of-it-0123456"), None);
    }

    #[test]
    fn the_right_to_read_changes_nothing() {
        for method in [Method::GET, Method::HEAD] {
            assert!(Rights::Read.allow(&method) && Rights::Full.allow(&method));
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            assert!(!Rights::Read.allow(&method) && Rights::Full.allow(&method), "{method}");
        }
    }

    #[test]
    fn a_loopback_listener_is_called_by_names_of_this_machine_and_listed_ones() {
        let access = access(&["ops.example.com"]);
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:9600",
            "127.0.0.9",
            "[::1]:9600",
            "[::1]",
            "OPS.example.com:8443",
        ] {
            assert!(access.admits_host(Entrance::Loopback, host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "[::2]",
            "10.0.0.1",
            "::1",
        ] {
            assert!(!access.admits_host(Entrance::Loopback, host), "{host}");
            assert!(access.admits_host(Entrance::UnixSocket, host), "{host}");
        }
    }

    #[test]
    fn an_address_of_the_network_is_called_by_any_name_until_names_are_listed() {
        let (open, listed) = (access(&[]), access(&["ops.example.com"]));
        for (host, is_listed) in
            [("resound:9600", false), ("ops.example.com", true), ("10.0.0.1:9600", true)]
        {
            assert!(open.admits_host(Entrance::Network, host), "{host}");
            assert_eq!(listed.admits_host(Entrance::Network, host), is_listed, "{host}");
        }
    }

    #[test]
    fn an_origin_is_that_of_the_host_or_of_a_listed_name() {
        let access = access(&["ops.example.com"]);
        for (origin, host) in [
            ("http://localhost:9600", "localhost:9600"),
            ("https://Ops.Example.com:8443", "ops.example.com"),
            ("https://ops.example.com", "127.0.0.1:9600"),
        ] {
            assert!(access.admits_origin(origin, host), "{origin} {host}");
        }
        for origin in ["null", "", "https://localhost", "http://evil.example", "localhost:9600"] {
            assert!(!access.admits_origin(origin, "localhost:9600"), "{origin}");
        }
    }
}
