//! The drain: in which order a server that stops turns clients away, and how long for each.
//!
//! Only sockets are turned away at once. Back ends are served until the last listener is closed,
//! since a proxy passes a refused connection to another node, and a refused publish to none. No
//! peer decides how long a stop takes: each step has a bound of its own.

use std::time::{Duration, Instant};

use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::hub::Shards;
use crate::protocol::CloseCode;

/// Sockets closed per second of a drain, at least. pusher-js comes back at once after 4200 and
/// has no jitter: this is the rate at which the other nodes see them arrive.
const DRAIN_PER_SECOND_MIN: usize = 1000;

/// One step of a drain.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// How long newcomers are still answered (with 4100) after the last socket is closed. pusher-js
/// comes back at once after 4200; if no server listens then, it waits 15 s before it tries again,
/// but after 4100 only one, which turns a restart of 20 ms into an absence of one second.
const COMEBACK: Duration = Duration::from_millis(500);

/// The same for a server without sockets: what was sent before the stop has arrived by then.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// From the last listener's end, the part of the drain for requests that are being served, heads
/// that have begun, answers that are not read, upgrades that wait for Redis: one of so many.
const STRAGGLERS_SHARE: u32 = 4;

/// What a second signal leaves for close frames to be written and read.
const HURRY: Duration = Duration::from_secs(1);

/// Closes every socket with 4200, evenly over half of the time there is, or faster where that
/// would be under [`DRAIN_PER_SECOND_MIN`]. Then accepts no connection any more (`closed`), and
/// returns when what is left has had its time. A socket that was opening when the drain began may
/// still come, so closing goes on until then.
pub(super) async fn drain(shards: &Shards, time: Duration, closed: &CancellationToken) {
    let sockets = shards.socket_count();
    let steps = (time / 2).as_millis() / DRAIN_STEP.as_millis();
    let even = sockets.div_ceil(usize::try_from(steps).unwrap_or(1).max(1));
    let step = even.max(DRAIN_PER_SECOND_MIN * DRAIN_STEP.as_millis() as usize / 1000);
    let mut ticks = interval(DRAIN_STEP);
    let mut close_at = Instant::now() + ON_THE_WAY;
    while close_at > Instant::now() {
        ticks.tick().await;
        if shards.socket_count() > 0 {
            shards.end_some(step, CloseCode::ReconnectNow);
            close_at = Instant::now() + COMEBACK;
        }
    }
    closed.cancel();
    let closing = async {
        loop {
            ticks.tick().await;
            shards.end_some(step, CloseCode::ReconnectNow);
        }
    };
    let _ = timeout(time / STRAGGLERS_SHARE, closing).await;
}

/// Closes every socket with 4200 now, and returns when that is done or can wait no longer.
pub(super) async fn hurry(shards: &Shards) {
    let all_gone = async {
        while shards.socket_count() > 0 {
            // So many on each shard, since they may all be on one.
            shards.end_some(shards.socket_count() * shards.count(), CloseCode::ReconnectNow);
            sleep(DRAIN_STEP / 4).await;
        }
    };
    let _ = timeout(HURRY, all_gone).await;
}
