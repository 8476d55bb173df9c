//! What all actors of a run share: where the nodes are, the oracle, and the clock of the run.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::timeout_at;

use crate::harness::within;
use crate::latency::Latencies;
use crate::oracle::Oracle;
use crate::oracle::fact::{Fact, Micros, ProcessNumber, SocketNumber};

/// For what must happen with no further action, on a machine that does something else as well.
const CONVERGES_WITHIN: Duration = Duration::from_secs(40);

/// Where clients and back ends find a node, and which of its processes is there.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// 0 while there is none, or two.
    process: AtomicU32,
}

impl Door {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, process: AtomicU32::new(0) }
    }

    pub(crate) fn process(&self) -> Option<ProcessNumber> {
        Some(self.process.load(Ordering::SeqCst)).filter(|process| *process > 0)
    }

    pub(crate) fn set_process(&self, process: Option<ProcessNumber>) {
        self.process.store(process.unwrap_or(0), Ordering::SeqCst);
    }
}

pub(crate) struct Scene {
    pub(crate) doors: Vec<Door>,
    begun: Instant,
    oracle: Mutex<Oracle>,
    latencies: Mutex<Vec<Latencies>>,
    changed: Notify,
    triggers: watch::Sender<u64>,
    sockets: AtomicU32,
    /// The connection that each seat has, with its socket id.
    seated: Mutex<HashMap<usize, (SocketNumber, String)>>,
}

impl Scene {
    pub(crate) fn new(doors: Vec<Door>) -> Self {
        Self {
            doors,
            begun: Instant::now(),
            oracle: Mutex::default(),
            latencies: Mutex::new(vec![Latencies::default()]),
            changed: Notify::new(),
            triggers: watch::Sender::new(0),
            sockets: AtomicU32::new(0),
            seated: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.begun.elapsed().as_micros() as Micros
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn note(&self, fact: Fact) {
        let latency = self.with_oracle(|oracle, now| oracle.take(now, fact));
        if let Some(micros) = latency {
            let mut pages = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            pages.last_mut().expect("a page").count(micros);
        }
        self.changed.notify_waiters();
    }

    /// The oracle, and the time, which does not go back from one call to the next.
    pub(crate) fn with_oracle<T>(&self, look: impl FnOnce(&mut Oracle, Micros) -> T) -> T {
        let mut oracle = self.oracle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        look(&mut oracle, now)
    }

    /// Waits until the oracle sees this; `false` if it does not come to pass.
    pub(crate) async fn until(&self, is_so: impl FnMut(&Oracle) -> bool) -> bool {
        self.until_or(CONVERGES_WITHIN, is_so).await
    }

    /// The same where it may not come to pass.
    pub(crate) async fn until_or(
        &self,
        patience: Duration,
        mut is_so: impl FnMut(&Oracle) -> bool,
    ) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.with_oracle(|oracle, _| is_so(oracle)) {
                return true;
            }
            if timeout_at(deadline, changed).await.is_err() {
                return false;
            }
        }
    }

    /// The latencies of the pages until now.
    pub(crate) fn latencies(&self) -> Vec<Latencies> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn begin_page(&self) {
        let mut pages = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        pages.push(Latencies::default());
    }

    /// A back end has sent a trigger.
    pub(crate) fn has_triggered(&self) {
        self.triggers.send_modify(|count| *count += 1);
    }

    pub(crate) fn triggers(&self) -> u64 {
        *self.triggers.borrow()
    }

    /// Waits until the back ends have sent so many more.
    pub(crate) async fn traffic(&self, more: u64) {
        let mut triggers = self.triggers.subscribe();
        let goal = *triggers.borrow() + more;
        let reached = triggers.wait_for(|count| *count >= goal);
        within("traffic", reached).await.expect("the scene has the sender");
    }

    pub(crate) fn next_socket(&self) -> SocketNumber {
        1 + self.sockets.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn sockets(&self) -> u32 {
        self.sockets.load(Ordering::Relaxed)
    }

    pub(crate) fn seat(&self, seat: usize, socket: Option<(SocketNumber, String)>) {
        let mut seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner);
        match socket {
            Some(socket) => drop(seated.insert(seat, socket)),
            None => drop(seated.remove(&seat)),
        }
    }

    /// The connection of a seat.
    pub(crate) fn seated(&self, seat: usize) -> Option<(SocketNumber, String)> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).get(&seat).cloned()
    }
}
