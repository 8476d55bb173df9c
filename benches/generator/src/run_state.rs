//! The state that the threads of one pool share: clock, counters, readiness, the first error.
//!
//! A delivery touches nothing here but the reading worker's own counters; a worker reports deliveries
//! to their publisher once a turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::counters::{Counters, histogram, record};
use super::load_error::LoadError;
use super::marker::Stamp;
use super::plan::Plan;

/// The most requests (or client events) under way at once.
pub const PUBLISHERS_MAX: usize = 256;

/// Shared by the workers, the publishers and the caller's thread.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) plan: Plan,
    /// Of the targets, in their order.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) stamp: Stamp,
    clock: Instant,
    /// Sockets that read, by channel.
    subscribers: Vec<AtomicU64>,
    pub(super) publishers: Vec<Arrivals>,
    /// Whether a publisher of this phase waits for the deliveries of its event.
    pub(super) reports_arrivals: AtomicBool,
    /// By worker.
    pub(super) counters: Vec<Mutex<Counters>>,
    /// Sockets that had all their subscriptions, and those of them that are closed.
    pub(super) ready: AtomicUsize,
    pub(super) closed: AtomicUsize,
    pub(super) deflated: AtomicUsize,
    pub(super) connects: Mutex<Histogram<u64>>,
    error: Mutex<Option<LoadError>>,
    /// The thread that waits for `ready` or `error`.
    caller: Thread,
}

/// Deliveries of one publisher's events, since the pool was connected.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    delivered: AtomicU64,
    /// The value of `delivered` at which the publisher goes on.
    expected: AtomicU64,
    waiting: Mutex<Option<Thread>>,
    /// The number of the publisher's last event.
    order: AtomicU32,
}

impl RunState {
    pub(super) fn new(plan: Plan, addresses: Vec<SocketAddr>, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            addresses,
            stamp: Stamp::new(rand::random()),
            clock: Instant::now(),
            subscribers: plan.channels.iter().map(|_| AtomicU64::new(0)).collect(),
            publishers: (0..PUBLISHERS_MAX).map(|_| Arrivals::default()).collect(),
            reports_arrivals: AtomicBool::new(false),
            counters: (0..workers).map(|_| Mutex::new(Counters::new(0))).collect(),
            ready: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            deflated: AtomicUsize::new(0),
            connects: Mutex::new(histogram()),
            error: Mutex::new(None),
            caller: thread::current(),
            plan,
        })
    }

    /// Nanoseconds of the pool's clock, which markers carry.
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn instant(&self, ns: u64) -> Instant {
        self.clock + Duration::from_nanos(ns)
    }

    /// Ends the connecting with an error, unless another one came first.
    pub(super) fn fail(&self, error: LoadError) {
        self.error.lock().get_or_insert(error);
        self.caller.unpark();
    }

    pub(super) fn take_error(&self) -> Option<LoadError> {
        self.error.lock().take()
    }

    /// Counts a socket that has all its subscriptions.
    pub(super) fn add_subscriber(&self, socket: usize, took_ns: u64) {
        for channel in &self.plan.sockets[socket].channels {
            self.subscribers[*channel].fetch_add(1, Ordering::Relaxed);
        }
        record(&mut self.connects.lock(), took_ns);
        if self.ready.fetch_add(1, Ordering::Relaxed) + 1 == self.plan.sockets.len() {
            self.caller.unpark();
        }
    }

    /// From now on, the socket counts as a receiver of no event.
    pub(super) fn remove_subscriber(&self, socket: usize) {
        for channel in &self.plan.sockets[socket].channels {
            self.subscribers[*channel].fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn subscribers(&self, channel: usize) -> u64 {
        self.subscribers[channel].load(Ordering::Relaxed)
    }

    /// Reports deliveries of a publisher's events.
    pub(super) fn arrived(&self, publisher: u16, count: u64) {
        let Some(arrivals) = self.publishers.get(usize::from(publisher)) else { return };
        let delivered = arrivals.delivered.fetch_add(count, Ordering::SeqCst) + count;
        if delivered >= arrivals.expected.load(Ordering::SeqCst)
            && let Some(thread) = &*arrivals.waiting.lock()
        {
            thread.unpark();
        }
    }

    /// The counters of all workers, in this phase so far.
    pub(super) fn counted(&self) -> Counters {
        self.sum(|counters| counters.clone())
    }

    /// The counters of all workers at the end of this phase.
    pub(super) fn settle(&self) -> Counters {
        self.sum(Counters::settle)
    }

    fn sum(&self, mut counted: impl FnMut(&mut Counters) -> Counters) -> Counters {
        let mut sum = Counters::new(0);
        self.counters.iter().for_each(|counters| sum.add(&counted(&mut counters.lock())));
        sum
    }

    /// Sockets that are open and have all their subscriptions.
    pub(super) fn open(&self) -> usize {
        self.ready.load(Ordering::Relaxed) - self.closed.load(Ordering::Relaxed)
    }

    /// Deliveries of this phase.
    pub(super) fn delivered(&self) -> u64 {
        self.counters.iter().map(|counters| counters.lock().delivered).sum()
    }
}

impl Arrivals {
    /// The number of the publisher's next event, from 1.
    pub(super) fn next_order(&self) -> u32 {
        self.order.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Before publishing: `count` more deliveries are to come.
    pub(super) fn expect(&self, count: u64) {
        *self.waiting.lock() = Some(thread::current());
        self.expected.store(self.delivered.load(Ordering::SeqCst) + count, Ordering::SeqCst);
    }

    /// Waits for the expected deliveries, until `deadline` at most.
    pub(super) fn wait(&self, deadline: Instant) {
        while self.delivered.load(Ordering::SeqCst) < self.expected.load(Ordering::SeqCst) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}
