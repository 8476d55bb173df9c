//! A descriptor that is kept for when there are no others.
//!
//! Without descriptors the kernel refuses one before it looks whether a connection waits, and one
//! that waits would do so until its client gives up. With a spare one it can be accepted.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// "Too many open files", of the process and of the system; the numbers are those of every Unix.
const NO_DESCRIPTORS: [i32; 2] = [24, 23];

/// What a connection is answered for which there is no descriptor.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    connection: close\r\nretry-after: 1\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 82\r\n\r\n\
    The server has no file descriptors left: raise the limit of open files (ulimit -n)";

/// Whether accepting failed for want of a descriptor.
pub(super) fn is_needed(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| NO_DESCRIPTORS.contains(&number))
}

/// The spare descriptor: an unconnected socket, if there was a descriptor for it.
pub(super) struct Spare(Option<TcpSocket>);

/// What waits to be accepted.
pub(super) enum Next {
    /// Nothing.
    None,
    /// A connection, which has the spare descriptor now.
    Connection(TcpStream, SocketAddr),
    /// There was no spare descriptor to find out with.
    Unknown,
}

impl Spare {
    pub(super) fn new() -> Self {
        Self(TcpSocket::new_v4().ok())
    }

    /// Gives the descriptor to the next connection, if one waits.
    pub(super) async fn accept(&mut self, listener: &TcpListener) -> Next {
        let had_one = self.0.take().is_some();
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = std::future::ready(()) => Err(io::ErrorKind::WouldBlock.into()),
        };
        match accepted {
            Ok((stream, peer)) => Next::Connection(stream, peer),
            Err(_) if had_one => Next::None,
            Err(_) => Next::Unknown,
        }
    }

    /// Takes a descriptor again.
    pub(super) fn renew(&mut self) {
        if self.0.is_none() {
            *self = Self::new();
        }
    }
}

/// Tells a connection that there is no room, without waiting for it.
pub(super) fn refuse(stream: TcpStream) {
    let Ok(mut stream) = stream.into_std() else { return };
    // What it has sent must be read, or a reset overtakes the answer. Neither call waits.
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write(NO_ROOM);
}
