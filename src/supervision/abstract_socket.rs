//! Unix sockets of a server process that its user and root find by the id of the process.
//!
//! Owns their names and who may connect. The names are abstract, so there is no file to make, to find or to
//! remove, and only Linux has them.

use std::io;

use tokio::net::{UnixListener, UnixStream};

/// The name of the socket of a process: containers that share a network have processes of the same number,
/// so the namespace of the number is part of it.
pub(super) fn name_of(pid: u32) -> io::Result<String> {
    let namespace = std::fs::read_link("/proc/self/ns/pid")?;
    Ok(format!("resound/{}/{pid}", namespace.display()))
}

/// Whether the other end is a process of the user of this one, or of root.
pub fn is_of_owner(stream: &UnixStream) -> bool {
    let user = stream.peer_cred().map(|peer| peer.uid());
    user.is_ok_and(|user| user == 0 || user == rustix::process::geteuid().as_raw())
}

/// Listens under a name, on the runtime of this thread.
pub(super) fn listen(name: &str) -> io::Result<UnixListener> {
    UnixListener::from_std(system::listen(name)?)
}

/// Connects to a name.
pub(super) fn connect(name: &str) -> io::Result<UnixStream> {
    UnixStream::from_std(system::connect(name)?)
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    pub(super) fn listen(name: &str) -> io::Result<UnixListener> {
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub(super) fn connect(name: &str) -> io::Result<UnixStream> {
        let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::os::unix::net::{UnixListener, UnixStream};

    pub(super) fn listen(_: &str) -> io::Result<UnixListener> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn connect(_: &str) -> io::Result<UnixStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
