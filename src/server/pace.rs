//! A TCP stream that keeps time while it is HTTP: peers that send or read too slowly are cut off.
//!
//! hyper's own head time-out also runs while a kept-alive connection is idle, which would cut
//! SDKs off after ten seconds; so the two are told apart here. Bodies have their own deadline,
//! where they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::misdirected;

/// How long each phase may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// From a connection's begin, or a request's first byte, to the end of its head.
    pub(super) head: Duration,
    /// From an answer to the first byte of the next request.
    pub(super) idle: Duration,
    /// For the transport to take something while bytes of an answer wait. It has room again only
    /// when a third of its buffer is free, so a peer that reads a byte a second is late too.
    pub(super) write: Duration,
}

/// Where a connection is, told by whoever serves its requests.
#[derive(Default)]
pub(super) struct Phase {
    now: AtomicU8,
    /// Requests heard so far: tells one request's phases from the next one's.
    requests: AtomicU32,
    /// The answer to the handshake is kept back.
    upgrading: AtomicBool,
}

const HEAD: u8 = 0;
const BUSY: u8 = 1;
const IDLE: u8 = 2;

impl Phase {
    /// A head has arrived; the request is being served.
    pub(super) fn busy(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.now.store(BUSY, Ordering::Relaxed);
    }

    /// The answer is made; the next head may come.
    pub(super) fn idle(&self) {
        self.now.store(IDLE, Ordering::Relaxed);
    }

    /// The next answer leaves together with the first frame behind it: two packets, and two times
    /// that the peer wakes up, would cost 10 to 20 µs more of CPU.
    pub(super) fn upgrading(&self) {
        self.upgrading.store(true, Ordering::Relaxed);
    }

    /// Whether a first request was heard.
    pub(super) fn was_heard(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// How many requests were heard.
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether a request is being served.
    pub(super) fn is_busy(&self) -> bool {
        self.now.load(Ordering::Relaxed) == BUSY
    }

    fn look(&self) -> (u8, u32) {
        (self.now.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }
}

/// The stream hyper reads from.
pub(super) struct Paced {
    stream: TcpStream,
    pace: Pace,
    phase: Arc<Phase>,
    /// The phase, of which request, that `due` is for.
    timed: (u8, u32),
    /// When the present phase has lasted too long; a request that is being served has no time here.
    due: Option<Instant>,
    /// Since when bytes wait and the transport takes none.
    full_since: Option<Instant>,
    /// Moved when the connection has to wait, so a request costs one move: the one behind its answer.
    timer: Pin<Box<Sleep>>,
    /// The answer to the handshake, or to a head that could not be read.
    kept_back: Vec<u8>,
}

impl Paced {
    /// A new connection, whose first head is awaited.
    pub(super) fn new(stream: TcpStream, pace: Pace, phase: Arc<Phase>) -> Self {
        let due = Instant::now() + pace.head;
        let timer = Box::pin(sleep_until(due));
        let (timed, due, full_since) = ((HEAD, 0), Some(due), None);
        Self { stream, pace, phase, timed, due, full_since, timer, kept_back: Vec::new() }
    }

    /// The stream itself, once it is no longer HTTP, and what is to be said on it first.
    pub(super) fn into_inner(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.kept_back)
    }

    /// Whether what begins like this does not leave yet: the answer to a handshake, which leaves
    /// with the first frame, and an answer without a text to what is no request.
    fn keeps_back(&self, start: &[u8]) -> bool {
        self.phase.upgrading.load(Ordering::Relaxed) || misdirected::is_bare_answer(start)
    }

    /// Whether the peer is late; the task is woken when it will be.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.next_due() else { return false };
        if self.timer.deadline() != due {
            self.timer.as_mut().reset(due);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }

    /// When the peer is late: with its request or with reading, whichever comes first.
    fn next_due(&mut self) -> Option<Instant> {
        let look = self.phase.look();
        if look != self.timed {
            self.time(look);
        }
        let write_due = self.full_since.map(|since| since + self.pace.write);
        self.due.into_iter().chain(write_due).min()
    }

    /// Starts the time of a phase.
    fn time(&mut self, look: (u8, u32)) {
        self.timed = look;
        self.due = match look.0 {
            BUSY => None,
            IDLE => Some(Instant::now() + self.pace.idle),
            _ => Some(Instant::now() + self.pace.head),
        };
    }

    /// Bytes came: the first of a request start its head's time, later ones do not extend it.
    fn heard(&mut self) {
        let begins =
            self.phase.now.compare_exchange(IDLE, HEAD, Ordering::Relaxed, Ordering::Relaxed);
        if begins.is_ok() {
            self.time(self.phase.look());
        }
    }

    /// What the transport made of bytes that were to be written.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.full_since = None;
            return written;
        }
        self.full_since = self.full_since.or_else(|| Some(Instant::now()));
        if self.is_late(cx) { Poll::Ready(Err(self.cut_off())) } else { Poll::Pending }
    }

    /// Ends the connection of a late peer. What it does not read is dropped: the kernel would offer
    /// it some megabytes for minutes more.
    fn cut_off(&self) -> io::Error {
        if self.full_since.is_some() {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending if self.is_late(cx) => Poll::Ready(Err(self.cut_off())),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                self.heard();
                if self.next_due().is_some_and(|due| due <= Instant::now()) {
                    return Poll::Ready(Err(self.cut_off()));
                }
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keeps_back(bytes) {
            self.kept_back.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.keeps_back(bytes.first().map_or(&[], |slice| slice)) {
            bytes.iter().for_each(|slice| self.kept_back.extend_from_slice(slice));
            return Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
