//! What the threads of a crowd tell each other: who is ready, what has arrived, what went wrong.
//!
//! Owns the clock and the counters between workers, lanes and the caller's thread. Per delivery
//! nothing here is touched; a worker comes by once a turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Instant;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::marker::Stamp;
use super::tally::{Tally, histogram};
use super::{Plan, Refusal};

/// Requests (or client events) under way at once.
pub const LANES_MAX: usize = 256;

/// Shared by all threads of one crowd.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) plan: Plan,
    /// Of the targets, in their order.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) stamp: Stamp,
    clock: Instant,
    /// Live sockets that read, by channel.
    pub(super) subscribers: Vec<AtomicU64>,
    pub(super) lanes: Vec<Meter>,
    /// A closed loop waits for deliveries; an open one need not be told of them.
    pub(super) echoes: AtomicBool,
    /// By worker.
    pub(super) tallies: Vec<Mutex<Tally>>,
    /// Sockets that came in, and those of them that are closed.
    pub(super) ready: AtomicUsize,
    pub(super) gone: AtomicUsize,
    pub(super) deflated: AtomicUsize,
    pub(super) connects: Mutex<Histogram<u64>>,
    refusal: Mutex<Option<Refusal>>,
    /// Waits for `ready` or `refusal`.
    caller: Thread,
}

/// What one lane published and what of it has arrived, over the life of the crowd.
#[derive(Debug, Default)]
pub(super) struct Meter {
    delivered: AtomicU64,
    wanted: AtomicU64,
    waiting: Mutex<Option<Thread>>,
    /// The place of its last event.
    pub(super) order: AtomicU32,
}

impl Board {
    pub(super) fn new(plan: Plan, addresses: Vec<SocketAddr>, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            addresses,
            stamp: Stamp::new(rand::random()),
            clock: Instant::now(),
            subscribers: plan.channels.iter().map(|_| AtomicU64::new(0)).collect(),
            lanes: (0..LANES_MAX).map(|_| Meter::default()).collect(),
            echoes: AtomicBool::new(false),
            tallies: (0..workers).map(|_| Mutex::new(Tally::new(0))).collect(),
            ready: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            deflated: AtomicUsize::new(0),
            connects: Mutex::new(histogram()),
            refusal: Mutex::new(None),
            caller: std::thread::current(),
            plan,
        })
    }

    /// The crowd's clock, which markers are written in.
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn instant(&self, ns: u64) -> Instant {
        self.clock + std::time::Duration::from_nanos(ns)
    }

    /// Notes why the crowd does not come about; the first reason is the one that counts.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.lock().get_or_insert(refusal);
        self.caller.unpark();
    }

    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.lock().take()
    }

    /// A socket has all its subscriptions.
    pub(super) fn joined(&self, seat: usize, took_ns: u64) {
        for channel in &self.plan.seats[seat].channels {
            self.subscribers[*channel].fetch_add(1, Ordering::Relaxed);
        }
        super::tally::record(&mut self.connects.lock(), took_ns);
        if self.ready.fetch_add(1, Ordering::Relaxed) + 1 == self.plan.seats.len() {
            self.caller.unpark();
        }
    }

    /// A socket that had joined is not expected to hear anything any more.
    pub(super) fn left(&self, seat: usize) {
        for channel in &self.plan.seats[seat].channels {
            self.subscribers[*channel].fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn subscribers(&self, channel: usize) -> u64 {
        self.subscribers[channel].load(Ordering::Relaxed)
    }

    /// Deliveries of a lane's events.
    pub(super) fn arrived(&self, lane: u16, count: u64) {
        let Some(meter) = self.lanes.get(usize::from(lane)) else { return };
        let delivered = meter.delivered.fetch_add(count, Ordering::SeqCst) + count;
        if delivered >= meter.wanted.load(Ordering::SeqCst)
            && let Some(thread) = &*meter.waiting.lock()
        {
            thread.unpark();
        }
    }

    /// All workers' counts of this phase so far.
    pub(super) fn sum(&self) -> Tally {
        self.added_up(|tally| tally.clone())
    }

    /// All workers' counts at the end of this phase.
    pub(super) fn settle(&self) -> Tally {
        self.added_up(Tally::settle)
    }

    fn added_up(&self, mut counts: impl FnMut(&mut Tally) -> Tally) -> Tally {
        let mut sum = Tally::new(0);
        self.tallies.iter().for_each(|tally| sum.add(&counts(&mut tally.lock())));
        sum
    }

    /// Sockets that are open and have all their subscriptions.
    pub(super) fn open(&self) -> usize {
        self.ready.load(Ordering::Relaxed) - self.gone.load(Ordering::Relaxed)
    }

    /// How much has been delivered in this phase.
    pub(super) fn delivered(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.lock().delivered).sum()
    }
}

impl Meter {
    /// Before publishing: this many deliveries are to come, beside what has come so far.
    pub(super) fn want(&self, count: u64) {
        *self.waiting.lock() = Some(std::thread::current());
        self.wanted.store(self.delivered.load(Ordering::SeqCst) + count, Ordering::SeqCst);
    }

    /// Whether all has come that was wanted; if not, waits once, until `deadline` at most.
    pub(super) fn has_all(&self, deadline: Instant) -> bool {
        let all = || self.delivered.load(Ordering::SeqCst) >= self.wanted.load(Ordering::SeqCst);
        while !all() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(left);
        }
        true
    }
}
