//! What happens on a link, and who gets it: what Redis pushes over the connection, and what the link itself notices.
//!
//! Owns how a push is read, and the gate that passes those of one connection on until it is given up.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cluster::directory::agreement::Claim;
use crate::cluster::directory::reply::Reply;
use crate::cluster::directory::request::Request;
use crate::cluster::directory::{NodeId, RedisIdentity};
use crate::redis_connection::{KeySpace, LinkError, LinkStatus};

/// Has the requests of a node, and gets what happens on its link.
pub(in crate::cluster) trait LinkOwner: Send + Sync {
    /// Takes the next requests; none if there are none.
    fn take_requests(&self) -> Vec<Request>;
    /// Notified when there are requests.
    fn requests_ready(&self) -> &Notify;
    /// What this node is configured with, for comparison.
    fn claim(&self) -> Claim;
    /// Where the state of the link is noted for operators.
    fn status(&self) -> &LinkStatus;
    /// Something happened on the link.
    fn link_event(&self, event: LinkEvent<'_>);
}

/// What happens on a link.
pub(in crate::cluster) enum LinkEvent<'a> {
    Connected(RedisIdentity),
    /// An attempt to connect failed.
    ConnectFailed,
    Disconnected,
    Subscribed {
        topic: &'a str,
    },
    Message {
        topic: &'a str,
        payload: &'a [u8],
    },
    Replied(Reply),
    /// The claims of the other nodes that are alive.
    Claims(&'a [(NodeId, Option<Claim>)]),
    /// Redis answered a batch of requests after this time.
    RoundTrip(Duration),
    /// Time has passed.
    Tick,
}

/// Passes the pushes of one connection on, until the link gives it up.
pub(super) struct PushGate {
    sharded: Arc<KeySpace>,
    pub(super) is_closed: AtomicBool,
    /// Unsubscriptions that were sent and are not confirmed.
    unsubscribing: AtomicUsize,
    /// The server has ended a subscription by itself: the slot of the topics is on another one now. The library takes
    /// this push for the answer to the command that waits longest, so no answer counts any more.
    pub(super) has_moved: AtomicBool,
    /// The connection cannot be used any more.
    pub(super) gone: CancellationToken,
}

impl PushGate {
    pub(super) fn new(sharded: Arc<KeySpace>) -> Self {
        Self {
            sharded,
            is_closed: AtomicBool::new(false),
            unsubscribing: AtomicUsize::new(0),
            has_moved: AtomicBool::new(false),
            gone: CancellationToken::new(),
        }
    }

    /// A batch is about to be sent.
    pub(super) fn announce(&self, batch: &[Request]) {
        let count = batch.iter().filter(|it| matches!(it, Request::Unsubscribe(_))).count();
        if count > 0 {
            self.unsubscribing.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Why the connection cannot be used.
    pub(super) fn end(&self) -> LinkError {
        match self.has_moved.load(Ordering::Relaxed) {
            true => LinkError::SlotMoved,
            false => LinkError::Redis(closed()),
        }
    }

    pub(super) fn pass(&self, push: &PushInfo, owner: &dyn LinkOwner) {
        if self.is_closed.load(Ordering::Relaxed) {
            return;
        }
        match Push::read(push, &self.sharded) {
            Push::Message { topic, payload } => {
                owner.link_event(LinkEvent::Message { topic: &topic, payload });
            }
            Push::Subscribed { topic } => {
                owner.link_event(LinkEvent::Subscribed { topic: &topic });
            }
            Push::Unsubscribed => {
                let one_less = |count: usize| count.checked_sub(1);
                let (relaxed, count) = (Ordering::Relaxed, &self.unsubscribing);
                if count.fetch_update(relaxed, relaxed, one_less).is_err() {
                    self.has_moved.store(true, Ordering::Relaxed);
                    self.gone.cancel();
                }
            }
            Push::Gone => self.gone.cancel(),
            Push::Other => {}
        }
    }
}

/// A message that Redis pushes over the connection, reduced to what the cluster uses.
pub(super) enum Push<'a> {
    Message {
        topic: Cow<'a, str>,
        payload: &'a [u8],
    },
    Subscribed {
        topic: Cow<'a, str>,
    },
    /// From a topic of a slot: as requested, or because the slot is on another server now.
    Unsubscribed,
    Gone,
    Other,
}

impl<'a> Push<'a> {
    /// `sharded` has the names of topics that belong to a slot.
    pub(super) fn read(push: &'a PushInfo, sharded: &KeySpace) -> Self {
        let text = |at: usize| match push.data.get(at) {
            Some(Value::BulkString(bytes)) => Some(&**bytes),
            Some(Value::SimpleString(text)) => Some(text.as_bytes()),
            _ => None,
        };
        let topic = text(0).and_then(|topic| std::str::from_utf8(topic).ok());
        match (&push.kind, topic, text(1)) {
            (PushKind::Message, Some(topic), Some(payload)) => {
                Self::Message { topic: topic.into(), payload }
            }
            (PushKind::SMessage, Some(topic), Some(payload)) => {
                Self::Message { topic: sharded.plain(topic), payload }
            }
            (PushKind::Subscribe, Some(topic), _) => Self::Subscribed { topic: topic.into() },
            (PushKind::SSubscribe, Some(topic), _) => {
                Self::Subscribed { topic: sharded.plain(topic) }
            }
            (PushKind::SUnsubscribe, ..) => Self::Unsubscribed,
            (PushKind::Disconnection, ..) => Self::Gone,
            _ => Self::Other,
        }
    }
}

fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}
