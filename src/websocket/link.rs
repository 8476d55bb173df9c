//! One TCP connection, shared by its task, which reads, and its shard, which writes; and the
//! signals from the shard to the task.
//!
//! One allocation, because a write touches it for every delivery.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::{AtomicU8, Ordering};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::hub::{Outlet, Signal};

/// The connection of one socket.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    reads_deflated: bool,
    flags: AtomicU8,
    /// Wakes the connection task. Rare: never on the way of a delivered frame.
    changed: Notify,
}

/// The shard waits for the transport to take bytes.
const FULL: u8 = 1;
/// No message is read until answers have gone out.
const ANSWERS_WAIT: u8 = 2;
/// The server closes this socket, or its peer is gone.
const ENDING: u8 = 4;

impl Link {
    pub(super) fn new(stream: TcpStream, reads_deflated: bool) -> Self {
        let (flags, changed) = (AtomicU8::new(0), Notify::new());
        Self { stream, reads_deflated, flags, changed }
    }

    /// Resolves after a signal.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether the shard waits for the transport to take bytes; true once per wait.
    pub(super) fn take_full(&self) -> bool {
        self.flags.fetch_and(!FULL, Ordering::AcqRel) & FULL != 0
    }

    /// Whether the next message may be read.
    pub(super) fn may_read(&self) -> bool {
        self.flags.load(Ordering::Acquire) & (ANSWERS_WAIT | ENDING) == 0
    }

    /// Whether the server closes this socket, or its peer is gone.
    pub(super) fn is_ending(&self) -> bool {
        self.flags.load(Ordering::Acquire) & ENDING != 0
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

impl Outlet for Link {
    /// Not through the runtime, which would look up first whether it believes the socket to be
    /// writable, in memory nobody else needs here; only when it is not, the runtime has to know.
    fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(&self.stream);
        let sent = match bytes {
            [one] => socket.send(one),
            many => socket.send_vectored(many),
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stream.try_write_vectored(bytes)
            }
            sent => sent,
        }
    }

    fn reads_deflated(&self) -> bool {
        self.reads_deflated
    }

    fn signal(&self, signal: Signal) {
        match signal {
            Signal::AwaitWritable => self.set(FULL),
            Signal::StopReading => self.set(ANSWERS_WAIT),
            Signal::ReadOn => self.clear(ANSWERS_WAIT),
            Signal::Ending => self.set(ENDING),
        }
    }

    fn finish(&self) {
        // A peer that is gone already needs no FIN.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }
}
