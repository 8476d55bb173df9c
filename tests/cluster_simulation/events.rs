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
    /// Cache channels store it.
    pub(crate) is_of_back_end: bool,
    /// Whoever was subscribed, answered and not excepted then.
    pub(crate) expected: Vec<SocketId>,
    pub(crate) except: Option<SocketId>,
    /// How far it went, by the answer to its publisher, and when.
    pub(crate) answer: Option<(PublishScope, u64)>,
    pub(crate) waiter: Option<oneshot::Receiver<PublishScope>>,
}

/// What its subscribers are sent.
pub(crate) fn frame(event: usize, filling: usize) -> Frame {
    Frame::text(data(event, filling).as_bytes())
}

/// The data of an event.
pub(crate) fn data(event: usize, filling: usize) -> String {
    format!("#{event}#{}", "x".repeat(filling))
}

/// The content of a forged event.
pub(crate) const FORGED: &str = "forged";

/// Which event a message is.
pub(crate) fn number_of(payload: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(payload).ok()?;
    // What a core alone was given, or the message that a whole node made of it.
    let data = text.split_once("\"data\":\"").map_or(text, |(_, data)| data);
    data.strip_prefix('#')?.split('#').next()?.parse().ok()
}
