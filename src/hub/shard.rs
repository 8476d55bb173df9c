//! THE HOT PATH: turns one frame into N writes.
//!
//! A shard owns the write side of its sockets and the list of those in each channel. A turn appends
//! the frames of its inbox to outboxes, then flushes a bounded number of them, each with one vectored
//! write. Per delivery there is no wake-up, no lock, no hash look-up, no allocation, no formatting.
//! Rules, rosters and channel names are left to the rooms above.

use slab::Slab;

use super::command::{Membership, ShardCommand, reply};
use super::flush_queue::FlushQueue;
use super::ids::{ChannelId, HubId, IdMap};
use super::outbox::Signal;
use super::socket_ends::SocketEnds;
use super::subscriber_slots::{Slot, SubscriberSlots};
use super::tally::Tally;
use crate::config::WebSocketConfig;
use crate::metrics::ClosedBy;
use crate::protocol::deflate::Deflater;
use crate::protocol::{Broadcast, CloseCode, Frame, SocketId, server_message};

mod looking;
mod shedding;
mod socket_state;

use socket_state::{Lane, SocketState};

/// Writes of one turn before other tasks run and the inbox is looked at again: about 0.25 ms.
const FLUSHES_PER_TURN: usize = 64;

/// Of these, how many are kept for large channels however busy the small ones are.
const FLUSHES_FOR_BULK: usize = 16;

/// Subscribers on this shard from which a channel is large: its writes go behind those of small
/// channels, so that 10 000 receivers of one event do not delay ten of another.
const BULK_SUBSCRIBERS: usize = 256;

/// Capacity that a drained batch keeps, so that one burst does not occupy memory for ever.
const BATCH_CAPACITY: usize = 1024;

/// One of the process's shards.
pub struct Shard {
    channels: IdMap<ChannelId, SubscriberSlots>,
    sockets: Sockets,
    deflater: Deflater,
    deflate_min_bytes: usize,
}

/// The sockets of a shard and the order in which they are flushed.
struct Sockets {
    slab: Slab<SocketState>,
    slots: IdMap<SocketId, Slot>,
    /// Sockets with something to write; those of large channels wait in `bulk`.
    urgent: FlushQueue<Slot>,
    bulk: FlushQueue<Slot>,
    outbox_bytes_max: usize,
    tally: Tally,
    ends: SocketEnds,
}

impl Shard {
    pub(super) fn new(limits: WebSocketConfig, ends: SocketEnds) -> Self {
        let sockets = Sockets {
            slab: Slab::new(),
            slots: IdMap::default(),
            urgent: FlushQueue::new(),
            bulk: FlushQueue::new(),
            outbox_bytes_max: limits.outbox_bytes,
            tally: Tally::new(ends.metrics.delivery.for_shard()),
            ends,
        };
        let (channels, deflater) = (IdMap::default(), Deflater::default());
        Self { channels, sockets, deflater, deflate_min_bytes: limits.deflate_min_bytes }
    }

    pub(super) fn has_work(&self) -> bool {
        !(self.sockets.urgent.is_empty() && self.sockets.bulk.is_empty())
    }

    pub(super) fn turn(&mut self, batch: &mut Vec<ShardCommand>) {
        for command in batch.drain(..) {
            self.apply(command);
        }
        batch.shrink_to(BATCH_CAPACITY);
        self.sockets.tally.count_deliveries();
        self.sockets.flush_some();
        self.sockets.count_writes();
    }

    fn apply(&mut self, command: ShardCommand) {
        let sockets = &mut self.sockets;
        match command {
            ShardCommand::Deliver { channel, broadcast, except } => {
                self.deliver(channel, &broadcast, except);
            }
            ShardCommand::DeliverTo { socket, channel, broadcast } => {
                let Some(subscribers) = self.channels.get(&channel) else { return };
                let slot = sockets.slot(socket).filter(|slot| subscribers.contains(*slot));
                if let Some(slot) = slot {
                    let frame = broadcast.plain();
                    sockets.tally.delivered(1, frame.len(), frame.len());
                    sockets.queue(slot, frame.clone(), Lane::Urgent);
                }
            }
            ShardCommand::Open { hub, socket, transport, client } => {
                sockets.insert(SocketState::new((hub, socket), transport, client));
            }
            ShardCommand::Send { socket, frame } => sockets.send(socket, frame),
            ShardCommand::Answer { socket, frame } => {
                if let Some(slot) = sockets.slot(socket) {
                    sockets.answer(slot, frame);
                }
            }
            ShardCommand::AddSubscriber { socket, channel, first } => {
                let Some(slot) = sockets.slot(socket) else { return };
                first.into_iter().flatten().for_each(|frame| sockets.answer(slot, frame));
                self.channels.entry(channel).or_default().insert(slot);
            }
            ShardCommand::RemoveSubscriber { socket, channel } => {
                let Some(slot) = sockets.slot(socket) else { return };
                let Some(subscribers) = self.channels.get_mut(&channel) else { return };
                subscribers.remove(slot);
                if subscribers.is_empty() {
                    self.channels.remove(&channel);
                }
            }
            ShardCommand::Writable { socket } => sockets.writable(socket),
            ShardCommand::End { socket, code } => {
                sockets.slot(socket).into_iter().for_each(|slot| sockets.end(slot, code));
            }
            ShardCommand::Finish { socket, code } => sockets.finish(socket, code),
            ShardCommand::EndSome { of, count, code } => sockets.end_some(of, count, code),
            ShardCommand::EndSlowest { bytes, of } => sockets.end_slowest(bytes, of),
            ShardCommand::Forget { socket } => sockets.forget(socket),
            ShardCommand::Find { socket, channel, answer } => {
                let found = Membership::of(sockets.slot(socket), self.channels.get(&channel));
                reply(answer, found);
            }
            ShardCommand::List { channel, most, answer } => {
                let slots = self.channels.get(&channel).map_or(&[][..], SubscriberSlots::as_slice);
                let socket = |slot: &Slot| sockets.slab[*slot as usize].socket;
                reply(answer, slots.iter().take(most).map(socket).collect());
            }
            ShardCommand::Look { look, answer } => drop(answer.send(self.look(&look))),
            ShardCommand::Closed { answer } => drop(answer.send(self.sockets.ends.closed())),
            ShardCommand::Describe { socket } => sockets.describe(socket),
        }
    }

    /// The fan-out: one clone of a reference and one push per receiver.
    fn deliver(&mut self, channel: ChannelId, broadcast: &Broadcast, except: Option<SocketId>) {
        let Self { channels, sockets, deflater, deflate_min_bytes } = self;
        let Some(subscribers) = channels.get(&channel).map(SubscriberSlots::as_slice) else {
            return;
        };
        let except = except.and_then(|socket| sockets.slot(socket));
        let lane = if subscribers.len() < BULK_SUBSCRIBERS { Lane::Urgent } else { Lane::Bulk };
        let plain = broadcast.plain();
        let worth_deflating = plain.len() >= *deflate_min_bytes;
        let (mut receivers, mut bytes) = (0_u64, 0);
        for &slot in subscribers {
            if Some(slot) == except {
                continue;
            }
            let deflate = worth_deflating && sockets.slab[slot as usize].reads_deflated;
            let frame = if deflate { broadcast.deflated(deflater) } else { plain };
            (receivers, bytes) = (receivers + 1, bytes + frame.len());
            sockets.queue(slot, frame.clone(), lane);
        }
        if let Some(triggered_at) = broadcast.triggered_at().filter(|_| receivers > 0) {
            sockets.lane(lane).time(triggered_at);
        }
        sockets.tally.delivered(receivers, bytes, plain.len() * receivers as usize);
    }
}

impl Sockets {
    fn slot(&self, socket: SocketId) -> Option<Slot> {
        self.slots.get(&socket).copied()
    }

    fn insert(&mut self, state: SocketState) {
        let socket = state.socket;
        let slot = self.slab.insert(state);
        self.slots.insert(socket, Slot::try_from(slot).expect("fewer sockets than descriptors"));
    }

    fn send(&mut self, socket: SocketId, frame: Frame) {
        if let Some(slot) = self.slot(socket) {
            self.queue(slot, frame, Lane::Urgent);
        }
    }

    /// Appends an answer to a socket's outbox, whatever its size, and stops the reading from a
    /// socket for which too many wait.
    fn answer(&mut self, slot: Slot, frame: Frame) {
        let state = &mut self.slab[slot as usize];
        if state.ending {
            return;
        }
        self.tally.outbox_bytes += state.outbox.push_answer(frame);
        if !state.reading_stopped && state.outbox.is_full_of_answers() {
            state.reading_stopped = true;
            state.signal(Signal::StopReading);
        }
        self.mark(slot, Lane::Urgent);
    }

    /// Appends a published frame to a socket's outbox. A socket that has no room is ended, never
    /// skipped: a silent gap would be worse than a reconnect.
    fn queue(&mut self, slot: Slot, frame: Frame, lane: Lane) {
        let state = &mut self.slab[slot as usize];
        if state.ending {
            return;
        }
        if !state.outbox.takes(&frame, self.outbox_bytes_max) {
            return self.queue_at_bound(slot, frame, lane);
        }
        self.tally.outbox_bytes += state.outbox.push(frame);
        if state.mark(lane) {
            self.lane(lane).push(slot);
        }
    }

    /// The same for a socket whose outbox is at its bound. A function of its own: within [`queue`](Self::queue) it
    /// would make each delivery save more registers.
    #[cold]
    fn queue_at_bound(&mut self, slot: Slot, frame: Frame, lane: Lane) {
        let state = &mut self.slab[slot as usize];
        state.flush(&mut self.tally, &self.ends);
        if !state.outbox.takes(&frame, self.outbox_bytes_max) {
            self.end(slot, CloseCode::TooSlow);
            return;
        }
        self.tally.outbox_bytes += state.outbox.push(frame);
        self.mark(slot, lane);
    }

    /// Queues a socket for flushing, once per lane.
    fn mark(&mut self, slot: Slot, lane: Lane) {
        if self.slab[slot as usize].mark(lane) {
            self.lane(lane).push(slot);
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut FlushQueue<Slot> {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Bulk => &mut self.bulk,
        }
    }

    fn count_writes(&mut self) {
        self.tally.count_writes();
        self.urgent.observe_written(self.tally.trigger_to_write());
        self.bulk.observe_written(self.tally.trigger_to_write());
    }

    fn flush_some(&mut self) {
        for done in 0..FLUSHES_PER_TURN {
            let bulk_first = done >= FLUSHES_PER_TURN - FLUSHES_FOR_BULK;
            let lanes =
                if bulk_first { [Lane::Bulk, Lane::Urgent] } else { [Lane::Urgent, Lane::Bulk] };
            let mut next =
                lanes.into_iter().filter_map(|lane| Some((self.lane(lane).pop()?, lane)));
            let Some((slot, lane)) = next.next() else { return };
            // A slot may have been freed, or given to a new socket, since it was queued.
            let Some(state) = self.slab.get_mut(slot as usize) else { continue };
            *state.marked(lane) = false;
            state.flush(&mut self.tally, &self.ends);
        }
    }

    fn writable(&mut self, socket: SocketId) {
        let Some(slot) = self.slot(socket) else { return };
        self.slab[slot as usize].blocked = false;
        self.mark(slot, Lane::Urgent);
    }

    fn end(&mut self, slot: Slot, code: CloseCode) {
        let state = &mut self.slab[slot as usize];
        if state.ending {
            return;
        }
        let before = state.outbox.bytes();
        if code == CloseCode::TooSlow {
            state.outbox.abandon();
        }
        if code.is_announced() {
            state.outbox.push(server_message::closing_error(code));
        }
        state.outbox.push(Frame::close(code));
        self.tally.outbox_bytes = self.tally.outbox_bytes - before + state.outbox.bytes();
        self.ends.record(state.sighting(), ClosedBy::Server(code));
        self.last(slot);
    }

    fn finish(&mut self, socket: SocketId, code: Option<u16>) {
        let Some(slot) = self.slot(socket) else { return };
        let state = &mut self.slab[slot as usize];
        if !state.ending {
            self.tally.outbox_bytes += state.outbox.push(Frame::close_echo(code));
            self.ends.record(state.sighting(), ClosedBy::Client(code));
            self.last(slot);
        }
    }

    /// What is queued now is the last; the stream ends behind it.
    fn last(&mut self, slot: Slot) {
        let state = &mut self.slab[slot as usize];
        state.ending = true;
        state.signal(Signal::Ending);
        self.mark(slot, Lane::Urgent);
    }

    fn end_some(&mut self, of: Option<HubId>, count: usize, code: CloseCode) {
        let is_meant = |state: &SocketState| of.is_none_or(|hub| state.hub == hub);
        let open = self.slab.iter().filter(|(_, state)| !state.ending && is_meant(state));
        let slots: Vec<Slot> = open.take(count).map(|(slot, _)| slot as Slot).collect();
        for slot in slots {
            self.end(slot, code);
        }
    }

    fn forget(&mut self, socket: SocketId) {
        if let Some(slot) = self.slots.remove(&socket) {
            let state = self.slab.remove(slot as usize);
            self.tally.outbox_bytes -= state.outbox.bytes();
            if !state.ending {
                self.ends.record(state.sighting(), ClosedBy::Network);
            }
        }
    }
}
