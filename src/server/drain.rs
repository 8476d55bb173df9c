//! The drain: in which order a server that stops closes its sockets and listeners, and how long each
//! step may take.
//!
//! Only sockets are closed at once. Back ends are served until the last listener is closed, since a
//! proxy passes a refused connection to another node, and a refused trigger to none. No peer decides
//! how long a stop takes: each step has a bound of its own.

use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::drain_pace::{self, DrainPace};
use super::listen::PassableSockets;
use crate::hub::Shards;
use crate::metrics::{Condition, Metrics};
use crate::node::Node;
use crate::protocol::CloseCode;
use crate::webhook::Webhooks;
use crate::websocket::Stopping;

/// How long handshakes are still answered (with 4100) after the last socket is closed. pusher-js
/// reconnects at once after 4200; if no server listens then, it waits 15 s before the next attempt,
/// but after 4100 only one, which turns a restart of 20 ms into an absence of one second.
const RECONNECTS: Duration = Duration::from_millis(500);

/// The same for a server without sockets: handshakes sent before the stop have arrived by then.
const HANDSHAKES: Duration = Duration::from_millis(100);

/// After the listeners are closed, one of this many parts of the drain is for requests that are being
/// served or incomplete, answers that are not read, and upgrades that wait for Redis.
const REQUESTS_SHARE: u32 = 4;

/// After a second signal, the time for close frames to be written and read.
const CUT_SHORT: Duration = Duration::from_secs(1);

/// How a server drains.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrainConfig {
    /// `server.drain_seconds`.
    pub(super) time: Duration,
    /// The bound of the steps below: that, without what follows them.
    pub(super) bound: Duration,
    /// `server.drain_sockets_per_second`.
    pub(super) sockets_per_second: usize,
}

/// The end of a server.
pub(super) struct Drain<'a> {
    pub(super) node: &'a Node,
    pub(super) shards: &'a Shards,
    pub(super) config: DrainConfig,
    pub(super) stopping: &'a Stopping,
    /// Cancelled to stop accepting.
    pub(super) closed: &'a CancellationToken,
    pub(super) passable: &'a PassableSockets,
    pub(super) metrics: &'a Metrics,
    pub(super) webhooks: &'a Webhooks,
    /// Since when the time of the drain runs.
    pub(super) begun: OnceLock<Instant>,
}

impl Drain<'_> {
    /// Waits until the server stops, or another process has taken over; then closes all sockets, and returns
    /// when the connections that remain have had their time.
    pub(super) async fn run(&self, stop: Pin<&mut impl Future<Output = ()>>) {
        let mut stop = stop;
        tokio::select! {
            () = stop.as_mut() => {}
            () = self.stopping.handed_over.cancelled() => tokio::select! {
                () = self.after_hand_over() => return,
                // Its time is bounded from now on.
                () = stop.as_mut() => {}
            },
        }
        self.begin();
        let _ = self.begun.set(Instant::now());
        if timeout(self.config.bound, self.stop()).await.is_err() {
            tracing::warn!(
                "the drain took all its time, and what is left is cut off: raise server.drain_seconds"
            );
        }
    }

    /// When webhooks are given up that still wait when the connections have ended, without the time in which a node leaves
    /// its cluster: at the bound of a drain, and after a hand-over, when nothing waits for this process, that long from now.
    pub(super) fn end(&self) -> Instant {
        *self.begun.get_or_init(Instant::now) + self.config.bound
    }

    fn begin(&self) {
        self.metrics.process.condition.set(Condition::Draining, true);
        self.stopping.begun.cancel();
        // A socket that is closed receives nothing that waits.
        self.node.end_pacing(Instant::now());
    }

    /// Closes every socket with 4200 at the configured rate, or faster where that would take more than half
    /// of the time. Then stops accepting, and returns when the remaining connections have had their time.
    /// A socket that was opening when the drain began may still appear, so sockets are closed until then.
    async fn stop(&self) {
        let Self { shards, config, closed, .. } = self;
        let sockets = shards.socket_count();
        let mut pace = DrainPace::new(sockets, config.sockets_per_second, Some(config.time / 2));
        if pace.per_second() > config.sockets_per_second {
            tracing::warn!(
                sockets,
                closed_per_second = pace.per_second(),
                "half of server.drain_seconds is too short for server.drain_sockets_per_second: \
                 sockets are closed faster; raise one of them"
            );
        }
        let mut steps = steps();
        let mut close_at = Instant::now() + HANDSHAKES;
        while close_at > Instant::now() {
            steps.tick().await;
            if shards.socket_count() > 0 {
                shards.end_some(pace.next_step(Instant::now()), CloseCode::ReconnectNow);
                close_at = Instant::now() + RECONNECTS;
            }
        }
        self.passable.release();
        closed.cancel();
        let _ = timeout(config.time / REQUESTS_SHARE, self.close_sockets(pace)).await;
    }

    /// The same where another process accepts: this one stops accepting first, and takes the time that the
    /// rate needs, since nothing waits for its end.
    async fn after_hand_over(&self) {
        let Self { shards, config, .. } = self;
        self.webhooks.hand_over();
        self.passable.release();
        self.closed.cancel();
        self.begin();
        let (sockets, per_second) = (shards.socket_count(), config.sockets_per_second);
        let spread = Duration::from_secs_f64(sockets as f64 / per_second as f64);
        let pace = DrainPace::new(sockets, per_second, None);
        let _ = timeout(spread + config.time, self.close_sockets(pace)).await;
    }

    /// Never ends.
    async fn close_sockets(&self, mut pace: DrainPace) {
        let mut steps = steps();
        loop {
            steps.tick().await;
            self.shards.end_some(pace.next_step(Instant::now()), CloseCode::ReconnectNow);
        }
    }
}

/// Never closer together than a step, so that a late one does not make the next second exceed the rate.
fn steps() -> Interval {
    let mut steps = interval(drain_pace::STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    steps
}

/// Closes every socket with 4200 at once, and returns when all are closed or after [`CUT_SHORT`].
pub(super) async fn cut_short(shards: &Shards) {
    let all_closed = async {
        while shards.socket_count() > 0 {
            shards.end_some(shards.socket_count(), CloseCode::ReconnectNow);
            sleep(drain_pace::STEP / 4).await;
        }
    };
    let _ = timeout(CUT_SHORT, all_closed).await;
}
