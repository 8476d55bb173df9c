//! The names of `src/hub/sync.rs` on loom, with the interfaces that are used of `parking_lot` and tokio.
//!
//! [`Notify`] promises what tokio's documentation does, and no more.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Mutex as LoomMutex, MutexGuard};

/// A lock without poisoning.
#[derive(Default)]
pub(crate) struct Mutex<T>(LoomMutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(LoomMutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// Wakes one waiter, now or the next one to come, or all that wait.
#[derive(Default)]
pub(crate) struct Notify(LoomMutex<Notifications>);

#[derive(Default)]
struct Notifications {
    /// A notification that no waiter has taken.
    is_permitted: bool,
    /// How often all were notified.
    rounds: usize,
    waiting: Vec<Waker>,
}

impl Notify {
    pub(crate) fn notify_one(&self) {
        let mut state = self.0.lock().unwrap();
        state.is_permitted = true;
        let first = (!state.waiting.is_empty()).then(|| state.waiting.remove(0));
        drop(state);
        first.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notify_waiters(&self) {
        let mut state = self.0.lock().unwrap();
        state.rounds += 1;
        let all = std::mem::take(&mut state.waiting);
        drop(state);
        all.into_iter().for_each(Waker::wake);
    }

    /// Takes part in [`notify_waiters`](Self::notify_waiters) from here on.
    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified { notify: self, round: self.0.lock().unwrap().rounds }
    }
}

/// A wait for a notification.
pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    round: usize,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.notify.0.lock().unwrap();
        if state.rounds != self.round || std::mem::take(&mut state.is_permitted) {
            return Poll::Ready(());
        }
        state.waiting.push(context.waker().clone());
        Poll::Pending
    }
}
