//! [`ByteStream`]: one connection, whatever carries it.
//!
//! Reads and writes; never waits by itself. TLS keeps back what the kernel has not taken of a record.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::direct_send::direct_send;
use super::tls_stream::TlsStream;

/// One connection. TCP is what nearly all are: the others are boxed, so that they do not enlarge it.
#[derive(Debug)]
pub enum ByteStream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a unix socket.
    Unix(Box<UnixStream>),
    /// A TLS connection over TCP.
    Tls(Box<TlsStream>),
}

impl ByteStream {
    /// Switches Nagle's algorithm off, which holds small frames back until earlier ones are
    /// acknowledged. A unix socket has none.
    pub fn send_small_packets(&self) {
        if let Self::Tcp(stream) = self {
            // Fails only when the peer is gone.
            let _ = stream.set_nodelay(true);
        }
    }

    /// Drops, when the stream is closed, what the peer has not taken. Without it the kernel would offer
    /// some megabytes of it for minutes more.
    pub fn drop_unsent(&self) {
        match self {
            Self::Tcp(stream) => drop_unsent(stream),
            Self::Unix(_) => {}
            Self::Tls(stream) => drop_unsent(stream.carrier()),
        }
    }

    /// Sends what the kernel takes right now; `WouldBlock` when it takes nothing.
    pub fn send(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => {
                direct_send(&SockRef::from(stream), bytes, |bytes| stream.try_write_vectored(bytes))
            }
            Self::Unix(stream) => direct_send(&SockRef::from(&**stream), bytes, |bytes| {
                stream.try_write_vectored(bytes)
            }),
            Self::Tls(stream) => stream.send(bytes),
        }
    }

    /// Sends what is left of TLS records that were made; true if nothing is.
    pub fn send_unsent(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(true),
            Self::Tls(stream) => stream.send_unsent(),
        }
    }

    /// Whether [`send_unsent`](Self::send_unsent) has to be called once bytes can be sent.
    pub fn has_unsent(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(stream) => stream.has_unsent(),
        }
    }

    /// The first byte, which stays unread; `None` at the end of the peer.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        self.look_ahead(&mut [0], |first| Some(first.first().copied())).await
    }

    /// Looks at the first bytes that have arrived, without taking them, again after each arrival, until
    /// `found` returns a value. At the end of the stream `found` gets no bytes. Not for a TLS connection.
    pub async fn look_ahead<T>(
        &self,
        buffer: &mut [u8],
        mut found: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<T> {
        let look = || {
            let (length, _) = rustix::net::recv(&*self.socket(), &mut *buffer, RecvFlags::PEEK)?;
            found(&buffer[..length]).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        match self {
            Self::Tcp(stream) => stream.async_io(Interest::READABLE, look).await,
            Self::Unix(stream) => stream.async_io(Interest::READABLE, look).await,
            // Its first bytes were those of the handshake.
            Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Reads and drops what has arrived, past a runtime that has not looked yet; its first byte. Bytes that are unread
    /// when a connection is closed make the kernel send a reset, which overtakes the last answer.
    pub fn drop_arrived(&self) -> Option<u8> {
        let mut arrived = [0; 4096];
        let length = (&*self.socket()).read(&mut arrived).ok()?;
        arrived[..length].first().copied()
    }

    /// Ends the sending side. Fails only when the peer is already gone, which needs no end.
    pub fn finish(&self) {
        match self {
            Self::Tcp(_) | Self::Unix(_) => drop(self.socket().shutdown(Shutdown::Write)),
            Self::Tls(stream) => stream.finish(),
        }
    }

    /// Announces the end of a TLS connection that is about to be closed: without that, its client cannot
    /// tell a whole answer from half of one. A plain connection ends when it is closed.
    pub fn announce_end(&self) {
        if let Self::Tls(stream) = self {
            stream.finish();
        }
    }

    /// Reads what has arrived; `WouldBlock` if nothing has, 0 at the peer's end.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
            Self::Tls(stream) => stream.try_read(buffer),
        }
    }

    /// Whether [`try_read`](Self::try_read) has something to read; otherwise wakes the task when it has.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Whether [`send`](Self::send) takes bytes; otherwise wakes the task when it does.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Tls(stream) => stream.carrier().poll_write_ready(cx),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(&**stream),
            Self::Tls(stream) => SockRef::from(stream.carrier()),
        }
    }
}

fn drop_unsent(stream: &TcpStream) {
    // Fails only when the peer is gone.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => stream.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => stream.poll_write(cx, &[IoSlice::new(bytes)]),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Self::Tls(stream) => stream.poll_write(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(_) => true,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => stream.poll_unsent(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => stream.poll_finish(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::ByteStream;

    #[test]
    fn a_stream_is_no_larger_than_a_tcp_stream() {
        assert_eq!(size_of::<ByteStream>(), size_of::<TcpStream>());
    }
}
