//! A stream that enforces time-outs while it is HTTP: on headers, on idle time and on writes.
//!
//! hyper's own header time-out also runs while a kept-alive connection is idle, which would cut
//! SDKs off after ten seconds; this stream gives the two a limit each. Bodies have their own
//! deadline, where they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::parse_error;
use crate::config::HttpConfig;
use crate::stream::ByteStream;

/// What a connection's current request is waiting for: set by the code that serves it, read by its
/// stream and by the connection tracker.
#[derive(Default)]
pub(super) struct RequestPhase {
    now: AtomicU8,
    /// Requests that have arrived so far: separates one request's phases from the next one's.
    requests: AtomicU32,
    withholds_answer: AtomicBool,
}

/// The header is awaited or incomplete.
const HEADER: u8 = 0;
/// The request is being served.
const BUSY: u8 = 1;
/// The answer is made, and no byte of the next request has arrived.
const IDLE: u8 = 2;

impl RequestPhase {
    /// Notes that a complete header has arrived.
    pub(super) fn start_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.now.store(BUSY, Ordering::Relaxed);
    }

    /// Notes that the answer is made.
    pub(super) fn finish_request(&self) {
        self.now.store(IDLE, Ordering::Relaxed);
    }

    /// Withholds the next answer, a 101, so that it leaves together with the first frame behind it:
    /// two packets, and two times that the peer wakes up, would cost 10 to 20 µs more of CPU.
    pub(super) fn withhold_answer(&self) {
        self.withholds_answer.store(true, Ordering::Relaxed);
    }

    pub(super) fn request_count(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.now.load(Ordering::Relaxed) == BUSY
    }

    fn current(&self) -> (u8, u32) {
        (self.now.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }
}

/// The stream that hyper reads from and writes to.
pub(super) struct TimedStream {
    stream: ByteStream,
    limits: Arc<HttpConfig>,
    phase: Arc<RequestPhase>,
    /// The phase, and the number of its request, that `deadline` belongs to.
    timed: (u8, u32),
    /// The end of the current phase. A request that is being served has no deadline here.
    deadline: Option<Instant>,
    /// Since when bytes wait and the transport takes none. It takes some again only when a third of
    /// its buffer is free, so a peer that reads a byte a second times out too.
    blocked_since: Option<Instant>,
    /// Reset only when the connection has to wait: once per request, behind its answer.
    timer: Pin<Box<Sleep>>,
    /// The answer to a handshake, or hyper's to a header that it could not parse.
    withheld: Vec<u8>,
}

impl TimedStream {
    /// The first header is complete by `deadline`, or the connection ends.
    pub(super) fn new(
        stream: ByteStream,
        limits: Arc<HttpConfig>,
        phase: Arc<RequestPhase>,
        deadline: Instant,
    ) -> Self {
        Self {
            stream,
            limits,
            phase,
            timed: (HEADER, 0),
            deadline: Some(deadline),
            blocked_since: None,
            timer: Box::pin(sleep_until(deadline)),
            withheld: Vec::new(),
        }
    }

    /// The transport, and the answer that was withheld from it.
    pub(super) fn into_inner(self) -> (ByteStream, Vec<u8>) {
        (self.stream, self.withheld)
    }

    /// Whether an answer with this start is withheld: one to a handshake, which leaves with the first
    /// frame, and hyper's own, which has no text yet.
    fn withholds(&self, start: &[u8]) -> bool {
        self.phase.withholds_answer.load(Ordering::Relaxed) || parse_error::is_bare_answer(start)
    }

    /// Whether a deadline has passed; otherwise wakes the task when it does.
    fn poll_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.next_deadline() else { return false };
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }

    /// The deadline of the request or of reading its answer, whichever comes first.
    fn next_deadline(&mut self) -> Option<Instant> {
        let phase = self.phase.current();
        if phase != self.timed {
            self.start_phase(phase);
        }
        let write = self.blocked_since.map(|since| since + self.limits.body_timeout);
        self.deadline.into_iter().chain(write).min()
    }

    fn start_phase(&mut self, phase: (u8, u32)) {
        self.timed = phase;
        self.deadline = match phase.0 {
            BUSY => None,
            IDLE => Some(Instant::now() + self.limits.idle_timeout),
            _ => Some(Instant::now() + self.limits.header_timeout),
        };
    }

    /// Starts the time of a header with its first byte; later ones do not extend it.
    fn bytes_received(&mut self) {
        let next =
            self.phase.now.compare_exchange(IDLE, HEADER, Ordering::Relaxed, Ordering::Relaxed);
        if next.is_ok() {
            self.start_phase(self.phase.current());
        }
    }

    /// Passes the result of a write on, or times out if the transport has taken nothing for too long.
    fn check_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.blocked_since = None;
            return written;
        }
        self.blocked_since = self.blocked_since.or_else(|| Some(Instant::now()));
        if self.poll_timed_out(cx) { Poll::Ready(Err(self.time_out())) } else { Poll::Pending }
    }

    /// Ends the connection; bytes that the peer does not read are dropped.
    fn time_out(&self) -> io::Error {
        if self.blocked_since.is_some() {
            self.stream.drop_unsent();
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending if self.poll_timed_out(cx) => Poll::Ready(Err(self.time_out())),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                self.bytes_received();
                if self.next_deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                    return Poll::Ready(Err(self.time_out()));
                }
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(bytes) {
            self.withheld.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(bytes.first().map_or(&[], |slice| slice)) {
            bytes.iter().for_each(|slice| self.withheld.extend_from_slice(slice));
            return Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.check_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.check_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
