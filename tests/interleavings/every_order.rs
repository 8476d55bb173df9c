//! Plays a piece of work in every order, and drives futures on a thread of loom.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};

/// How often a thread may be interrupted where it could go on: nearly every fault needs fewer. `LOOM_MAX_PREEMPTIONS`
/// takes the place of it.
const PREEMPTIONS: usize = 3;

/// Plays `work` in every order.
pub(crate) fn every_order(work: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(PREEMPTIONS);
    model.check(work);
}

/// Whether the thread was woken since it looked last.
struct Parked {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
    }
}

/// Waits for a future. One that is never woken is a deadlock, which loom reports.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let parked = Arc::new(Parked { is_woken: Mutex::new(false), woken: Condvar::new() });
    let waker = Waker::from(parked.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let mut is_woken = parked.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = parked.woken.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}
