//! The connection of one socket, shared by the connection task, which reads, and the shard, which
//! writes, with the signals from the shard to the task.
//!
//! One allocation, because every delivery touches it.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::hub::{ClientProfile, LineFacts, Signal, Transport};
use crate::stream::ByteStream;

/// The connection of one socket.
pub(super) struct StreamTransport {
    pub(super) stream: ByteStream,
    reads_deflated: bool,
    flags: AtomicU8,
    profile: Option<Arc<ClientProfile>>,
    /// Counted where the bytes are written and read anyway: each of them by one thread.
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    /// Wakes the connection task. A delivery never does.
    changed: Notify,
}

/// The kernel's send buffer is full: the task has to report when it is not.
const FULL: u8 = 1;
/// The task reads no message until queued answers are written.
const ANSWERS_QUEUED: u8 = 2;
/// The server closes this socket, or its peer is gone.
const ENDING: u8 = 4;
/// A viewer asks for the session.
const ASKED: u8 = 8;

impl StreamTransport {
    pub(super) fn new(
        stream: ByteStream,
        reads_deflated: bool,
        profile: Option<Arc<ClientProfile>>,
    ) -> Self {
        let (flags, changed) = (AtomicU8::new(0), Notify::new());
        let (sent_bytes, received_bytes) = Default::default();
        Self { stream, reads_deflated, flags, profile, sent_bytes, received_bytes, changed }
    }

    /// Counts bytes that arrived.
    pub(super) fn count_received(&self, bytes: usize) {
        count(&self.received_bytes, bytes);
    }

    /// Whether a viewer asks for the session; true once per question.
    pub(super) fn take_asked(&self) -> bool {
        let is_asked = self.flags.load(Ordering::Acquire) & ASKED != 0;
        is_asked && self.flags.fetch_and(!ASKED, Ordering::AcqRel) & ASKED != 0
    }

    /// Resolves after a signal.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether the shard found the send buffer full; true once per such signal.
    pub(super) fn take_full(&self) -> bool {
        self.flags.fetch_and(!FULL, Ordering::AcqRel) & FULL != 0
    }

    /// Whether the next message may be read.
    pub(super) fn may_read(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (ANSWERS_QUEUED | ENDING) == 0
    }

    /// Whether the server closes this socket, or its peer is gone.
    pub(super) fn is_ending(&self) -> bool {
        self.flags.load(Ordering::Acquire) & ENDING != 0
    }

    /// Has the task send what the kernel did not take of a TLS record: the shard has handed all of it over,
    /// and may have nothing more to write.
    fn await_unsent(&self) {
        if self.stream.has_unsent() {
            self.set(FULL);
        }
    }

    fn set(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
        self.changed.notify_one();
    }

    fn clear(&self, flag: u8) {
        self.flags.fetch_and(!flag, Ordering::AcqRel);
        self.changed.notify_one();
    }
}

impl Transport for StreamTransport {
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = self.stream.send(bytes);
        count(&self.sent_bytes, *sent.as_ref().unwrap_or(&0));
        self.await_unsent();
        sent
    }

    fn reads_deflated(&self) -> bool {
        self.reads_deflated
    }

    fn signal(&self, signal: Signal) {
        match signal {
            Signal::AwaitWritable => self.set(FULL),
            Signal::StopReading => self.set(ANSWERS_QUEUED),
            Signal::ReadOn => self.clear(ANSWERS_QUEUED),
            Signal::Ending => self.set(ENDING),
            Signal::Describe => self.set(ASKED),
        }
    }

    fn finish(&self) {
        self.stream.finish();
        self.await_unsent();
    }

    fn line(&self) -> LineFacts {
        LineFacts {
            client: self.profile.clone(),
            is_tls: matches!(self.stream, ByteStream::Tls(_)),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Adds to a count of one thread: without the lock of the bus that an atomic addition takes.
fn count(counter: &AtomicU64, bytes: usize) {
    counter.store(counter.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
}
