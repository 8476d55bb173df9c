//! When the next event of a paced channel is due, over all channels of the process.
//!
//! One time for all of them, so that there is no timer per channel; a task of the server waits for it. After the
//! end, no event waits any more.

use std::time::Instant;

use super::sync::{AtomicBool, Mutex, Notified, Notify, Ordering};

/// The time at which channels have to be looked at.
#[derive(Default)]
pub struct Alarm {
    next: Mutex<Option<Instant>>,
    earlier: Notify,
    is_over: AtomicBool,
}

impl Alarm {
    /// The time that is set, which is forgotten.
    pub fn take(&self) -> Option<Instant> {
        self.next.lock().take()
    }

    /// When that is; `None`: no event waits.
    pub fn next(&self) -> Option<Instant> {
        *self.next.lock()
    }

    /// Resolves when an earlier time is set.
    pub fn earlier(&self) -> Notified<'_> {
        self.earlier.notified()
    }

    /// Has the channels be looked at, at this time or before.
    pub(super) fn set(&self, at: Instant) {
        let mut next = self.next.lock();
        if next.is_none_or(|next| at < next) {
            *next = Some(at);
            self.earlier.notify_one();
        }
    }

    /// From now on events are delivered as they come: the sockets are about to be closed.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}
