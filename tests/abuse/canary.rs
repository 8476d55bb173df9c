//! A socket that did nothing wrong and the back end that publishes to it: how long its events take, before an abuse and
//! beside it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::harness::{Backend, TestSocket};
use crate::wire::APP;

/// How much longer the p99 may be than before the abuse. A server that serialises the others behind the abuse has
/// thousands of times its p99; what is within is the CPU that both share.
const FACTOR: u32 = 20;

/// What the p99 may be in any case. On two cores with compilers beside, the scheduler alone takes some 100 ms, and with 25
/// processes that compute up to 3 s.
const FLOOR: Duration = Duration::from_secs(6);

/// Events before the abuse.
const BEFORE: usize = 100;

/// The socket, its back end, and what it measured before.
pub(crate) struct Canary {
    socket: TestSocket,
    backend: Backend,
    channel: String,
    before: Duration,
}

impl Canary {
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let mut socket = TestSocket::greeted(address, APP).await;
        let channel = format!("canary-{}", socket.id);
        socket.subscribe(&channel).await;
        let backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
        let mut canary = Self { socket, backend, channel, before: Duration::ZERO };
        let mut times = Vec::new();
        for _ in 0..BEFORE {
            times.push(canary.event().await);
        }
        canary.before = p99(&mut times);
        canary
    }

    /// Runs an abuse, sends events beside it until it is over, and compares. Returns what the abuse returned.
    pub(crate) async fn beside<T: Send + 'static>(
        &mut self,
        what: &str,
        key: &str,
        abuse: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let begun = Instant::now();
        let (ended, mut end) = oneshot::channel();
        // A task of its own: a loop that never yields must not stop this clock.
        let task = tokio::spawn(async move {
            let outcome = abuse.await;
            let _ = ended.send(());
            outcome
        });
        let mut times = vec![self.event().await];
        while end.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            times.push(self.event().await);
        }
        let took = begun.elapsed();
        let count = times.len();
        let (during, before) = (p99(&mut times), self.before);
        println!(
            "{what} ({key}): {:.1} s; p99 of {count} events of another socket {:.1} ms, before {:.1} ms",
            took.as_secs_f64(),
            milliseconds(during),
            milliseconds(before)
        );
        let most = (before * FACTOR).max(FLOOR);
        assert!(during <= most, "{what}: p99 {during:?} beside it, {before:?} before");
        task.await.expect("the abuse does not panic")
    }

    /// One event from the request to the socket.
    async fn event(&mut self) -> Duration {
        let begin = Instant::now();
        self.backend.trigger(&self.channel, "event", "{}").await;
        loop {
            let received = self.socket.receive_json().await;
            match received["event"].as_str() {
                Some("pusher:ping") => {
                    self.socket.send_text(r#"{"event":"pusher:pong","data":{}}"#).await;
                }
                Some("event") => return begin.elapsed(),
                _ => panic!("{received}"),
            }
        }
    }
}

/// The time that one of a hundred exceeds; the longest of fewer.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() - 1 - times.len() / 100]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
