//! The events of this node on their way through Redis.
//!
//! Each is delivered on this node exactly once: when it returns on its topic, after
//! `cluster.local_delivery_after_ms`, or when the link is lost, whichever comes first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::effect::PublishScope;
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::event_head;
use crate::cluster::directory::request::{DataProof, PublishRequest};
use crate::protocol::{Frame, SocketId};

/// Memory of an event beyond its frame while it is under way.
const OVERHEAD_BYTES: usize = 256;

/// The events of this node that are not confirmed, or not delivered.
pub(super) struct PublishQueue {
    node: NodeId,
    last_serial: u64,
    pending: BTreeMap<u64, PendingPublish>,
    bytes: usize,
    /// Events that were given up before the other nodes received them.
    not_replicated: u64,
    /// How many times Redis has lost its data.
    losses: u64,
    last_confirmed: Option<ConfirmedPublish>,
}

/// The last event that Redis confirmed to this node.
struct ConfirmedPublish {
    topic: Arc<str>,
    serial: u64,
    at: Instant,
}

/// A back end that waits until Redis has its event.
pub(super) type Waiter = oneshot::Sender<PublishScope>;

/// An event under way.
struct PendingPublish {
    key: ChannelKey,
    topic: Arc<str>,
    frame: Frame,
    except: Option<SocketId>,
    /// A cache channel stores it.
    kept: bool,
    /// A back end triggered it.
    is_triggered: bool,
    waiter: Option<Waiter>,
    since: Instant,
    /// On this node.
    is_delivered: bool,
    is_sent: bool,
    /// Its topic was subscribed to before it was sent.
    returns: bool,
    has_returned: bool,
    is_confirmed: bool,
    /// It was sent over a link that was lost, so Redis may have it.
    is_resent: bool,
    /// How many times Redis had lost its data when it was sent first.
    losses: u64,
}

/// An event that is published on this node.
pub(super) struct NewPublish {
    pub(super) key: ChannelKey,
    pub(super) topic: Arc<str>,
    pub(super) frame: Frame,
    pub(super) except: Option<SocketId>,
    /// Resolves when Redis has the event. Only a back end waits.
    pub(super) waiter: Option<Waiter>,
}

/// What follows from the end of a link.
#[derive(Default)]
pub(super) struct LinkLoss {
    /// To be delivered on this node.
    pub(super) deliveries: Vec<LocalDelivery>,
    /// Back ends whose wait ends.
    pub(super) waiters: Vec<Waiter>,
    /// Topics and serials of events that were sent and have not returned.
    pub(super) unreturned: Vec<(Arc<str>, u64)>,
}

/// An event that Redis does not have, or may not have.
pub(super) struct Unsent {
    pub(super) serial: u64,
    pub(super) topic: Arc<str>,
    pub(super) is_of_cache_channel: bool,
}

/// An event that is now to be delivered on this node, or that a cache channel keeps as its last one.
pub(super) struct LocalDelivery {
    pub(super) topic: Arc<str>,
    pub(super) key: ChannelKey,
    pub(super) frame: Frame,
    pub(super) except: Option<SocketId>,
    pub(super) kept: bool,
    /// The sockets of this node have not received it yet.
    pub(super) is_due: bool,
    /// When its trigger arrived; `None` for a client event.
    pub(super) triggered_at: Option<Instant>,
}

impl PublishQueue {
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            last_serial: 0,
            pending: BTreeMap::new(),
            bytes: 0,
            not_replicated: 0,
            losses: 0,
            last_confirmed: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Bytes of the events under way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Events that were given up before the other nodes received them, since the last call.
    pub(super) fn take_not_replicated(&mut self) -> u64 {
        std::mem::take(&mut self.not_replicated)
    }

    /// Adds an event; returns its serial.
    pub(super) fn add(&mut self, new: NewPublish, now: Instant) -> u64 {
        let NewPublish { key, topic, frame, except, waiter } = new;
        self.last_serial += 1;
        self.bytes += frame.len() + OVERHEAD_BYTES;
        let (is_delivered, is_sent, returns, has_returned, is_confirmed, is_resent) =
            Default::default();
        // A cache channel stores the events of back ends, not of clients.
        let is_triggered = waiter.is_some();
        let kept = is_triggered && key.is_cache();
        let pending = PendingPublish {
            key,
            topic,
            frame,
            except,
            kept,
            is_triggered,
            waiter,
            since: now,
            is_delivered,
            is_sent,
            returns,
            has_returned,
            is_confirmed,
            is_resent,
            losses: 0,
        };
        self.pending.insert(self.last_serial, pending);
        self.last_serial
    }

    pub(super) fn topic(&self, serial: u64) -> Option<Arc<str>> {
        self.pending.get(&serial).map(|pending| pending.topic.clone())
    }

    /// The request of an event, which is sent now; `returns` if it arrives on its topic here.
    pub(super) fn request(&mut self, serial: u64, returns: bool) -> Option<PublishRequest> {
        let pending = self.pending.get_mut(&serial)?;
        (pending.is_sent, pending.returns) = (true, returns);
        if !pending.is_resent {
            pending.losses = self.losses;
        }
        Some(PublishRequest {
            topic: pending.topic.clone(),
            head: event_head(self.node, serial, pending.except, pending.kept),
            frame: pending.frame.clone(),
            cached: pending.kept,
            again: pending.is_resent,
        })
    }

    /// An event of this node arrived on its topic. Returns what is to be delivered: the event as it was
    /// published here, since the message that arrived may be forged.
    pub(super) fn returned(&mut self, serial: u64, topic: &str) -> Option<LocalDelivery> {
        let pending = self.pending.get_mut(&serial).filter(|pending| *pending.topic == *topic)?;
        let delivery = pending.deliver_as_last();
        pending.has_returned = true;
        if pending.is_confirmed {
            self.remove(serial);
        }
        delivery
    }

    /// Redis has the event, and `numbered` it if some node is or was lately subscribed. Returns what is to be
    /// delivered, and the back end that waits.
    pub(super) fn confirmed(
        &mut self,
        serial: u64,
        numbered: bool,
        now: Instant,
    ) -> (Option<LocalDelivery>, Option<Waiter>) {
        let Some(pending) = self.pending.get_mut(&serial) else { return (None, None) };
        pending.is_confirmed = true;
        if numbered {
            self.last_confirmed =
                Some(ConfirmedPublish { topic: pending.topic.clone(), serial, at: now });
        }
        let waiter = pending.waiter.take();
        let returns = pending.returns && numbered;
        let delivery = (!returns).then(|| pending.deliver()).flatten();
        if pending.has_returned || !returns {
            self.remove(serial);
        }
        (delivery, waiter)
    }

    /// The last confirmed event, as proof that a Redis has the data of this `epoch`: while Redis is certain to
    /// remember it, which is for `kept`.
    pub(super) fn proof(&self, epoch: &str, kept: Duration, now: Instant) -> Option<DataProof> {
        let last = self.last_confirmed.as_ref()?;
        let is_kept = now.duration_since(last.at) < kept;
        let proof = || DataProof {
            topic: last.topic.clone(),
            serial: last.serial,
            epoch: epoch.to_owned(),
        };
        is_kept.then(proof)
    }

    /// Delivers an event without waiting for Redis, and ends the wait of its back end.
    pub(super) fn deliver_early(&mut self, serial: u64) -> (Option<LocalDelivery>, Option<Waiter>) {
        let Some(pending) = self.pending.get_mut(&serial) else { return (None, None) };
        (pending.deliver(), pending.waiter.take())
    }

    /// Whether an event has returned.
    pub(super) fn has_returned(&self, serial: u64) -> bool {
        self.pending.get(&serial).is_some_and(|pending| pending.has_returned)
    }

    /// Delivers an event that will not return as it is sent. It is behind all that arrived, unless Redis had it before.
    pub(super) fn deliver_unreturned(&mut self, serial: u64) -> Option<LocalDelivery> {
        self.pending.get_mut(&serial)?.deliver_as_last()
    }

    /// Events that have waited for Redis for `after` and are not delivered.
    pub(super) fn overdue(&self, after: Duration, now: Instant) -> Vec<u64> {
        let waits = |(_, pending): &(&u64, &PendingPublish)| !pending.is_delivered;
        let is_overdue =
            |(_, pending): &(&u64, &PendingPublish)| now.duration_since(pending.since) >= after;
        // Numbered in order of time: the first that is not overdue ends it.
        let overdue = self.pending.iter().take_while(is_overdue).filter(waits);
        overdue.map(|(&serial, _)| serial).collect()
    }

    /// The link is lost: everything is delivered on this node, in order. What Redis has not confirmed is sent
    /// again when it is back; the script skips what it has.
    pub(super) fn link_lost(&mut self) -> LinkLoss {
        let mut lost = LinkLoss::default();
        for (&serial, pending) in &mut self.pending {
            lost.waiters.extend(pending.waiter.take());
            lost.deliveries.extend(pending.deliver());
            if pending.is_sent && !pending.has_returned {
                lost.unreturned.push((pending.topic.clone(), serial));
            }
            (pending.is_resent, pending.is_sent) = (pending.is_resent || pending.is_sent, false);
        }
        let bytes = &mut self.bytes;
        self.pending.retain(|_, pending| {
            if pending.is_confirmed {
                *bytes -= pending.frame.len() + OVERHEAD_BYTES;
            }
            !pending.is_confirmed
        });
        lost
    }

    /// Redis has lost its data, the record of which events it has among them.
    pub(super) fn data_lost(&mut self) {
        self.losses += 1;
    }

    /// Gives up events that Redis may have had before it lost its data: it cannot skip them, and no socket may receive
    /// an event twice. Returns their topics and serials.
    pub(super) fn drop_forgotten(&mut self) -> Vec<(Arc<str>, u64)> {
        let losses = self.losses;
        let is_forgotten = |pending: &PendingPublish| pending.is_resent && pending.losses < losses;
        let forgotten = self.pending.iter().filter(|(_, pending)| is_forgotten(pending));
        let forgotten: Vec<_> =
            forgotten.map(|(&serial, pending)| (pending.topic.clone(), serial)).collect();
        for &(_, serial) in &forgotten {
            self.not_replicated += 1;
            self.remove(serial);
        }
        forgotten
    }

    /// Events to be sent now that Redis is back, in order.
    pub(super) fn unsent(&self) -> Vec<Unsent> {
        let unsent = self.pending.iter().filter(|(_, pending)| !pending.is_sent);
        let unsent = unsent.map(|(&serial, pending)| Unsent {
            serial,
            topic: pending.topic.clone(),
            is_of_cache_channel: pending.key.is_cache(),
        });
        unsent.collect()
    }

    /// Gives up events that have waited for Redis for longer than `kept`, and the oldest beyond `bytes_max`.
    /// Returns their topics and serials.
    pub(super) fn expire(
        &mut self,
        kept: Duration,
        bytes_max: usize,
        now: Instant,
    ) -> Vec<(Arc<str>, u64)> {
        let mut given_up = Vec::new();
        while let Some((&oldest, pending)) = self.pending.first_key_value() {
            let is_old = now.duration_since(pending.since) > kept;
            let waits = pending.is_delivered && !pending.is_sent;
            if !(waits && (is_old || self.bytes > bytes_max)) {
                break;
            }
            self.not_replicated += 1;
            given_up.push((pending.topic.clone(), oldest));
            self.remove(oldest);
        }
        given_up
    }

    fn remove(&mut self, serial: u64) {
        if let Some(pending) = self.pending.remove(&serial) {
            self.bytes -= pending.frame.len() + OVERHEAD_BYTES;
        }
    }
}

impl PendingPublish {
    fn deliver(&mut self) -> Option<LocalDelivery> {
        if self.is_delivered { None } else { self.deliver_as_last() }
    }

    /// The same, and a cache channel keeps it also if it was delivered: events of others may have come since then, and it is
    /// behind them. That is so once: a message that returns again may be forged, and one that is sent again be ignored.
    fn deliver_as_last(&mut self) -> Option<LocalDelivery> {
        let is_due = !std::mem::replace(&mut self.is_delivered, true);
        (is_due || (self.kept && !self.has_returned)).then(|| LocalDelivery {
            topic: self.topic.clone(),
            key: self.key.clone(),
            frame: self.frame.clone(),
            except: self.except,
            kept: self.kept,
            is_due,
            triggered_at: self.is_triggered.then_some(self.since),
        })
    }
}
