//! Listeners: one for each worker, all on one address, and one for metrics.
//!
//! Owns how they are bound, and the sentence for an address that cannot be: which key has it, what
//! set the key, the cause and the remedy. Accepts nothing.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::config::Config;

/// Connections the kernel holds for us: a crowd that arrives at once waits here, not in retries.
const BACKLOG: u32 = 4096;

/// One listener for each worker, all on one address: the kernel spreads connections over them.
pub(super) fn shared(config: &Config) -> anyhow::Result<Vec<std::net::TcpListener>> {
    let address = SocketAddr::new(config.server.host, config.server.port);
    let set_by = &config.set_by;
    let wanted = Wanted {
        address,
        host: Key { name: "server.host", set_by: set_by.host.as_deref() },
        port: Key { name: "server.port", set_by: set_by.port.as_deref() },
    };
    listen_shared(address, config.server.workers).map_err(|error| wanted.refuse(&error))
}

/// The listener of the metrics, unless they are off.
pub(super) fn of_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let key = Key { name: "metrics.listen", set_by: config.set_by.metrics.as_deref() };
    let wanted = Wanted { address, host: key, port: key };
    let listener = bind(address, |_| Ok(())).and_then(|socket| socket.listen(BACKLOG));
    listener.map(Some).map_err(|error| wanted.refuse(&error))
}

fn listen_shared(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    // Any process of the same user may join an address that is shared, a second Resound too. So it
    // is bound alone first, which fails if another process listens there. That socket does not
    // listen: connections must wait for the workers. Port 0 is always a free one.
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

/// `SO_REUSEADDR`, so that a restart need not wait for old connections to be forgotten.
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

/// Where only this family fails, the kernel has it switched off.
fn ipv6() -> io::Result<TcpSocket> {
    TcpSocket::new_v6().map_err(|error| match TcpSocket::new_v4() {
        Ok(_) => ErrorKind::Unsupported.into(),
        Err(_) => error,
    })
}

/// An address and the keys that made it.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    address: SocketAddr,
    host: Key<'a>,
    port: Key<'a>,
}

/// A key and what set it; `None` is its default.
#[derive(Debug, Clone, Copy)]
struct Key<'a> {
    name: &'static str,
    set_by: Option<&'a str>,
}

impl Wanted<'_> {
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
            ErrorKind::AddrNotAvailable => (self.host, self.not_here()),
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

    fn not_here(&self) -> String {
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

impl Key<'_> {
    /// How a default is changed where it is most often in the way.
    fn flags(&self) -> &'static str {
        match (self.name, self.set_by) {
            ("server.port", None) => " with --port or REVERB_SERVER_PORT",
            _ => "",
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.name, self.set_by.unwrap_or("its default"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{Key, Wanted};

    const DEFAULT: Option<&str> = None;

    fn check(kind: ErrorKind, address: &str, set_by: Option<&str>, message: &str) {
        let wanted = Wanted {
            address: address.parse().unwrap(),
            host: Key { name: "server.host", set_by },
            port: Key { name: "server.port", set_by },
        };
        assert_eq!(wanted.refuse(&kind.into()).to_string(), message);
    }

    #[test]
    fn a_refusal_names_the_key_what_set_it_the_cause_and_the_remedy() {
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
