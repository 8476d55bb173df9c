//! The listening sockets of a server: which addresses have one, for whom, and one socket per worker.
//!
//! Owns how they are bound. They accept nothing before the workers have them. The texts for an address
//! that cannot be bound are in `failure`, the files of unix sockets in `socket_file`.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::{TcpSocket, UnixSocket};

use crate::config::{Config, ListenAddress};
use crate::stream::StdListener;
use crate::supervision::{BoundBy, PassedSocket};

mod console_address;
mod failure;
mod listening;
mod passed;
mod socket_file;

pub(super) use listening::{Audience, Listening};
pub use passed::PassableSockets;
pub(super) use socket_file::SocketFile;

use failure::{ConfigKey, ConfiguredAddress};
use passed::PassedSockets;

/// Connections that the kernel queues until they are accepted: many clients that connect at once wait
/// here instead of sending their first packet again.
const BACKLOG: u32 = 4096;

/// All listening sockets of a server, in the order of the configuration.
#[derive(Debug)]
pub(super) struct ListenerSet(pub(super) Vec<Listening>);

/// One of the sockets of an address.
#[derive(Debug)]
pub(super) struct WorkerListener {
    pub(super) audience: Audience,
    pub(super) socket: StdListener,
    pub(super) file: Option<Arc<SocketFile>>,
}

impl ListenerSet {
    /// Every address of the configuration: with the sockets that were passed on, or bound here.
    pub(super) fn open(config: &Config, passed: Vec<PassedSocket>) -> anyhow::Result<Self> {
        let (set_by, workers) = (&config.set_by, config.server.workers.max(1));
        let key = |name, set_by| ConfigKey { name, set_by };
        let (host, port) = match config.listen.is_list {
            true => [key("server.listen", set_by.listen.as_deref()); 2].into(),
            false => (
                key("server.host", set_by.host.as_deref()),
                key("server.port", set_by.port.as_deref()),
            ),
        };
        let api = key("http.listen", set_by.api.as_deref());
        let metrics = key("metrics.listen", set_by.metrics.as_deref());
        let metrics_address = config.metrics.listen.map(ListenAddress::Ip);
        let internal = key("internal.listen", set_by.internal.as_deref());
        let mut passed = PassedSockets(passed);
        let mut all = Vec::new();
        for (audience, addresses, host, port) in [
            (Audience::Clients, &config.listen.server[..], host, port),
            (Audience::BackEnds, &config.listen.api, api, api),
            (Audience::Scrapers, metrics_address.as_slice(), metrics, metrics),
            (Audience::Operators, &config.internal.listen, internal, internal),
        ] {
            let of_manager = passed.of_manager(audience)?;
            if !of_manager.is_empty() {
                all.extend(of_manager);
                continue;
            }
            for address in addresses {
                let configured = ConfiguredAddress { address, host, port };
                let listening = match passed.of_predecessor(audience, address)? {
                    Some(listening) => Ok(listening),
                    None => Listening::bind(audience, address, workers),
                };
                all.push(listening.map_err(|error| configured.refuse(&error))?);
            }
        }
        let has_console = config.development.is_some() && config.internal.listen.is_empty();
        all.extend(has_console.then(|| console_address::open(&mut passed)).flatten());
        passed.close();
        Ok(Self(all))
    }

    /// Deals the sockets out to the workers, and to the listeners that have none. Each worker gets one of each
    /// address at least, and no socket is left over.
    pub(super) fn deal(
        self,
        workers: usize,
    ) -> io::Result<(Vec<Vec<WorkerListener>>, Vec<WorkerListener>)> {
        let mut of_workers: Vec<Vec<WorkerListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut without_worker = Vec::new();
        for Listening { audience, mut sockets, file, .. } in self.0 {
            let listener = |socket| WorkerListener { audience, socket, file: file.clone() };
            if audience.has_no_worker() {
                without_worker.extend(sockets.pop().map(listener));
                continue;
            }
            let distinct = sockets.len();
            for index in distinct..workers {
                // Descriptors of one socket: what waits goes to whichever accepts first.
                sockets.push(sockets[index % distinct].try_clone()?);
            }
            for (index, socket) in sockets.into_iter().enumerate() {
                of_workers[index % workers].push(listener(socket));
            }
        }
        Ok((of_workers, without_worker))
    }

    /// The sockets as another process can take them over.
    pub(super) fn passable(&self) -> io::Result<PassableSockets> {
        PassableSockets::of(&self.0)
    }

    /// The addresses for an audience.
    pub(super) fn addresses(&self, audience: Audience) -> Vec<ListenAddress> {
        let of_audience = self.0.iter().filter(|listening| listening.audience == audience);
        of_audience.map(|listening| listening.address.clone()).collect()
    }
}

impl Listening {
    fn bind(audience: Audience, address: &ListenAddress, workers: usize) -> io::Result<Self> {
        let (sockets, file) = match address {
            ListenAddress::Ip(address) => match audience {
                Audience::Scrapers | Audience::Operators => {
                    let socket = listen(bind(*address, |_| Ok(()))?)?;
                    (vec![StdListener::Tcp(socket)], None)
                }
                Audience::Clients | Audience::BackEnds => (listen_on_ip(*address, workers)?, None),
            },
            ListenAddress::Unix { path, mode } => {
                socket_file::remove_stale(path)?;
                let socket = UnixSocket::new_stream()?;
                socket.bind(path)?;
                let file = SocketFile::of_bound(path, *mode)?;
                let socket = StdListener::Unix(socket.listen(BACKLOG)?.into_std()?);
                (vec![socket], Some(Arc::new(file)))
            }
        };
        // The port that a free one turned out to be.
        let address = match sockets.first() {
            Some(StdListener::Tcp(socket)) => ListenAddress::Ip(socket.local_addr()?),
            _ => address.clone(),
        };
        // Another process with this configuration can take it over by its address.
        let bound_by = BoundBy::Predecessor;
        Ok(Self { audience, address, bound_by, sockets, file })
    }
}

/// Sockets of their own on one address: the kernel spreads connections over them.
fn listen_on_ip(address: SocketAddr, count: usize) -> io::Result<Vec<StdListener>> {
    // With SO_REUSEPORT any process of the same user could join the address, a second Resound too. So
    // it is bound without that option first, which fails if another process listens there. This socket
    // does not listen: connections must wait for the workers. Port 0 is always a free one.
    if address.port() != 0 {
        drop(bind(address, |_| Ok(()))?);
    }
    let first = listen(bind(address, |socket| socket.set_reuseport(true))?)?;
    let address = first.local_addr()?;
    let mut sockets = vec![StdListener::Tcp(first)];
    while sockets.len() < count {
        let socket = bind(address, |socket| socket.set_reuseport(true))?;
        sockets.push(StdListener::Tcp(listen(socket)?));
    }
    Ok(sockets)
}

fn listen(socket: TcpSocket) -> io::Result<std::net::TcpListener> {
    socket.listen(BACKLOG)?.into_std()
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

/// An IPv6 socket that takes IPv4 too, whatever the kernel's default is. If only this family fails, the
/// kernel has it switched off.
fn ipv6() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v6().map_err(|error| match TcpSocket::new_v4() {
        Ok(_) => ErrorKind::Unsupported.into(),
        Err(_) => error,
    })?;
    SockRef::from(&socket).set_only_v6(false)?;
    Ok(socket)
}
