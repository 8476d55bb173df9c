//! Listening sockets that another process has bound: systemd (socket activation), or the process that this
//! one takes over from. Both pass them on as descriptors from 3 on, with `LISTEN_FDS` and `LISTEN_FDNAMES`.
//!
//! Owns how they are taken and passed on. What each is for is left to `server`.

use std::io;
use std::os::fd::OwnedFd;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use socket2::SockRef;

use super::predecessor::{self, Predecessor};
use crate::stream::StdListener;

/// Before the names of sockets that the predecessor has bound from its configuration. systemd takes the names of
/// units, which have no slash.
const BOUND: &str = "bound/";

/// What bound a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundBy {
    /// systemd: the socket replaces addresses of the configuration.
    Manager,
    /// A process like this one, from the same configuration or the one before.
    Predecessor,
}

/// A listening socket, and the name under which it is passed on.
#[derive(Debug)]
pub struct PassedSocket {
    /// What it is for: of systemd, the `FileDescriptorName=` or the name of the unit.
    pub name: String,
    /// What bound it.
    pub bound_by: BoundBy,
    /// The socket.
    pub socket: StdListener,
}

/// Everything that was passed to this process.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// The listening sockets.
    pub sockets: Vec<PassedSocket>,
    /// The connection to the process that this one takes over from, if there is one.
    pub predecessor: Option<Predecessor>,
}

impl Inheritance {
    /// Takes what was passed on, once: the variables are removed, so that no child takes it again. `names`
    /// are those of `LISTEN_FDNAMES`.
    pub fn take(names: &[String]) -> anyhow::Result<Self> {
        let mut passed = ListenFd::from_env();
        let mut taken = Self::default();
        for index in 0..passed.len() {
            let name = names.get(index).map_or("", String::as_str);
            if name == predecessor::NAME {
                taken.predecessor = passed.take_unix_datagram(index)?.map(Predecessor);
                continue;
            }
            let socket = listener(&mut passed, index).with_context(|| {
                format!("the socket {name:?}, number {index} of LISTEN_FDS, cannot be used")
            })?;
            let (name, bound_by) = match name.strip_prefix(BOUND) {
                Some(name) => (name, BoundBy::Predecessor),
                None => (name, BoundBy::Manager),
            };
            taken.sockets.push(PassedSocket { name: name.to_owned(), bound_by, socket });
        }
        Ok(taken)
    }
}

impl PassedSocket {
    /// A second descriptor of it.
    pub fn try_clone(&self) -> io::Result<Self> {
        let (name, socket) = (self.name.clone(), self.socket.try_clone()?);
        Ok(Self { name, bound_by: self.bound_by, socket })
    }

    /// As it is passed on: the name in `LISTEN_FDNAMES`, and the descriptor.
    pub(super) fn into_descriptor(self) -> (String, OwnedFd) {
        let name = match self.bound_by {
            BoundBy::Manager => self.name,
            BoundBy::Predecessor => format!("{BOUND}{}", self.name),
        };
        let descriptor = match self.socket {
            StdListener::Tcp(socket) => socket.into(),
            StdListener::Unix(socket) => socket.into(),
        };
        (name, descriptor)
    }
}

fn listener(passed: &mut ListenFd, index: usize) -> anyhow::Result<StdListener> {
    let socket = match passed.take_tcp_listener(index) {
        Ok(Some(socket)) => StdListener::Tcp(socket),
        _ => match passed.take_unix_listener(index) {
            Ok(Some(socket)) => StdListener::Unix(socket),
            _ => bail!("it is neither a TCP socket nor a unix socket of streams (ListenStream=)"),
        },
    };
    let (listens, unblocked) = match &socket {
        StdListener::Tcp(it) => (SockRef::from(it).is_listener(), it.set_nonblocking(true)),
        StdListener::Unix(it) => (SockRef::from(it).is_listener(), it.set_nonblocking(true)),
    };
    unblocked?;
    if !listens? {
        bail!("it does not listen; the socket unit needs Accept=no");
    }
    Ok(socket)
}
