//! Closes a connection whose peer may still be sending (nginx: `lingering_close`).
//!
//! The kernel resets a connection that is closed with unread bytes, and the reset makes the peer drop
//! an answer that it has not read yet. So the sending side is shut down first, and incoming bytes are
//! read and dropped: a bounded number for a bounded time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stream::ByteStream;

/// How long a peer may take to notice the answer: nginx's `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(5);

/// Twice the default `http.max_body_bytes`: reading and dropping that much takes a few milliseconds, no
/// more than a body that is allowed.
const LINGER_BYTES: usize = 8 << 20;

/// The buffer of one read.
const READ_BYTES: usize = 16 << 10;

/// Sends `last_bytes`, shuts the sending side down, and reads until the peer closes or a bound is
/// reached.
pub(super) async fn linger(mut stream: ByteStream, last_bytes: &[u8]) {
    let close = async {
        stream.write_all(last_bytes).await?;
        stream.shutdown().await?;
        let (mut buffer, mut left) = (vec![0; READ_BYTES], LINGER_BYTES);
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // An error means that the peer has closed the connection already.
    let _ = tokio::time::timeout(LINGER, close).await;
}

/// Whether the body of a connection's current request was dropped before its end.
#[derive(Debug, Default)]
pub(super) struct UnreadBody(AtomicBool);

impl UnreadBody {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request's body that sets [`UnreadBody`] when it is dropped before its end.
pub(super) struct WatchedBody {
    body: Incoming,
    is_read: bool,
    unread: Arc<UnreadBody>,
}

impl WatchedBody {
    pub(super) fn new(body: Incoming, unread: Arc<UnreadBody>) -> Self {
        unread.0.store(false, Ordering::Relaxed);
        Self { body, is_read: false, unread }
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        if !self.is_read && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.is_read |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
