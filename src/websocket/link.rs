//! The TCP side of one socket: the outlet its shard writes to, and the signals that outlet gives
//! the connection's own task.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::hub::Outlet;

/// What the shard tells the connection task. Rare: never on the way of a delivered frame.
#[derive(Default)]
pub(super) struct Signals {
    notify: Notify,
    full: AtomicBool,
    ending: AtomicBool,
}

impl Signals {
    /// Resolves when there is something new.
    pub(super) async fn changed(&self) {
        self.notify.notified().await;
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

/// The write half, owned by the shard. Dropping it sends the FIN.
pub(super) struct Link {
    stream: OwnedWriteHalf,
    signals: Arc<Signals>,
    reads_deflated: bool,
}

impl Link {
    pub(super) fn new(stream: OwnedWriteHalf, signals: Arc<Signals>, reads_deflated: bool) -> Self {
        Self { stream, signals, reads_deflated }
    }
}

impl Outlet for Link {
    fn write(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match bytes {
            [one] => self.stream.try_write(one),
            many => self.stream.try_write_vectored(many),
        }
    }

    fn reads_deflated(&self) -> bool {
        self.reads_deflated
    }

    fn await_writable(&mut self) {
        self.signals.full.store(true, Ordering::Release);
        self.signals.notify.notify_one();
    }

    fn ending(&mut self) {
        self.signals.ending.store(true, Ordering::Release);
        self.signals.notify.notify_one();
    }
}
