//! A listening socket, before and after a worker's runtime has it.
//!
//! Where it is bound, and when it accepts, is left to `server`.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use super::{ByteStream, Peer};

/// A listening socket that no runtime has yet; it does not block.
#[derive(Debug)]
pub enum StdListener {
    /// For TCP.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener),
}

impl StdListener {
    /// A second descriptor of the same socket: what waits in its backlog goes to whichever accepts first.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// Accepts what waits in the backlog, past the runtime, whose readiness may lag behind the kernel;
    /// `WouldBlock` if nothing waits.
    pub fn accept(&self) -> io::Result<(ByteStream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                let stream = tokio::net::TcpStream::from_std(stream)?;
                Ok((ByteStream::Tcp(stream), Peer::of(peer)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                let stream = tokio::net::UnixStream::from_std(stream)?;
                Ok((ByteStream::Unix(Box::new(stream)), Peer::Unix))
            }
        }
    }
}

/// A listening socket of a worker.
#[derive(Debug)]
pub enum Listener {
    /// For TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Registers a listener with the runtime of this thread.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        match listener {
            StdListener::Tcp(listener) => TcpListener::from_std(listener).map(Self::Tcp),
            StdListener::Unix(listener) => UnixListener::from_std(listener).map(Self::Unix),
        }
    }

    /// Takes it away from the runtime.
    pub fn into_std(self) -> io::Result<StdListener> {
        match self {
            Self::Tcp(listener) => listener.into_std().map(StdListener::Tcp),
            Self::Unix(listener) => listener.into_std().map(StdListener::Unix),
        }
    }

    /// Accepts the next connection.
    pub async fn accept(&self) -> io::Result<(ByteStream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((ByteStream::Tcp(stream), Peer::of(peer)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((ByteStream::Unix(Box::new(stream)), Peer::Unix))
            }
        }
    }
}
