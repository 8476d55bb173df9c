//! Inquiries: what an operator asks at one node goes to all nodes of the cluster, and each answers in parts.
//!
//! Owns which inquiries of this node are open, and the bounds on what comes from others: any user of that Redis can
//! send both. What is asked and answered is left to `internal`. Nothing on the way of an event waits for an inquiry.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::cluster::{Inquiry, InquiryAnswer, NodeId};
use crate::partitions::Partitions;

/// A longer inquiry is dropped: a path and a query of the internal API.
const MAX_INQUIRY_BYTES: usize = 8 * 1024;

/// A longer part is dropped, and a longer answer is sent in parts of this size: 1 000 of them do not fill what Redis
/// keeps for a subscriber (32 MB).
pub const MAX_PART_BYTES: usize = 32 * 1024;

/// Inquiries of other nodes that wait to be answered; further ones are dropped.
const MAX_ASKED: usize = 64;

/// Parts that wait for the operator of one inquiry; further ones are dropped.
const MAX_PARTS: usize = 256;

/// The inquiries of a node of a cluster.
pub(super) struct Inquiries {
    /// Where the parts of the answers go, by the id of the inquiry.
    open: Mutex<HashMap<u64, mpsc::Sender<AnswerPart>>>,
    asked: mpsc::Sender<AskedInquiry>,
    waiting: Mutex<Option<mpsc::Receiver<AskedInquiry>>>,
}

/// The inquiries of a node, and the cluster that carries them.
pub struct NodeInquiries {
    partitions: Arc<Partitions>,
    inquiries: Arc<Inquiries>,
}

/// What another node asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedInquiry {
    pub(super) from: NodeId,
    /// The id of the inquiry; the same again renews it.
    pub id: u64,
    /// What is asked; empty ends the inquiry.
    pub text: String,
}

/// A part of the answer of another node.
#[derive(Debug, PartialEq, Eq)]
pub struct AnswerPart {
    /// The name of the node that answers.
    pub node: String,
    /// The part.
    pub text: String,
    /// Whether no part of this node comes behind it.
    pub is_last: bool,
}

/// An inquiry of this node, until it is dropped.
pub struct OpenInquiry {
    node: NodeInquiries,
    id: u64,
    parts: mpsc::Receiver<AnswerPart>,
}

impl Inquiries {
    pub(super) fn new() -> Self {
        let (asked, waiting) = mpsc::channel(MAX_ASKED);
        Self { open: Mutex::default(), asked, waiting: Mutex::new(Some(waiting)) }
    }

    /// Another node asks. Called under the lock of the cluster, so it never waits.
    pub(super) fn asked(&self, asked: AskedInquiry) {
        if asked.text.len() > MAX_INQUIRY_BYTES || self.asked.try_send(asked).is_err() {
            tracing::debug!(
                "an inquiry of another node is too long, or one of too many, and is dropped"
            );
        }
    }

    /// Another node answers. Called under the lock of the cluster, so it never waits.
    pub(super) fn answered(&self, id: u64, part: AnswerPart) {
        let open = self.open.lock();
        let Some(parts) = open.get(&id) else { return };
        if part.text.len() > MAX_PART_BYTES || parts.try_send(part).is_err() {
            tracing::debug!(
                "a part of an answer of another node is too long, or one of too many, and is dropped"
            );
        }
    }
}

impl NodeInquiries {
    pub(super) fn new(partitions: Arc<Partitions>, inquiries: Arc<Inquiries>) -> Self {
        Self { partitions, inquiries }
    }

    /// What other nodes ask, for the one task that answers.
    pub fn take_asked(&self) -> Option<mpsc::Receiver<AskedInquiry>> {
        self.inquiries.waiting.lock().take()
    }

    /// An inquiry to all other nodes. Parts of answers arrive once it is asked.
    pub fn open(self) -> OpenInquiry {
        let (sender, parts) = mpsc::channel(MAX_PARTS);
        // Random, so that no program can answer before it has read the inquiry.
        let id = rand::random();
        self.inquiries.open.lock().insert(id, sender);
        OpenInquiry { node: self, id, parts }
    }

    /// Sends a part of an answer to the node that asks.
    pub fn answer(&self, asked: &AskedInquiry, part: &str, is_last: bool) {
        let answer = InquiryAnswer { id: asked.id, part, is_last };
        self.partitions.reachable().act(|core| core.answer_inquiry(asked.from, &answer));
    }
}

impl AskedInquiry {
    /// The name of the node that asks.
    pub fn asker(&self) -> String {
        self.from.to_string()
    }
}

impl OpenInquiry {
    /// Asks, or renews what was asked; false if Redis is away.
    pub fn ask(&self, text: &str) -> bool {
        let inquiry = Inquiry { id: self.id, text };
        self.node.partitions.reachable().act(|core| core.inquire(&inquiry))
    }

    /// Other nodes that live; `None` while Redis is away.
    pub fn other_nodes(&self) -> Option<u32> {
        let (is_connected, nodes) =
            self.node.partitions.reachable().act(|core| (core.is_connected(), core.live_nodes()));
        is_connected.then(|| nodes.saturating_sub(1))
    }

    /// The next part of an answer.
    pub async fn next(&mut self) -> Option<AnswerPart> {
        self.parts.recv().await
    }

    /// A part that has arrived.
    pub fn try_next(&mut self) -> Option<AnswerPart> {
        self.parts.try_recv().ok()
    }
}

impl Drop for OpenInquiry {
    fn drop(&mut self) {
        self.node.inquiries.open.lock().remove(&self.id);
        // Without it the other nodes go on for the rest of a lease.
        self.ask("");
    }
}

#[cfg(test)]
mod tests {
    use super::{AnswerPart, AskedInquiry, Inquiries, MAX_ASKED, MAX_INQUIRY_BYTES, NodeId};

    fn asked(text: String) -> AskedInquiry {
        AskedInquiry { from: NodeId(7), id: 1, text }
    }

    #[test]
    fn what_other_nodes_ask_is_bounded() {
        let inquiries = Inquiries::new();
        inquiries.asked(asked("x".repeat(MAX_INQUIRY_BYTES + 1)));
        (0..MAX_ASKED + 7).for_each(|_| inquiries.asked(asked("/".to_owned())));
        let mut waiting = inquiries.waiting.lock().take().unwrap();
        let taken = std::iter::from_fn(|| waiting.try_recv().ok());
        assert_eq!(taken.filter(|asked| asked.text == "/").count(), MAX_ASKED);
    }

    #[test]
    fn an_answer_to_an_inquiry_that_is_not_open_is_dropped() {
        let inquiries = Inquiries::new();
        let text = "a part".to_owned();
        inquiries.answered(9, AnswerPart { node: "b".to_owned(), text, is_last: true });
        assert!(inquiries.open.lock().is_empty());
    }
}
