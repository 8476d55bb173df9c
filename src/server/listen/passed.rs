//! Listening sockets that others have bound: which address of the configuration each one is for, and those
//! that this process passes on in its turn.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::listening::{Audience, Listening};
use super::socket_file::SocketFile;
use crate::config::ListenAddress;
use crate::stream::StdListener;
use crate::supervision::{BoundBy, PassedSocket};

/// Names of sockets that are not for clients: `FileDescriptorName=` of a socket unit.
const API: &str = "api";
const METRICS: &str = "metrics";
const INTERNAL: &str = "internal";
const SERVER: &str = "server";

impl Audience {
    fn of_name(name: &str) -> Self {
        match name {
            API => Self::BackEnds,
            METRICS => Self::Scrapers,
            INTERNAL => Self::Operators,
            // systemd's default is the name of the unit.
            _ => Self::Clients,
        }
    }

    /// Whether its listeners are served beside the workers, so that they answer when those are busy.
    pub(super) fn has_no_worker(self) -> bool {
        matches!(self, Self::Scrapers | Self::Operators)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Clients => SERVER,
            Self::BackEnds => API,
            Self::Scrapers => METRICS,
            Self::Operators => INTERNAL,
        }
    }
}

/// The sockets that were passed to this process and have no place yet.
#[derive(Debug)]
pub(super) struct PassedSockets(pub(super) Vec<PassedSocket>);

impl PassedSockets {
    /// Those that systemd has bound for an audience, instead of the addresses of the configuration.
    pub(super) fn of_manager(&mut self, audience: Audience) -> io::Result<Vec<Listening>> {
        let mut listening: Vec<Listening> = Vec::new();
        for socket in self
            .take(|it| it.bound_by == BoundBy::Manager && Audience::of_name(&it.name) == audience)
        {
            let address = address(&socket)?;
            match listening.iter_mut().find(|known| known.address == address) {
                Some(known) => known.sockets.push(socket),
                None => listening.push(Listening {
                    audience,
                    address,
                    bound_by: BoundBy::Manager,
                    sockets: vec![socket],
                    // systemd removes it.
                    file: None,
                }),
            }
        }
        Ok(listening)
    }

    /// Those of the process before this one for an address; `None` if it did not listen there.
    pub(super) fn of_predecessor(
        &mut self,
        audience: Audience,
        configured: &ListenAddress,
    ) -> io::Result<Option<Listening>> {
        let mut sockets = self.take(|it| {
            let is_there = address(&it.socket).is_ok_and(|bound| is_for(&bound, configured));
            it.bound_by == BoundBy::Predecessor && it.name == audience.name() && is_there
        });
        let Some(first) = sockets.first() else { return Ok(None) };
        let address = address(first)?;
        if audience.has_no_worker() {
            sockets.truncate(1);
        }
        let file = match configured {
            ListenAddress::Unix { path, .. } => Some(Arc::new(SocketFile::of_predecessor(path)?)),
            ListenAddress::Ip(_) => None,
        };
        let bound_by = BoundBy::Predecessor;
        Ok(Some(Listening { audience, address, bound_by, sockets, file }))
    }

    /// Closes the rest, on which the process before this one listened.
    pub(super) fn close(self) {
        for socket in self.0 {
            if let Ok(address) = address(&socket.socket) {
                tracing::info!(%address, "not in the configuration any more: the listener is closed");
            }
        }
    }

    fn take(&mut self, is_wanted: impl Fn(&PassedSocket) -> bool) -> Vec<StdListener> {
        self.0.extract_if(.., |socket| is_wanted(socket)).map(|it| it.socket).collect()
    }
}

/// The listening sockets that another process can take over, as long as this one accepts.
#[derive(Debug, Clone, Default)]
pub struct PassableSockets(Arc<Mutex<Vec<PassedSocket>>>);

impl PassableSockets {
    pub(in crate::server) fn of(listening: &[Listening]) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for Listening { audience, bound_by, sockets: of_address, .. } in listening {
            for socket in of_address {
                let name = audience.name().to_owned();
                let socket = socket.try_clone()?;
                sockets.push(PassedSocket { name, bound_by: *bound_by, socket });
            }
        }
        Ok(Self(Arc::new(Mutex::new(sockets))))
    }

    /// Descriptors for another process.
    pub fn duplicates(&self) -> anyhow::Result<Vec<PassedSocket>> {
        Ok(self.0.lock().iter().map(PassedSocket::try_clone).collect::<io::Result<_>>()?)
    }

    /// Closes the descriptors, without which a listener that is closed would go on to take connections.
    pub(in crate::server) fn release(&self) {
        self.0.lock().clear();
    }
}

fn address(socket: &StdListener) -> io::Result<ListenAddress> {
    match socket {
        StdListener::Tcp(socket) => socket.local_addr().map(ListenAddress::Ip),
        StdListener::Unix(socket) => {
            let address = socket.local_addr()?;
            let path = address.as_pathname().unwrap_or_else(|| "".as_ref());
            // The process that has bound it has set its mode.
            Ok(ListenAddress::Unix { path: path.to_owned(), mode: 0 })
        }
    }
}

/// Whether a socket is bound to what the configuration has; port 0 is any port.
fn is_for(bound: &ListenAddress, configured: &ListenAddress) -> bool {
    match (bound, configured) {
        (ListenAddress::Ip(bound), ListenAddress::Ip(configured)) => {
            let is_port = configured.port() == 0 || configured.port() == bound.port();
            bound.ip() == configured.ip() && is_port
        }
        (ListenAddress::Unix { path: bound, .. }, ListenAddress::Unix { path, .. }) => {
            bound == path
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{Audience, BoundBy, ListenAddress, PassedSocket, PassedSockets, StdListener};

    fn passed(names: &[(&str, BoundBy)]) -> PassedSockets {
        let socket = |&(name, bound_by): &(&str, BoundBy)| PassedSocket {
            name: name.to_owned(),
            bound_by,
            socket: StdListener::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()),
        };
        PassedSockets(names.iter().map(socket).collect())
    }

    #[test]
    fn sockets_of_systemd_are_for_clients_unless_they_have_another_name() {
        let manager = BoundBy::Manager;
        let mut passed = passed(&[
            ("resound.socket", manager),
            ("metrics", manager),
            ("api", manager),
            ("", manager),
            ("server", BoundBy::Predecessor),
        ]);
        for (audience, addresses) in
            [(Audience::Clients, 2), (Audience::BackEnds, 1), (Audience::Scrapers, 1)]
        {
            assert_eq!(passed.of_manager(audience).unwrap().len(), addresses, "{audience:?}");
        }
        assert_eq!(passed.0.len(), 1);
    }

    #[test]
    fn sockets_of_the_predecessor_are_found_by_address_and_name() {
        let mut passed = passed(&[("server", BoundBy::Predecessor)]);
        let StdListener::Tcp(socket) = &passed.0[0].socket else { panic!("a TCP socket") };
        let bound = socket.local_addr().unwrap();
        let mut find = |audience, address: &str| {
            let configured = ListenAddress::Ip(address.parse().unwrap());
            let found = passed.of_predecessor(audience, &configured).unwrap();
            found.map(|listening| listening.address)
        };
        assert_eq!(find(Audience::Scrapers, "127.0.0.1:0"), None);
        assert_eq!(find(Audience::Clients, "127.0.0.2:0"), None);
        assert_eq!(find(Audience::Clients, "127.0.0.1:1"), None);
        assert_eq!(find(Audience::Clients, "127.0.0.1:0"), Some(ListenAddress::Ip(bound)));
        assert_eq!(find(Audience::Clients, "127.0.0.1:0"), None, "it is taken");
    }
}
