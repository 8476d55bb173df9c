//! The pace of one channel on this node: its subscribers by slice, and the events that wait for them.
//!
//! Each slice has a channel id of its own at the shards, which need no other way of delivery for it. When what
//! is due is decided by [`Pacer`].

use std::sync::Arc;
use std::time::Instant;

use super::ids::ChannelId;
use super::shards::Shards;
use crate::app::PacingRule;
use crate::channel_rules::{PacedDelivery, PacedEvent, Pacer, SLICES, SliceSet, only, slice_of};
use crate::metrics::Metrics;
use crate::protocol::{Broadcast, SocketId, server_message};

/// How the names of client events begin: they are not left out, since each has a sender of its own.
const OF_CLIENTS: &str = "client-";

/// One paced channel.
pub(super) struct PacedChannel {
    /// The id of the first slice; those of the others follow.
    first: ChannelId,
    pacer: Pacer<Broadcast>,
    is_spread: bool,
    /// Subscribers of each slice on each shard, slice by slice.
    subscribers: Box<[u32]>,
    occupied: SliceSet,
    /// When the registry will call [`release`](Self::release).
    scheduled: Option<Instant>,
    metrics: Arc<Metrics>,
    /// As the metrics have it.
    waiting: u64,
}

impl PacedChannel {
    pub(super) fn new(rule: PacingRule, shards: &Shards) -> Self {
        Self {
            first: shards.new_channel_ids(SLICES),
            pacer: Pacer::new(rule),
            is_spread: !rule.spread_over.is_zero(),
            subscribers: vec![0; SLICES as usize * shards.count()].into_boxed_slice(),
            occupied: 0,
            scheduled: None,
            metrics: shards.metrics().clone(),
            waiting: 0,
        }
    }

    /// The id under which the shards have the slice of a socket.
    pub(super) fn id_of(&self, socket: SocketId) -> ChannelId {
        self.id(slice_of(socket))
    }

    /// Counts a socket that is about to join, which receives nothing that waits.
    pub(super) fn join(&mut self, shards: &Shards, socket: SocketId) {
        let slice = slice_of(socket);
        let mut due = Vec::new();
        self.pacer.release_slice(slice, &mut due);
        self.carry_out(shards, due);
        self.subscribers[slice as usize * shards.count() + shards.of(socket)] += 1;
        self.occupied |= only(slice);
    }

    /// Counts a socket that leaves.
    pub(super) fn leave(&mut self, shards: &Shards, socket: SocketId) {
        let slice = slice_of(socket);
        let first = slice as usize * shards.count();
        self.subscribers[first + shards.of(socket)] -= 1;
        if self.subscribers[first..][..shards.count()].iter().all(|count| *count == 0) {
            self.occupied &= !only(slice);
            self.pacer.forget_vacant(self.occupied);
            self.count_waiting();
        }
    }

    /// Takes an event, which may wait.
    pub(super) fn publish(
        &mut self,
        shards: &Shards,
        broadcast: &Broadcast,
        except: Option<SocketId>,
    ) {
        let (now, mut due) = (Instant::now(), Vec::new());
        if shards.alarm().is_over() {
            self.pacer.release_all(now, &mut due);
            due.push(PacedDelivery::ToSlices(!0, broadcast.clone(), except));
            self.carry_out(shards, due);
            return;
        }
        let frame = broadcast.plain();
        let name = server_message::event_parts(frame).map(|(name, _)| name);
        let name = name.as_deref().filter(|name| !name.starts_with(OF_CLIENTS));
        // The time from a trigger to its writes is measured where nothing waits on purpose.
        let event = Broadcast::new(frame.clone());
        let event = PacedEvent { name, event, bytes: frame.len(), except };
        self.pacer.publish(event, self.occupied, now, &mut due);
        self.metrics.pacing.events_conflated.inc_by(self.pacer.take_conflated());
        if self.is_spread {
            self.metrics.pacing.events_spread.inc();
        }
        self.carry_out(shards, due);
    }

    /// Delivers what is due.
    pub(super) fn release(&mut self, shards: &Shards, now: Instant) {
        self.scheduled = None;
        let mut due = Vec::new();
        match shards.alarm().is_over() {
            true => self.pacer.release_all(now, &mut due),
            false => self.pacer.release(self.occupied, now, &mut due),
        }
        self.carry_out(shards, due);
    }

    /// When it has to be called next, if that is before the time that was returned last.
    pub(super) fn newly_due(&mut self) -> Option<Instant> {
        let next = self.pacer.next_due(self.occupied)?;
        if self.scheduled.is_some_and(|scheduled| scheduled <= next) {
            return None;
        }
        self.scheduled = Some(next);
        Some(next)
    }

    /// Delivers at once to all subscribers but one in these slices.
    pub(super) fn deliver(
        &self,
        shards: &Shards,
        slices: SliceSet,
        broadcast: &Broadcast,
        except: Option<SocketId>,
    ) {
        let all = self.subscribers.chunks_exact(shards.count());
        for (slice, on_shard) in (0..SLICES).zip(all).filter(|(at, _)| slices & only(*at) != 0) {
            for (shard, _) in on_shard.iter().enumerate().filter(|(_, count)| **count > 0) {
                shards.deliver(shard, self.id(slice), broadcast.clone(), except);
            }
        }
    }

    fn carry_out(&mut self, shards: &Shards, due: Vec<PacedDelivery<Broadcast>>) {
        for delivery in due {
            match delivery {
                PacedDelivery::ToSlices(slices, event, except) => {
                    self.deliver(shards, slices, &event, except);
                }
                PacedDelivery::ToSocket(socket, event) => {
                    shards.deliver_to(socket, self.id_of(socket), event);
                }
            }
        }
        self.count_waiting();
    }

    fn count_waiting(&mut self) {
        let waiting = self.pacer.waiting() as u64;
        let gauge = &self.metrics.pacing.events_waiting;
        match waiting >= self.waiting {
            true => gauge.inc_by(waiting - self.waiting),
            false => gauge.dec_by(self.waiting - waiting),
        };
        self.waiting = waiting;
    }

    /// Those of all slices.
    pub(super) fn ids(&self) -> Vec<ChannelId> {
        (0..SLICES).map(|slice| self.id(slice)).collect()
    }

    fn id(&self, slice: u32) -> ChannelId {
        ChannelId(self.first.0 + u64::from(slice))
    }
}

impl Drop for PacedChannel {
    fn drop(&mut self) {
        self.metrics.pacing.events_waiting.dec_by(self.waiting);
    }
}
