//! Binds the listeners: one for each worker, all on one address, and one for metrics.
//!
//! Owns the error text for an address that cannot be bound: the key that has it, what set the key,
//! the cause and the remedy. Accepts nothing.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::config::Config;

/// Connections that the kernel queues until they are accepted: many clients that connect at once wait
/// here instead of sending their first packet again.
const BACKLOG: u32 = 4096;

/// One listener for each worker, all on one address: the kernel spreads connections over them.
pub(super) fn for_workers(config: &Config) -> anyhow::Result<Vec<std::net::TcpListener>> {
    let address = SocketAddr::new(config.server.host, config.server.port);
    let set_by = &config.set_by;
    let configured = ConfiguredAddress {
        address,
        host: ConfigKey { name: "server.host", set_by: set_by.host.as_deref() },
        port: ConfigKey { name: "server.port", set_by: set_by.port.as_deref() },
    };
    listen_shared(address, config.server.workers).map_err(|error| configured.refuse(&error))
}

/// The listener of the metrics, unless they are off.
pub(super) fn for_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let key = ConfigKey { name: "metrics.listen", set_by: config.set_by.metrics.as_deref() };
    let configured = ConfiguredAddress { address, host: key, port: key };
    let listener = bind(address, |_| Ok(())).and_then(|socket| socket.listen(BACKLOG));
    listener.map(Some).map_err(|error| configured.refuse(&error))
}

fn listen_shared(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    // With SO_REUSEPORT any process of the same user could join the address, a second Resound too. So
    // it is bound without that option first, which fails if another process listens there. This socket
    // does not listen: connections must wait for the workers. Port 0 is always a free one.
    if address.port() != 0 {
        drop(bind(address, |_| Ok(()))?);
    }
    let mut listeners: Vec<std::net::TcpListener> = Vec::new();
    for _ in 0..count.max(1) {
        let address = listeners.first().map_or(Ok(address), std::net::TcpListener::local_addr)?;
        let socket = bind(address, |socket| socket.set_reuseport(true))?;
        listeners.push(socket.listen(BACKLOG)?.into_std()?);
    }
    Ok(listeners)
}

/// Binds with `SO_REUSEADDR`, so that a restart need not wait until the kernel has dropped old
/// connections.
fn bind(
    address: SocketAddr,
    prepare: impl FnOnce(&TcpSocket) -> io::Result<()>,
) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { ipv6()? };
    socket.set_reuseaddr(true)?;
    prepare(&socket)?;
    socket.bind(address)?;
    Ok(socket)
}

/// An IPv6 socket. If only this family fails, the kernel has it switched off.
fn ipv6() -> io::Result<TcpSocket> {
    TcpSocket::new_v6().map_err(|error| match TcpSocket::new_v4() {
        Ok(_) => ErrorKind::Unsupported.into(),
        Err(_) => error,
    })
}

/// An address and the keys that it comes from.
#[derive(Debug, Clone, Copy)]
struct ConfiguredAddress<'a> {
    address: SocketAddr,
    host: ConfigKey<'a>,
    port: ConfigKey<'a>,
}

/// A key and what set it; `None` for its default.
#[derive(Debug, Clone, Copy)]
struct ConfigKey<'a> {
    name: &'static str,
    set_by: Option<&'a str>,
}

impl ConfiguredAddress<'_> {
    fn refuse(&self, error: &io::Error) -> anyhow::Error {
        let (address, port) = (self.address, self.address.port());
        let (key, cause) = match error.kind() {
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
            ErrorKind::AddrNotAvailable => (self.host, self.address_of_no_interface()),
            ErrorKind::Unsupported => (
                self.host,
                "IPv6 is off on this machine; switch it on, or choose an IPv4 address: 0.0.0.0 \
                 is all that the machine has"
                    .to_owned(),
            ),
            _ => (self.port, error.to_string()),
        };
        anyhow::anyhow!("cannot listen on {address} ({key}): {cause}")
    }

    fn address_of_no_interface(&self) -> String {
        let all = match self.address {
            SocketAddr::V4(_) => "0.0.0.0",
            SocketAddr::V6(_) => "[::]",
        };
        format!(
            "no network interface of this machine has that address; choose one that it has, or \
             {all} for all of them"
        )
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

    use super::{ConfigKey, ConfiguredAddress};

    const DEFAULT: Option<&str> = None;

    fn check(kind: ErrorKind, address: &str, set_by: Option<&str>, message: &str) {
        let configured = ConfiguredAddress {
            address: address.parse().unwrap(),
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
}
