//! What all connections of one worker share: the node, the shard, the limits, the shutdown signal.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::WebSocketConfig;
use crate::metrics::ReadMetrics;
use crate::node::Node;
use crate::protocol::CloseCode;

/// How long a peer may take to answer a close frame during a drain. By then the kernel has the last
/// bytes and sends them without the process; a longer wait only avoids resets of peers that still
/// send.
const DRAIN_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The end of the server, as its connections see it.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    /// Cancelled when the drain begins: from then on no socket opens.
    pub begun: CancellationToken,
    /// Cancelled, before that, when another process accepts connections on the same listeners.
    pub handed_over: CancellationToken,
}

impl Stopping {
    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Whether another process accepts connections.
    pub fn is_handed_over(&self) -> bool {
        self.handed_over.is_cancelled()
    }

    /// The code for a socket that comes too late: where another process accepts, it need not wait.
    pub(super) fn refusal(&self) -> CloseCode {
        if self.is_handed_over() { CloseCode::ReconnectNow } else { CloseCode::Draining }
    }
}

/// Shared by the connections of one worker, so that each of them holds one pointer.
pub(super) struct ConnectionContext {
    pub(super) node: Arc<Node>,
    /// The shard on the same worker, which gets the sockets.
    pub(super) shard: usize,
    pub(super) limits: WebSocketConfig,
    pub(super) metrics: ReadMetrics,
    pub(super) stopping: Stopping,
}

impl ConnectionContext {
    /// Resolves when the time to answer a close frame is over: the configured one, during a drain at
    /// most [`DRAIN_CLOSE_TIMEOUT`].
    pub(super) async fn close_timeout(&self) {
        let close_timeout = self.limits.close_timeout;
        tokio::select! {
            () = sleep(close_timeout) => return,
            () = self.stopping.begun.cancelled() => {}
        }
        sleep(close_timeout.min(DRAIN_CLOSE_TIMEOUT)).await;
    }
}
