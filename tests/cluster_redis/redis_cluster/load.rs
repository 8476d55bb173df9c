//! Events of all nodes, one behind the other, and what subscribers of all nodes receive of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinHandle;

use crate::fixture::subscribers;
use crate::harness::{Backend, TestCluster, TestSocket, eventually};

/// Of each node before and behind what a test does to Redis.
const SOME: u64 = 100;

/// A back end for each node that triggers without a pause.
pub(crate) struct Load {
    sockets: Vec<TestSocket>,
    senders: Vec<Sender>,
    is_over: Arc<AtomicBool>,
}

struct Sender {
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// What all subscribers together did not receive as it was sent.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) out_of_order: u64,
}

impl Load {
    pub(crate) async fn start(cluster: &TestCluster) -> Self {
        let sockets = subscribers(cluster, "load").await;
        let is_over = Arc::new(AtomicBool::new(false));
        let sender = |(at, backend): (usize, Backend)| {
            let sent = Arc::new(AtomicU64::new(0));
            let task = tokio::spawn(send(at, backend, sent.clone(), is_over.clone()));
            Sender { sent, task }
        };
        let backends = cluster.nodes.iter().map(|node| node.backend()).enumerate();
        let senders = backends.map(sender).collect();
        Self { sockets, senders, is_over }
    }

    /// Waits for some more events.
    pub(crate) async fn runs_on(&self) {
        for Sender { sent, .. } in &self.senders {
            let wanted = sent.load(Ordering::Relaxed) + SOME;
            eventually("further events", async || sent.load(Ordering::Relaxed) >= wanted).await;
        }
    }

    /// Stops sending, and compares what was received.
    pub(crate) async fn end(mut self, cluster: &TestCluster) -> Tally {
        self.is_over.store(true, Ordering::Relaxed);
        for Sender { task, .. } in &mut self.senders {
            task.await.unwrap();
        }
        cluster.settle().await;
        let sent: Vec<u64> =
            self.senders.iter().map(|sender| sender.sent.load(Ordering::Relaxed)).collect();
        let mut tally = Tally::default();
        for socket in &mut self.sockets {
            let received = socket.receive_all().await;
            for (node, sent) in sent.iter().enumerate() {
                let marks = received.iter().filter_map(|text| mark(text, node));
                tally.add(&marks.collect::<Vec<u64>>(), *sent);
            }
        }
        tally
    }
}

impl Tally {
    /// What one subscriber received of one node, which sent so many.
    fn add(&mut self, received: &[u64], sent: u64) {
        let mut times = vec![0_u64; sent as usize];
        for number in received {
            times[*number as usize] += 1;
        }
        self.lost += times.iter().filter(|times| **times == 0).count() as u64;
        self.repeated += times.iter().map(|times| times.saturating_sub(1)).sum::<u64>();
        self.out_of_order += received.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64;
    }
}

async fn send(at: usize, mut backend: Backend, sent: Arc<AtomicU64>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let number = sent.load(Ordering::Relaxed);
        backend.trigger("load", "news", &format!("{at}/{number}/")).await;
        sent.store(number + 1, Ordering::Relaxed);
    }
}

/// The number of an event of a node.
fn mark(text: &str, node: usize) -> Option<u64> {
    let (_, rest) = text.split_once(&format!("\"{node}/"))?;
    rest.split('/').next()?.parse().ok()
}
