//! Events of this node on their way through Redis: who waits for them, and what becomes of them if
//! Redis does not answer.
//!
//! Pure. Each event is delivered on this node exactly once: when it is heard back, or when patience
//! or the link ends, whichever comes first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::effect::{Effect, PublishScope};
use crate::cluster::directory::NodeId;
use crate::cluster::directory::key::ChannelKey;
use crate::cluster::directory::message::event_head;
use crate::cluster::directory::request::PublishRequest;
use crate::protocol::{Frame, SocketId};

/// What an event costs beyond its frame while it is under way.
const OVERHEAD_BYTES: usize = 256;

/// All events of this node that are not done with.
pub(super) struct PublishQueue {
    node: NodeId,
    next: u64,
    pending: BTreeMap<u64, PendingPublish>,
    bytes: usize,
    /// Events that other nodes did not get.
    unshared: u64,
    taken: Option<ConfirmedPublish>,
}

/// The last event that Redis has numbered, as far as this node knows.
pub(super) struct ConfirmedPublish {
    pub(super) topic: Arc<str>,
    pub(super) serial: u64,
    at: Instant,
}

/// One of them.
pub(super) struct PendingPublish {
    pub(super) key: ChannelKey,
    pub(super) topic: Arc<str>,
    pub(super) frame: Frame,
    pub(super) except: Option<SocketId>,
    kept: bool,
    waiter: Option<oneshot::Sender<PublishScope>>,
    since: Instant,
    /// On this node.
    delivered: bool,
    sent: bool,
    /// Its topic was subscribed to before it was sent.
    hears: bool,
    /// Back from Redis.
    heard: bool,
    replied: bool,
    again: bool,
}

/// An event that somebody publishes here.
pub(super) struct NewPublish {
    pub(super) key: ChannelKey,
    pub(super) topic: Arc<str>,
    pub(super) frame: Frame,
    pub(super) except: Option<SocketId>,
    pub(super) waiter: Option<oneshot::Sender<PublishScope>>,
}

/// What the end of a link leaves to be done.
#[derive(Default)]
pub(super) struct LinkLoss {
    /// To be delivered on this node.
    pub(super) deliveries: Vec<LocalDelivery>,
    /// Topics and serials of what was sent and not heard back.
    pub(super) unheard: Vec<(Arc<str>, u64)>,
}

/// What is now to be delivered on this node.
pub(super) struct LocalDelivery {
    pub(super) topic: Arc<str>,
    pub(super) key: ChannelKey,
    pub(super) frame: Frame,
    pub(super) except: Option<SocketId>,
    pub(super) kept: bool,
}

impl PublishQueue {
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, next: 0, pending: BTreeMap::new(), bytes: 0, unshared: 0, taken: None }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Bytes that wait for Redis.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events other nodes did not get, since the last time.
    pub(super) fn take_unshared(&mut self) -> u64 {
        std::mem::take(&mut self.unshared)
    }

    /// Takes an event in and numbers it.
    pub(super) fn add(&mut self, new: NewPublish, now: Instant) -> u64 {
        let NewPublish { key, topic, frame, except, waiter } = new;
        self.next += 1;
        self.bytes += frame.len() + OVERHEAD_BYTES;
        let (delivered, sent, hears, heard, replied, again) = Default::default();
        // Only a back end waits, and only its events are kept.
        let kept = waiter.is_some() && key.is_cache();
        let pending = PendingPublish {
            key,
            topic,
            frame,
            except,
            kept,
            waiter,
            since: now,
            delivered,
            sent,
            hears,
            heard,
            replied,
            again,
        };
        self.pending.insert(self.next, pending);
        self.next
    }

    /// Where an event goes.
    pub(super) fn topic(&self, serial: u64) -> Option<Arc<str>> {
        self.pending.get(&serial).map(|pending| pending.topic.clone())
    }

    /// The request of an event, which is sent with this; `hears` says whether it comes back here.
    pub(super) fn request(&mut self, serial: u64, hears: bool) -> Option<PublishRequest> {
        let pending = self.pending.get_mut(&serial)?;
        (pending.sent, pending.hears) = (true, hears);
        Some(PublishRequest {
            topic: pending.topic.clone(),
            head: event_head(self.node, serial, pending.except, pending.kept),
            frame: pending.frame.clone(),
            cached: pending.kept,
            again: pending.again,
        })
    }

    /// An event of this node arrived from its topic: what is now to be delivered. That is what was
    /// published here and not what arrived: the message may be forged.
    pub(super) fn heard(&mut self, serial: u64, topic: &str) -> Option<LocalDelivery> {
        let pending = self.pending.get_mut(&serial).filter(|pending| *pending.topic == *topic)?;
        let delivery = pending.deliver();
        pending.heard = true;
        if pending.replied {
            self.remove(serial);
        }
        delivery
    }

    /// Redis has it, and `numbered` it if anybody is subscribed or was of late. Whoever waits goes on.
    pub(super) fn confirmed(
        &mut self,
        serial: u64,
        numbered: bool,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<LocalDelivery> {
        let pending = self.pending.get_mut(&serial)?;
        pending.replied = true;
        if numbered {
            self.taken = Some(ConfirmedPublish { topic: pending.topic.clone(), serial, at: now });
        }
        let waiter = pending.waiter.take();
        let heard_back = pending.hears && numbered;
        let delivery = (!heard_back).then(|| pending.deliver()).flatten();
        if pending.heard || !heard_back {
            self.remove(serial);
        }
        effects.extend(waiter.map(|waiter| Effect::Published(waiter, PublishScope::Cluster)));
        delivery
    }

    /// The last event that Redis has taken, if it remembers it for certain: that is for `kept`.
    pub(super) fn taken(&self, kept: Duration, now: Instant) -> Option<&ConfirmedPublish> {
        self.taken.as_ref().filter(|taken| now.duration_since(taken.at) < kept)
    }

    /// Delivers one event without waiting for Redis.
    pub(super) fn deliver(
        &mut self,
        serial: u64,
        effects: &mut Vec<Effect>,
    ) -> Option<LocalDelivery> {
        let pending = self.pending.get_mut(&serial)?;
        let waiter = pending.waiter.take();
        effects.extend(waiter.map(|waiter| Effect::Published(waiter, PublishScope::NodeOnly)));
        pending.deliver()
    }

    /// Whether an event of this node came back.
    pub(super) fn was_heard(&self, serial: u64) -> bool {
        self.pending.get(&serial).is_some_and(|pending| pending.heard)
    }

    /// An event that this node will not hear back is delivered as it is sent.
    pub(super) fn unheard(&mut self, serial: u64) -> Option<LocalDelivery> {
        self.pending.get_mut(&serial)?.deliver()
    }

    /// Events that Redis has not answered for so long.
    pub(super) fn overdue(&self, after: Duration, now: Instant) -> Vec<u64> {
        let waits = |(_, pending): &(&u64, &PendingPublish)| !pending.delivered;
        let is_overdue =
            |(_, pending): &(&u64, &PendingPublish)| now.duration_since(pending.since) >= after;
        // Numbered in order of time: the first that is not overdue ends it.
        let overdue = self.pending.iter().take_while(is_overdue).filter(waits);
        overdue.map(|(&serial, _)| serial).collect()
    }

    /// The link is lost: what is now to be delivered on this node, in order. What Redis has not
    /// confirmed is sent again when it is back, which can tell what it has taken already.
    pub(super) fn lost(&mut self, effects: &mut Vec<Effect>) -> LinkLoss {
        let mut lost = LinkLoss::default();
        for (&serial, pending) in &mut self.pending {
            let waiter = pending.waiter.take();
            effects.extend(waiter.map(|waiter| Effect::Published(waiter, PublishScope::NodeOnly)));
            lost.deliveries.extend(pending.deliver());
            if pending.sent && !pending.heard {
                lost.unheard.push((pending.topic.clone(), serial));
            }
            (pending.again, pending.sent) = (pending.again || pending.sent, false);
        }
        let bytes = &mut self.bytes;
        self.pending.retain(|_, pending| {
            if pending.replied {
                *bytes -= pending.frame.len() + OVERHEAD_BYTES;
            }
            !pending.replied
        });
        lost
    }

    /// Gives up what may have arrived before Redis lost its data.
    pub(super) fn forget_doubtful(&mut self) {
        let doubtful = self.pending.iter().filter(|(_, pending)| pending.again);
        for serial in doubtful.map(|(&serial, _)| serial).collect::<Vec<_>>() {
            self.unshared += 1;
            self.remove(serial);
        }
    }

    /// What is to be sent now that Redis is back, in order.
    pub(super) fn unsent(&self) -> Vec<u64> {
        self.pending
            .iter()
            .filter(|(_, pending)| !pending.sent)
            .map(|(&serial, _)| serial)
            .collect()
    }

    /// Forgets what waits too long for Redis to come back, and the oldest of what is too much: topics
    /// and serials of these.
    pub(super) fn expire(
        &mut self,
        kept: Duration,
        bytes_max: usize,
        now: Instant,
    ) -> Vec<(Arc<str>, u64)> {
        let mut given_up = Vec::new();
        while let Some((&oldest, pending)) = self.pending.first_key_value() {
            let is_old = now.duration_since(pending.since) > kept;
            let waits = pending.delivered && !pending.sent;
            if !(waits && (is_old || self.bytes > bytes_max)) {
                break;
            }
            self.unshared += 1;
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
        if std::mem::replace(&mut self.delivered, true) {
            return None;
        }
        Some(LocalDelivery {
            topic: self.topic.clone(),
            key: self.key.clone(),
            frame: self.frame.clone(),
            except: self.except,
            kept: self.kept,
        })
    }
}
