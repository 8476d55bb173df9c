//! The end of a connection whose peer may still be sending.
//!
//! A socket that is closed over unread bytes is reset, and the reset makes the peer drop an answer
//! that it has not read yet. So the sending side ends first, and what still comes is read and
//! dropped: a bounded number of bytes for a bounded time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a peer may take to notice the answer: nginx's `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(5);

/// Twice the default `http.max_body_bytes`: reading and dropping so much takes a few milliseconds, no
/// more than a body that is allowed.
const LINGER_BYTES: usize = 8 << 20;

/// Read at once.
const PIECE_BYTES: usize = 16 << 10;

/// Sends `last`, ends the sending side, and waits until the peer has closed or a bound is reached.
pub(super) async fn linger(mut stream: TcpStream, last: &[u8]) {
    let farewell = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let (mut piece, mut left) = (vec![0; PIECE_BYTES], LINGER_BYTES);
        while left > 0 {
            match stream.read(&mut piece).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // A peer that has gone needs no farewell.
    let _ = tokio::time::timeout(LINGER, farewell).await;
}

/// Whether the body of a connection's present request was left unread.
#[derive(Debug, Default)]
pub(super) struct Unread(AtomicBool);

impl Unread {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request, which notes when it is dropped before its end.
pub(super) struct Watched {
    body: Incoming,
    is_over: bool,
    unread: Arc<Unread>,
}

impl Watched {
    pub(super) fn new(body: Incoming, unread: Arc<Unread>) -> Self {
        unread.0.store(false, Ordering::Relaxed);
        Self { body, is_over: false, unread }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.is_over && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.is_over |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
