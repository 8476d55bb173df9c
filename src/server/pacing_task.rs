//! The task that wakes paced channels when something is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::node::Node;

/// Where nothing waits, the task sleeps until an event has to.
const NEVER: Duration = Duration::from_secs(3600);

/// Has paced channels deliver what is due, for as long as the process runs.
pub(super) async fn run(node: Arc<Node>) {
    let alarm = node.shards().alarm();
    loop {
        let next = alarm.next().unwrap_or_else(|| Instant::now() + NEVER);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            // The time is another one now.
            () = alarm.earlier() => continue,
        }
        alarm.take();
        node.release_paced(Instant::now());
    }
}
