//! The numbers of a channel's events: a gap shows that an event was lost on its way to this node.
//!
//! Redis numbers the events of a channel that is or was lately occupied, without gaps, and a subscription
//! receives them in order, so a gap comes only from a time without a subscription. Where there is no number to
//! begin with, or Redis has lost its count, the result is MissedEvents::Unknown.
//!
//! Any user of that Redis can publish to a topic, so a number in a message is not trusted: the next one advances
//! the count by one, any other starts a comparison with the directory. A forged message can cost its channel one
//! more request, and no later event.

use std::collections::BTreeSet;

use super::effect::MissedEvents;
use crate::cluster::directory::message::{EventMessage, TopicMessage};

/// Numbers further apart than this are of two series: a series begins with the microsecond in
/// which the channel was occupied.
const SERIES: u64 = 1_000_000;

/// How many times a comparison that returns events in parts may find that more were published meanwhile. Each time is
/// shorter than the one before it unless more is published than Redis returns; joins wait for its end.
const ROUNDS_MAX: u32 = 16;

/// The numbers of one channel, as far as this node has received them.
#[derive(Debug, Default)]
pub(super) struct GapDetector {
    /// The last number that is accounted for; 0 before the first.
    last: u64,
    /// The last number that the directory named; those after it were counted from messages.
    confirmed: u64,
    /// Set after a gap in the subscription, or after an unexpected number, until the directory has answered.
    comparing: Option<Comparing>,
    /// Serials of this node's own events that it delivered and that have not returned.
    unreturned: BTreeSet<u64>,
    /// Up to this serial, this node's own events are accounted for.
    own: u64,
    /// Events may be lost that the next comparison cannot count.
    in_doubt: bool,
}

/// What an event's number requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventOrder {
    /// Deliver it.
    Next,
    /// Drop it: the comparison under way returns it.
    Compared,
    /// Deliver it, and begin a comparison: its number is not the next one.
    Unexpected,
    /// Drop it, and begin a comparison, which returns it if it is one of the channel's events.
    UnexpectedAndKept,
    /// Drop it, and begin a comparison: its number is of another series.
    OtherSeries,
}

impl EventOrder {
    pub(super) fn starts_comparison(self) -> bool {
        matches!(self, Self::Unexpected | Self::UnexpectedAndKept | Self::OtherSeries)
    }
}

#[derive(Debug, Default)]
struct Comparing {
    /// The numbers that arrived meanwhile.
    numbers: Vec<u64>,
    /// The comparison returns the events that were missed, those that arrive meanwhile included.
    keeps: bool,
    /// The subscription has not been broken since the comparison before this one.
    is_unbroken: bool,
    /// The first request that reads the missed events. The outcomes of earlier ones return none.
    first_request: Option<u64>,
    /// The number up to which it returns events in parts, and how many such numbers it has reached.
    goal: u64,
    rounds: u32,
}

impl Comparing {
    fn new(numbers: Vec<u64>, keeps: bool) -> Self {
        Self { numbers, keeps, ..Self::default() }
    }

    /// Goes on behind the event with the number `last`, if those up to `number` may still be reached.
    fn go_on(&self, last: u64, number: u64) -> Option<Self> {
        let (goal, rounds) = match last >= self.goal {
            true => (number, self.rounds + 1),
            false => (self.goal, self.rounds),
        };
        let next = Self { keeps: self.keeps, goal, rounds, ..Self::default() };
        (rounds <= ROUNDS_MAX).then_some(next)
    }
}

impl GapDetector {
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// An event arrived. A comparison returns none of this node's `own` (by serial); where the directory keeps
    /// events (`keeps`) it returns all others.
    pub(super) fn arrived(&mut self, number: u64, own: Option<u64>, keeps: bool) -> EventOrder {
        if let Some(serial) = own {
            self.unreturned.remove(&serial);
        }
        if let Some(comparing) = &mut self.comparing {
            comparing.numbers.push(number);
            // It returns what is behind the last one. Another message may have had this number before.
            let is_returned = comparing.keeps && own.is_none() && number > self.last;
            return if is_returned { EventOrder::Compared } else { EventOrder::Next };
        }
        // The directory has named no number yet: the first one comes from there, too.
        if self.last == 0 {
            return EventOrder::Next;
        }
        if number.checked_sub(1) == Some(self.last) {
            self.last = number;
            return EventOrder::Next;
        }
        let comparing = Comparing::new(vec![number], keeps);
        self.comparing = Some(Comparing { is_unbroken: true, ..comparing });
        match number.abs_diff(self.last) {
            SERIES.. => EventOrder::OtherSeries,
            // A comparison returns what is behind the last one. Another message has the number of this one.
            _ if keeps && own.is_none() && number > self.last => EventOrder::UnexpectedAndKept,
            _ => EventOrder::Unexpected,
        }
    }

    /// An event of this node was delivered, and Redis may or may not have numbered it.
    pub(super) fn delivered_alone(&mut self, serial: u64) {
        // A comparison may have found it before the link broke once more.
        if serial > self.own {
            self.unreturned.insert(serial);
        }
    }

    /// An event of this node is not sent any more. It may have been numbered; to count one too many as
    /// missed is better than one too few.
    pub(super) fn given_up(&mut self, serial: u64) {
        self.unreturned.remove(&serial);
    }

    /// Whether this request has to read the events that were missed: returns the first request that does.
    pub(super) fn requests_events(&mut self, request: u64) -> Option<u64> {
        let comparing = self.comparing.as_mut().filter(|comparing| comparing.keeps);
        comparing.map(|comparing| *comparing.first_request.get_or_insert(request))
    }

    /// Whether a comparison under way will return events, some of which may have this number or a smaller one.
    pub(super) fn replays_up_to(&self, number: u64) -> bool {
        number > self.last && self.comparing.as_ref().is_some_and(|comparing| comparing.keeps)
    }

    /// Whether the answer to this request ends the comparison under way, if there is one.
    pub(super) fn is_compared_by(&self, request: u64) -> bool {
        let waits =
            |comparing: &Comparing| comparing.first_request.is_none_or(|first| request < first);
        !self.comparing.as_ref().is_some_and(|comparing| comparing.keeps && waits(comparing))
    }

    /// Sockets join without the directory: if it has named no number yet, the events they should have received
    /// cannot be counted.
    pub(super) fn begin_alone(&mut self) {
        self.in_doubt |= self.last == 0;
    }

    /// The directory has lost data: its number of this channel may be too low.
    pub(super) fn doubt(&mut self) {
        self.in_doubt |= self.last > 0;
    }

    /// There was a time without a subscription; the next outcome shows what was published in it, and where the
    /// directory keeps events (`keeps`) returns it.
    pub(super) fn compare(&mut self, keeps: bool) {
        if self.last > 0 {
            // What arrived before the break, during a comparison that it ended, is not missing.
            let numbers = self.comparing.take().map(|before| before.numbers).unwrap_or_default();
            self.comparing = Some(Comparing::new(numbers, keeps));
        }
    }

    /// The directory answers with the channel's last number, the serial of this node's last event, and the
    /// events it kept since. Returns what is lost. With `more` of them to come, the comparison goes on from the
    /// last of these, unless they are published faster than they are returned.
    pub(super) fn compared(
        &mut self,
        (number, own): (u64, u64),
        kept: &[&[u8]],
        more: bool,
    ) -> Option<MissedEvents> {
        let (last, unreturned) = (self.last, std::mem::take(&mut self.unreturned));
        let confirmed = std::mem::replace(&mut self.confirmed, number);
        (self.last, self.own) = (number, self.own.max(own));
        let doubt = std::mem::take(&mut self.in_doubt).then_some(MissedEvents::Unknown);
        let Some(comparing) = self.comparing.take() else { return doubt };
        let (keeps, is_unbroken) = (comparing.keeps, comparing.is_unbroken);
        // Foreign messages were counted, which had the next numbers. Without a break nothing is missing.
        if is_unbroken && (confirmed..last).contains(&number) {
            return doubt;
        }
        let Some(since) = number.checked_sub(last).filter(|since| *since < SERIES) else {
            return Some(MissedEvents::Unknown);
        };
        let mut given_up = 0;
        if let Some(last) = kept.last().and_then(|last| number_of(last)).filter(|_| more) {
            self.comparing = comparing.go_on(last, number);
            match self.comparing {
                Some(_) => self.last = last,
                None => given_up = number.saturating_sub(last),
            }
        }
        // A forged message has no number of the channel's, or one that another event has too.
        let received: BTreeSet<u64> = comparing
            .numbers
            .into_iter()
            .filter(|received| (last + 1..=number).contains(received))
            .collect();
        let received = received.len() as u64;
        let own = unreturned.into_iter().filter(|serial| *serial <= own).count() as u64;
        let events = match kept.first().and_then(|first| number_of(first)) {
            Some(first) => first.saturating_sub(last + 1) + given_up,
            None if keeps => since.saturating_sub(own),
            None => since.saturating_sub(received + own),
        };
        doubt.or(missed(events))
    }
}

/// So many numbers are missing; across two series they cannot be counted.
fn missed(events: u64) -> Option<MissedEvents> {
    let missed = if events < SERIES { MissedEvents::Events(events) } else { MissedEvents::Unknown };
    (events > 0).then_some(missed)
}

fn number_of(message: &[u8]) -> Option<u64> {
    match TopicMessage::read(message)? {
        TopicMessage::Event(EventMessage { number, .. }) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
