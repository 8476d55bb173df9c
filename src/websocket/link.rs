//! One TCP connection, shared by its task, which reads, and its shard, which writes; and the
//! signals the shard gives the task.
//!
//! One allocation, because a write touches it for every delivery.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::hub::Outlet;

/// The connection of one socket.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    reads_deflated: bool,
    /// What the shard tells the connection task. Rare: never on the way of a delivered frame.
    news: Notify,
    full: AtomicBool,
    ending: AtomicBool,
}

impl Link {
    pub(super) fn new(stream: TcpStream, reads_deflated: bool) -> Self {
        let (full, ending) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { stream, reads_deflated, news: Notify::new(), full, ending }
    }

    /// Resolves when the shard has told something.
    pub(super) async fn changed(&self) {
        self.news.notified().await;
    }

    /// The shard waits for the transport to take bytes; asked once per wait.
    pub(super) fn take_full(&self) -> bool {
        self.full.swap(false, Ordering::AcqRel)
    }

    /// The server closes this socket.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
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

    fn await_writable(&self) {
        self.full.store(true, Ordering::Release);
        self.news.notify_one();
    }

    fn ending(&self) {
        self.ending.store(true, Ordering::Release);
        self.news.notify_one();
    }

    fn finish(&self) {
        // A peer that is gone already needs no FIN.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }
}
