//! The drain: in which order a server that stops closes its sockets and listeners, and how long each
//! step may take.
//!
//! Only sockets are closed at once. Back ends are served until the last listener is closed, since a
//! proxy passes a refused connection to another node, and a refused trigger to none. No peer decides
//! how long a stop takes: each step has a bound of its own.

use std::time::{Duration, Instant};

use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::hub::Shards;
use crate::protocol::CloseCode;

/// Sockets closed per second of a drain, at least. pusher-js reconnects at once after 4200
/// and without jitter: this is the rate at which the sockets arrive at the other nodes.
const DRAIN_PER_SECOND_MIN: usize = 1000;

/// One step of a drain.
const DRAIN_STEP: Duration = Duration::from_millis(20);

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

/// Closes every socket with 4200, evenly over half of `time`, or faster where that would be under
/// [`DRAIN_PER_SECOND_MIN`]. Then cancels `closed`, so that no connection is accepted any more, and
/// returns when the remaining ones have had their time. A socket that was opening when the drain
/// began may still appear, so sockets are closed until then.
pub(super) async fn drain(shards: &Shards, time: Duration, closed: &CancellationToken) {
    let sockets = shards.socket_count();
    let steps = (time / 2).as_millis() / DRAIN_STEP.as_millis();
    let even = sockets.div_ceil(usize::try_from(steps).unwrap_or(1).max(1));
    let step = even.max(DRAIN_PER_SECOND_MIN * DRAIN_STEP.as_millis() as usize / 1000);
    let mut ticks = interval(DRAIN_STEP);
    let mut close_at = Instant::now() + HANDSHAKES;
    while close_at > Instant::now() {
        ticks.tick().await;
        if shards.socket_count() > 0 {
            shards.end_some(step, CloseCode::ReconnectNow);
            close_at = Instant::now() + RECONNECTS;
        }
    }
    closed.cancel();
    let closing = async {
        loop {
            ticks.tick().await;
            shards.end_some(step, CloseCode::ReconnectNow);
        }
    };
    let _ = timeout(time / REQUESTS_SHARE, closing).await;
}

/// Closes every socket with 4200 at once, and returns when all are closed or after [`CUT_SHORT`].
pub(super) async fn cut_short(shards: &Shards) {
    let all_closed = async {
        while shards.socket_count() > 0 {
            // The whole number on each shard, since all of them may be on one.
            shards.end_some(shards.socket_count() * shards.count(), CloseCode::ReconnectNow);
            sleep(DRAIN_STEP / 4).await;
        }
    };
    let _ = timeout(CUT_SHORT, all_closed).await;
}
