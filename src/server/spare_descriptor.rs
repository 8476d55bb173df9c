//! A file descriptor that is reserved for the moment when the process has no other left.
//!
//! Without a free descriptor `accept` fails before the kernel looks for a waiting connection, and a
//! waiting one stays in the backlog until its client gives up. The spare one makes room to accept it.

use std::io::{self, IoSlice};
use std::time::Duration;

use tokio::net::TcpSocket;

use super::tls_opening::{HANDSHAKE_RECORD, TlsContext};
use crate::stream::{ByteStream, Listener, Peer};

/// EMFILE and ENFILE, "too many open files" of the process and of the system; every Unix has these
/// numbers.
const EXHAUSTION_ERRNOS: [i32; 2] = [24, 23];

const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    connection: close\r\nretry-after: 1\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 82\r\n\r\n\
    The server has no file descriptors left: raise the limit of open files (ulimit -n)";

/// What a client sends first follows its last packet of the TCP handshake at once. No other connection is accepted
/// meanwhile, so silent ones are refused at 200 a second.
const FIRST_BYTE_WAIT: Duration = Duration::from_millis(5);

/// Fatal, internal_error: the handshake of any version ends with it.
const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x50];

/// Whether accepting failed because no descriptor is free.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|errno| EXHAUSTION_ERRNOS.contains(&errno))
}

/// An unconnected socket, unless there was no descriptor for it.
pub(super) struct SpareDescriptor(Option<TcpSocket>);

/// The spare descriptor is in use itself, so it is unknown whether a connection waits.
pub(super) struct NoDescriptor;

impl SpareDescriptor {
    pub(super) fn reserve() -> Self {
        Self(TcpSocket::new_v4().ok())
    }

    /// Frees the descriptor and accepts a connection with it, if one waits in the backlog.
    pub(super) async fn accept(
        &mut self,
        listener: &Listener,
    ) -> Result<Option<(ByteStream, Peer)>, NoDescriptor> {
        let was_reserved = self.0.take().is_some();
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = std::future::ready(()) => Err(io::ErrorKind::WouldBlock.into()),
        };
        match accepted {
            Ok(connection) => Ok(Some(connection)),
            Err(_) if was_reserved => Ok(None),
            Err(_) => Err(NoDescriptor),
        }
    }

    /// Reserves a descriptor again after [`accept`](Self::accept).
    pub(super) fn renew(&mut self) {
        if self.0.is_none() {
            *self = Self::reserve();
        }
    }
}

/// Answers a connection and closes it: a request with 503, a TLS handshake with an alert. Where both are served and
/// nothing arrives, it is closed without an answer, which a TLS client could not read.
pub(super) async fn refuse(stream: &ByteStream, tls: Option<&TlsContext>) {
    let _ = tokio::time::timeout(FIRST_BYTE_WAIT, stream.first_byte()).await;
    let answer = match (stream.drop_arrived(), tls) {
        (Some(HANDSHAKE_RECORD), _) => &TLS_ALERT[..],
        (None, Some(_)) => return,
        _ => UNAVAILABLE,
    };
    let _ = stream.send(&[IoSlice::new(answer)]);
}
