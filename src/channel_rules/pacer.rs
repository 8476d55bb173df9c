//! When the events of one channel reach its subscribers, where they have a pace.
//!
//! Two rules. Conflation: within a window, only the last event of a name is delivered, at the end; the first
//! begins the window and is delivered at once. Spread: an event reaches one slice of the subscribers after the
//! other. Each socket belongs to one slice for ever, so an event that is released later also arrives later, and
//! none overtakes another. Where sockets are is left to the hub.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::app::PacingRule;
use crate::protocol::SocketId;

/// The subscribers of a channel are divided into so many parts: 8 ms of a spread over half a second.
pub const SLICES: u32 = 64;

/// Names of events whose windows are open at once; an event of one more passes as it comes.
const NAMES_MAX: usize = 64;

/// Events on their way to the slices, and their bytes; beyond it the oldest goes to the rest of them at once.
const SPREAD_EVENTS_MAX: usize = 256;
const SPREAD_BYTES_MAX: usize = 4 << 20;

/// A set of slices, a bit for each.
pub type SliceSet = u64;

/// The slice of a socket.
pub fn slice_of(socket: SocketId) -> u32 {
    // The shard follows from the id too, by a remainder; the product mixes the bits.
    let (high, low) = socket.halves();
    let mixed = (u64::from(high) << 32 | u64::from(low)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 58) as u32
}

/// The set of this slice.
pub fn only(slice: u32) -> SliceSet {
    1 << slice
}

/// An event to be delivered.
#[derive(Debug, Clone, Copy)]
pub struct PacedEvent<'a, E> {
    /// Events of one name replace each other. `None` for one that is never left out.
    pub name: Option<&'a str>,
    /// What is delivered.
    pub event: E,
    /// Its size.
    pub bytes: usize,
    /// The socket that does not receive it.
    pub except: Option<SocketId>,
}

/// One step of delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacedDelivery<E> {
    /// To all subscribers in these slices but one.
    ToSlices(SliceSet, E, Option<SocketId>),
    /// To one subscriber, if it is one: it must not receive the event that replaced this one.
    ToSocket(SocketId, E),
}

/// The events of one channel that wait.
#[derive(Debug)]
pub struct Pacer<E> {
    rule: PacingRule,
    windows: Vec<Window<E>>,
    /// Released events that have not reached every slice, in order.
    spreading: VecDeque<Released<E>>,
    spreading_bytes: usize,
    /// Events that were ever held.
    held: u64,
    conflated: u64,
}

/// The time in which one event of a name is delivered.
#[derive(Debug)]
struct Window<E> {
    name: Box<str>,
    until: Instant,
    last: Option<Held<E>>,
}

/// The last event of a window.
#[derive(Debug)]
struct Held<E> {
    /// In the order in which events came.
    order: u64,
    event: E,
    bytes: usize,
    except: Option<SocketId>,
    /// Slices that have it already.
    done: SliceSet,
    owed: Option<Owed<E>>,
}

/// An event that a later one replaced for all sockets but this one, which does not receive the later one.
#[derive(Debug)]
struct Owed<E> {
    order: u64,
    socket: SocketId,
    event: E,
    bytes: usize,
}

/// An event on its way to the slices.
#[derive(Debug)]
struct Released<E> {
    since: Instant,
    event: E,
    bytes: usize,
    to: Receivers,
    left: SliceSet,
}

#[derive(Debug, Clone, Copy)]
enum Receivers {
    AllBut(Option<SocketId>),
    Only(SocketId),
}

impl<E: Clone> Pacer<E> {
    /// A channel without events.
    pub fn new(rule: PacingRule) -> Self {
        let (windows, spreading, spreading_bytes, held, conflated) = Default::default();
        Self { rule, windows, spreading, spreading_bytes, held, conflated }
    }

    /// Takes an event. `out` gets what is to be delivered now; `occupied` are the slices with subscribers.
    pub fn publish(
        &mut self,
        event: PacedEvent<'_, E>,
        occupied: SliceSet,
        now: Instant,
        out: &mut Vec<PacedDelivery<E>>,
    ) {
        self.release(occupied, now, out);
        let PacedEvent { name, event, bytes, except } = event;
        let name = name.filter(|_| !self.rule.latest_within.is_zero());
        let open = |window: &Window<E>| name == Some(&*window.name);
        if let Some(at) = self.windows.iter().position(open) {
            self.hold(at, (event, bytes), except);
            return;
        }
        // Nothing overtakes an event that came before it.
        self.release_held(u64::MAX, now);
        if let Some(name) = name.filter(|_| self.windows.len() < NAMES_MAX) {
            let until = now + self.rule.latest_within;
            self.windows.push(Window { name: name.into(), until, last: None });
        }
        self.spread(Released { since: now, event, bytes, to: Receivers::AllBut(except), left: !0 });
        self.advance(occupied, now, out);
    }

    /// Delivers what is due.
    pub fn release(&mut self, occupied: SliceSet, now: Instant, out: &mut Vec<PacedDelivery<E>>) {
        let due = self.windows.iter().filter(|window| window.until <= now);
        let last = due.filter_map(|window| Some(window.last.as_ref()?.order)).max();
        if let Some(last) = last {
            self.release_held(last, now);
        }
        self.windows.retain(|window| window.until > now);
        self.advance(occupied, now, out);
    }

    /// Delivers all that waits for a slice, before a socket joins it: the socket receives no event from before.
    pub fn release_slice(&mut self, slice: u32, out: &mut Vec<PacedDelivery<E>>) {
        let bit = only(slice);
        for released in &mut self.spreading {
            released.deliver(bit, out);
        }
        self.drop_delivered();
        let mut due = Vec::new();
        for held in self.windows.iter_mut().filter_map(|window| window.last.as_mut()) {
            let is_here = |owed: &mut Owed<E>| slice_of(owed.socket) == slice;
            if let Some(Owed { order, socket, event, .. }) = held.owed.take_if(is_here) {
                due.push((order, PacedDelivery::ToSocket(socket, event)));
            }
            if held.done & bit == 0 {
                held.done |= bit;
                let event = held.event.clone();
                due.push((held.order, PacedDelivery::ToSlices(bit, event, held.except)));
            }
        }
        due.sort_unstable_by_key(|(order, _)| *order);
        out.extend(due.into_iter().map(|(_, delivery)| delivery));
    }

    /// Forgets what waits for slices that have no subscriber any more.
    pub fn forget_vacant(&mut self, occupied: SliceSet) {
        self.spreading.iter_mut().for_each(|released| released.left &= occupied);
        self.drop_delivered();
    }

    /// Delivers all that waits.
    pub fn release_all(&mut self, now: Instant, out: &mut Vec<PacedDelivery<E>>) {
        self.release_held(u64::MAX, now);
        self.windows.clear();
        while let Some(mut oldest) = self.spreading.pop_front() {
            oldest.deliver(!0, out);
        }
        self.spreading_bytes = 0;
    }

    /// When the next delivery is due.
    pub fn next_due(&self, occupied: SliceSet) -> Option<Instant> {
        let of_windows = self.windows.iter().filter(|window| window.last.is_some());
        let of_windows = of_windows.map(|window| window.until);
        let of_spread = self.spreading.iter().filter_map(|released| {
            let left = released.left & occupied;
            (left != 0).then(|| released.since + self.delay_of(left.trailing_zeros()))
        });
        of_windows.chain(of_spread).min()
    }

    /// Events that wait.
    pub fn waiting(&self) -> usize {
        self.windows.iter().filter(|window| window.last.is_some()).count() + self.spreading.len()
    }

    /// How many events were left out since the last call.
    pub fn take_conflated(&mut self) -> u64 {
        std::mem::take(&mut self.conflated)
    }

    /// Puts an event in place of the last one of its window.
    fn hold(&mut self, at: usize, (event, bytes): (E, usize), except: Option<SocketId>) {
        self.held += 1;
        let order = self.held;
        let last = &mut self.windows[at].last;
        let before = last.take();
        self.conflated += u64::from(before.is_some());
        let owed = match (before, except) {
            (Some(before), Some(socket)) if before.except == Some(socket) => before.owed,
            (Some(Held { order, event, bytes, done, .. }), Some(socket)) => {
                let has_it = done & only(slice_of(socket)) != 0;
                (!has_it).then_some(Owed { order, socket, event, bytes })
            }
            _ => None,
        };
        *last = Some(Held { order, event, bytes, except, done: 0, owed });
    }

    /// Releases what windows hold up to this event, in the order in which it came, and begins their windows anew.
    fn release_held(&mut self, up_to: u64, now: Instant) {
        let mut due = Vec::new();
        for window in &mut self.windows {
            let owed =
                window.last.as_mut().and_then(|last| last.owed.take_if(|it| it.order <= up_to));
            if let Some(Owed { order, socket, event, bytes }) = owed {
                let (to, left) = (Receivers::Only(socket), only(slice_of(socket)));
                due.push((order, Released { since: now, event, bytes, to, left }));
            }
            if let Some(last) = window.last.take_if(|last| last.order <= up_to) {
                window.until = now + self.rule.latest_within;
                let Held { order, event, bytes, except, done, .. } = last;
                let to = Receivers::AllBut(except);
                due.push((order, Released { since: now, event, bytes, to, left: !done }));
            }
        }
        due.sort_unstable_by_key(|(order, _)| *order);
        due.into_iter().for_each(|(_, released)| self.spread(released));
    }

    fn spread(&mut self, released: Released<E>) {
        self.spreading_bytes += released.bytes;
        self.spreading.push_back(released);
    }

    /// Delivers what has reached its time on the way to the slices.
    fn advance(&mut self, occupied: SliceSet, now: Instant, out: &mut Vec<PacedDelivery<E>>) {
        while self.spreading.len() > SPREAD_EVENTS_MAX || self.spreading_bytes > SPREAD_BYTES_MAX {
            let Some(mut oldest) = self.spreading.pop_front() else { break };
            self.spreading_bytes -= oldest.bytes;
            oldest.deliver(!0, out);
        }
        let spread_over = self.rule.spread_over;
        for released in &mut self.spreading {
            // A socket that joins an empty slice later must not receive it.
            released.left &= occupied;
            let elapsed = now.saturating_duration_since(released.since);
            released.deliver(reached(elapsed, spread_over), out);
        }
        self.drop_delivered();
    }

    fn drop_delivered(&mut self) {
        self.spreading.retain(|released| {
            if released.left == 0 {
                self.spreading_bytes -= released.bytes;
            }
            released.left != 0
        });
    }

    /// When an event reaches this slice, after it was released.
    fn delay_of(&self, slice: u32) -> Duration {
        self.rule.spread_over * slice / SLICES
    }
}

impl<E: Clone> Released<E> {
    /// To those of these slices that have not got it.
    fn deliver(&mut self, slices: SliceSet, out: &mut Vec<PacedDelivery<E>>) {
        let now = self.left & slices;
        if now != 0 {
            self.left &= !now;
            let event = self.event.clone();
            out.push(match self.to {
                Receivers::AllBut(except) => PacedDelivery::ToSlices(now, event, except),
                Receivers::Only(socket) => PacedDelivery::ToSocket(socket, event),
            });
        }
    }
}

/// The slices that an event has reached after this time.
fn reached(elapsed: Duration, spread_over: Duration) -> SliceSet {
    if elapsed >= spread_over {
        return !0;
    }
    let whole = elapsed.as_nanos() * u128::from(SLICES) / spread_over.as_nanos();
    let count = u32::try_from(whole).unwrap_or(SLICES) + 1;
    if count >= SLICES { !0 } else { (1 << count) - 1 }
}

#[cfg(test)]
mod tests;
