//! The events of a schedule: what was published, its receivers, and what became of it.

use std::sync::Arc;

use resound::cluster::PublishScope;
use resound::protocol::{Frame, SocketId};
use tokio::sync::oneshot;

/// One event.
pub(crate) struct Event {
    pub(crate) channel: Arc<str>,
    /// The node's id.
    pub(crate) origin: u64,
    pub(crate) at: u64,
    /// Whoever was subscribed, answered and not excepted then.
    pub(crate) expected: Vec<SocketId>,
    pub(crate) except: Option<SocketId>,
    /// How far it went, by the answer to its publisher, and when.
    pub(crate) answer: Option<(PublishScope, u64)>,
    pub(crate) waiter: Option<oneshot::Receiver<PublishScope>>,
}

/// What its subscribers are sent.
pub(crate) fn frame(event: usize, filling: usize) -> Frame {
    Frame::text(format!("#{event}#{}", "x".repeat(filling)).as_bytes())
}

/// The content of a forged event.
pub(crate) const FORGED: &str = "forged";

/// Which event a message is.
pub(crate) fn number_of(payload: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(payload).ok()?.strip_prefix('#')?;
    text.split('#').next()?.parse().ok()
}
