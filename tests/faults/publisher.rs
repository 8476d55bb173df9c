//! A back end that numbers its events on one channel, and records which were answered 200.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::account::Published;
use crate::harness::Backend;

/// How long an answer is waited for: longer than any that a server owes.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// What it publishes, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) every: Duration,
    /// Of each event, behind its number.
    pub(crate) weight: usize,
}

impl Pace {
    /// 40 small events a second: the silence of a subscriber is known to 25 ms.
    pub(crate) const STEADY: Self = Self { every: Duration::from_millis(25), weight: 40 };
}

/// A publisher under way: the next event goes out after the answer to the last one, at the next of its addresses.
pub(crate) struct Publisher {
    record: Arc<Mutex<Vec<Published>>>,
    stopping: Arc<AtomicBool>,
    task: JoinHandle<Source>,
}

/// Where the events of one publisher come from.
struct Source {
    backends: Vec<Backend>,
    channel: String,
    weight: usize,
    number: u64,
    record: Arc<Mutex<Vec<Published>>>,
}

/// A publisher that publishes no further of itself.
pub(crate) struct Stopped {
    source: Source,
}

impl Publisher {
    pub(crate) fn start(addresses: &[SocketAddr], channel: &str, pace: Pace) -> Self {
        let backend =
            |address: &SocketAddr| Backend::new(*address, "123456", "reverb-key", "reverb-secret");
        Self::by(addresses.iter().map(backend).collect(), channel, pace)
    }

    /// The same by back ends that have their connections already.
    pub(crate) fn by(backends: Vec<Backend>, channel: &str, pace: Pace) -> Self {
        let record = Arc::new(Mutex::new(Vec::new()));
        let mut source = Source {
            backends,
            channel: channel.to_owned(),
            weight: pace.weight,
            number: 0,
            record: record.clone(),
        };
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(pace.every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !stop.load(Ordering::Relaxed) {
                ticks.tick().await;
                source.publish().await;
            }
            source
        });
        Self { record, stopping, task }
    }

    /// How many were answered 200 so far.
    pub(crate) fn accepted(&self) -> usize {
        self.record.lock().iter().filter(|one| one.accepted).count()
    }

    /// What it sent so far.
    pub(crate) fn record(&self) -> Vec<Published> {
        self.record.lock().clone()
    }

    pub(crate) async fn stop(self) -> Stopped {
        self.stopping.store(true, Ordering::Relaxed);
        Stopped { source: self.task.await.expect("a publisher that does not panic") }
    }
}

impl Stopped {
    /// One event more; its number, if it was accepted.
    pub(crate) async fn publish(&mut self) -> Option<u64> {
        self.source.publish().await.then_some(self.source.number)
    }

    pub(crate) fn record(&self) -> Vec<Published> {
        self.source.record.lock().clone()
    }

    pub(crate) fn channel(&self) -> &str {
        &self.source.channel
    }
}

impl Source {
    async fn publish(&mut self) -> bool {
        self.number += 1;
        let number = self.number;
        let data = format!("{number}:{}", "x".repeat(self.weight));
        let body = json!({ "name": "event", "channels": [self.channel], "data": data }).to_string();
        let at = number as usize % self.backends.len();
        let sent = Instant::now();
        let answer = self.backends[at].post_within(ANSWER_LIMIT, "/events", &body).await;
        let accepted = answer.is_some_and(|answer| answer.status == 200);
        self.record.lock().push(Published { number, sent, answered: Instant::now(), accepted });
        accepted
    }
}
