//! The error text for an address that cannot be bound: the key that has it, what set the key, the cause
//! and the remedy.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;

use crate::config::ListenAddress;

/// An address and the keys that it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfiguredAddress<'a> {
    pub(super) address: &'a ListenAddress,
    pub(super) host: ConfigKey<'a>,
    pub(super) port: ConfigKey<'a>,
}

/// A key and what set it; `None` for its default.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfigKey<'a> {
    pub(super) name: &'static str,
    pub(super) set_by: Option<&'a str>,
}

impl ConfiguredAddress<'_> {
    pub(super) fn refuse(&self, error: &io::Error) -> anyhow::Error {
        let (key, cause) = match self.address {
            ListenAddress::Ip(address) => self.cause_of_ip(*address, error),
            ListenAddress::Unix { path, .. } => (self.host, cause_of_unix(path, error)),
        };
        anyhow::anyhow!("cannot listen on {} ({key}): {cause}", self.address)
    }

    fn cause_of_ip(&self, address: SocketAddr, error: &io::Error) -> (ConfigKey<'_>, String) {
        let port = address.port();
        match error.kind() {
            ErrorKind::AddrInUse => (
                self.port,
                format!(
                    "another process listens there; stop it, or choose another port{}",
                    self.port.flags()
                ),
            ),
            ErrorKind::PermissionDenied if port < 1024 => (
                self.port,
                format!(
                    "ports below 1024 need the capability CAP_NET_BIND_SERVICE; grant it, or \
                     choose a port from 1024 on and forward {port} from a proxy"
                ),
            ),
            ErrorKind::PermissionDenied => (
                self.port,
                "the system forbids this port to this process; allow it (SELinux, AppArmor, \
                 seccomp), or choose another port"
                    .to_owned(),
            ),
            ErrorKind::AddrNotAvailable => (self.host, address_of_no_interface(address)),
            ErrorKind::Unsupported => (
                self.host,
                "IPv6 is off on this machine; switch it on, or choose an IPv4 address: 0.0.0.0 \
                 is all that the machine has"
                    .to_owned(),
            ),
            _ => (self.port, error.to_string()),
        }
    }
}

fn address_of_no_interface(address: SocketAddr) -> String {
    let all = match address {
        SocketAddr::V4(_) => "0.0.0.0",
        SocketAddr::V6(_) => "[::]",
    };
    format!(
        "no network interface of this machine has that address; choose one that it has, or {all} for \
         all of them"
    )
}

fn cause_of_unix(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match error.kind() {
        ErrorKind::AddrInUse => {
            "another process listens there; stop it, or choose another path".to_owned()
        }
        ErrorKind::AlreadyExists => {
            "there is a file that is no socket; move it away, or choose another path".to_owned()
        }
        ErrorKind::NotFound => {
            format!("there is no folder {folder}; create it, or choose another path")
        }
        ErrorKind::PermissionDenied => format!(
            "the user of this process may not write in {folder} or connect to the socket that is \
             there; change the owner of the folder, or remove the socket"
        ),
        _ => error.to_string(),
    }
}

impl ConfigKey<'_> {
    /// How to change the default port, which collides more often than any other.
    fn flags(&self) -> &'static str {
        match (self.name, self.set_by) {
            ("server.port", None) => " with --port or REVERB_SERVER_PORT",
            _ => "",
        }
    }
}

impl fmt::Display for ConfigKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.name, self.set_by.unwrap_or("its default"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{ConfigKey, ConfiguredAddress, ListenAddress};

    const DEFAULT: Option<&str> = None;

    fn check(kind: ErrorKind, address: &str, set_by: Option<&str>, message: &str) {
        let configured = ConfiguredAddress {
            address: &ListenAddress::Ip(address.parse().unwrap()),
            host: ConfigKey { name: "server.host", set_by },
            port: ConfigKey { name: "server.port", set_by },
        };
        assert_eq!(configured.refuse(&kind.into()).to_string(), message);
    }

    #[test]
    fn the_error_names_the_key_what_set_it_the_cause_and_the_remedy() {
        check(
            ErrorKind::AddrInUse,
            "0.0.0.0:8080",
            DEFAULT,
            "cannot listen on 0.0.0.0:8080 (server.port from its default): another process \
             listens there; stop it, or choose another port with --port or REVERB_SERVER_PORT",
        );
        check(
            ErrorKind::PermissionDenied,
            "0.0.0.0:80",
            Some("environment variable REVERB_SERVER_PORT"),
            "cannot listen on 0.0.0.0:80 (server.port from environment variable \
             REVERB_SERVER_PORT): ports below 1024 need the capability CAP_NET_BIND_SERVICE; \
             grant it, or choose a port from 1024 on and forward 80 from a proxy",
        );
        check(
            ErrorKind::PermissionDenied,
            "0.0.0.0:6001",
            Some("flag --port"),
            "cannot listen on 0.0.0.0:6001 (server.port from flag --port): the system forbids \
             this port to this process; allow it (SELinux, AppArmor, seccomp), or choose another \
             port",
        );
        check(
            ErrorKind::Unsupported,
            "[::]:8080",
            Some("config/reverb.toml"),
            "cannot listen on [::]:8080 (server.host from config/reverb.toml): IPv6 is off on \
             this machine; switch it on, or choose an IPv4 address: 0.0.0.0 is all that the \
             machine has",
        );
        check(
            ErrorKind::OutOfMemory,
            "[::]:8080",
            Some("config/reverb.toml"),
            "cannot listen on [::]:8080 (server.port from config/reverb.toml): out of memory",
        );
    }

    #[test]
    fn the_error_about_a_unix_socket_names_the_folder_or_the_file() {
        let key = ConfigKey { name: "server.listen", set_by: Some("config/reverb.toml") };
        let address = ListenAddress::Unix { path: "/run/resound/socket".into(), mode: 0o660 };
        let configured = ConfiguredAddress { address: &address, host: key, port: key };
        for (kind, cause) in [
            (
                ErrorKind::AddrInUse,
                "another process listens there; stop it, or choose another path",
            ),
            (
                ErrorKind::AlreadyExists,
                "there is a file that is no socket; move it away, or choose another path",
            ),
            (
                ErrorKind::NotFound,
                "there is no folder /run/resound; create it, or choose another path",
            ),
            (
                ErrorKind::PermissionDenied,
                "the user of this process may not write in /run/resound or connect to the socket \
                 that is there; change the owner of the folder, or remove the socket",
            ),
        ] {
            let expected = format!(
                "cannot listen on unix:/run/resound/socket (server.listen from \
                 config/reverb.toml): {cause}"
            );
            assert_eq!(configured.refuse(&kind.into()).to_string(), expected);
        }
    }
}
