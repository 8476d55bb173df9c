//! The numbers of a channel's events: where one is missing, an event was lost on its way here.
//!
//! Pure. Redis numbers the events of a channel that is occupied, or was of late, without holes, and a
//! subscription receives them in order, so a hole can only come from a time without a subscription.
//! Where there is no number to begin with, or Redis has lost its count, the result says so.
//!
//! Any user of that Redis can publish to a topic, so a number in a message is not believed: the next one
//! moves the count by one, any other starts a comparison with the directory. A foreign message can
//! cost its channel one more request, and no later event.

use std::collections::BTreeSet;

use super::effect::MissedEvents;
use crate::cluster::directory::message::{EventMessage, TopicMessage};

/// GapDetector further apart than this are of two series: a series begins with the microsecond in
/// which the channel was occupied.
const SERIES: u64 = 1_000_000;

/// What one node knows of the numbers of one channel.
#[derive(Debug, Default)]
pub(super) struct GapDetector {
    /// The last one that is accounted for; 0 before the first.
    last: u64,
    /// The last one that the directory has named; those after it were counted from messages.
    confirmed: u64,
    /// Not heard for a while, and not compared yet.
    comparing: Option<Comparing>,
    /// Serials of this node's own events that it has delivered and not heard back.
    unheard: BTreeSet<u64>,
    /// Up to this serial this node's own are accounted for, heard or not.
    own: u64,
    /// Some may be lost that the next comparison cannot count.
    in_doubt: bool,
}

/// What to do with an event that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventArrival {
    /// Deliver it.
    Next,
    /// The comparison under way brings it.
    Compared,
    /// Deliver it, and begin a comparison: its number is not the next one.
    Odd,
    /// Begin a comparison, which brings it if it is one of the channel's events.
    OddAndKept,
    /// Drop it, and begin a comparison: its number is of another series.
    Absurd,
}

#[derive(Debug)]
struct Comparing {
    /// The numbers that arrived meanwhile.
    numbers: Vec<u64>,
    /// The comparison will bring what was missed, what is heard meanwhile included.
    keeps: bool,
    /// The subscription has not been broken since the comparison before this one.
    is_unbroken: bool,
    /// The first request that asks for what was missed. Answers of earlier ones bring no events.
    asked: Option<u64>,
}

impl Comparing {
    fn new(numbers: Vec<u64>, keeps: bool) -> Self {
        Self { numbers, keeps, is_unbroken: false, asked: None }
    }
}

impl GapDetector {
    /// The last number that is accounted for.
    pub(super) fn known(&self) -> u64 {
        self.last
    }

    /// An event arrived. A comparison brings none of this node's `own` (by serial); where events are
    /// kept (`keeps`) it brings all others.
    pub(super) fn arrived(&mut self, number: u64, own: Option<u64>, keeps: bool) -> EventArrival {
        if let Some(serial) = own {
            self.unheard.remove(&serial);
        }
        if let Some(comparing) = &mut self.comparing {
            comparing.numbers.push(number);
            let is_new = own.is_some() || !comparing.keeps;
            return if is_new { EventArrival::Next } else { EventArrival::Compared };
        }
        // The directory has named none yet: the first one comes from there, too.
        if self.last == 0 {
            return EventArrival::Next;
        }
        if number.checked_sub(1) == Some(self.last) {
            self.last = number;
            return EventArrival::Next;
        }
        let comparing = Comparing::new(vec![number], keeps);
        self.comparing = Some(Comparing { is_unbroken: true, ..comparing });
        match number.abs_diff(self.last) {
            SERIES.. => EventArrival::Absurd,
            // A comparison brings what is behind the last one. Another message has the number of this one.
            _ if keeps && own.is_none() && number > self.last => EventArrival::OddAndKept,
            _ => EventArrival::Odd,
        }
    }

    /// An event of this node was delivered, and Redis may or may not have numbered it.
    pub(super) fn delivered_unheard(&mut self, serial: u64) {
        // A comparison may have found it before the link broke once more.
        if serial > self.own {
            self.unheard.insert(serial);
        }
    }

    /// An event of this node is not sent any more. It may have been numbered; to count one too many as
    /// missed is better than one too few.
    pub(super) fn given_up(&mut self, serial: u64) {
        self.unheard.remove(&serial);
    }

    /// Whether this request is to ask for the events that were missed.
    pub(super) fn ask(&mut self, request: u64) -> bool {
        let comparing = self.comparing.as_mut().filter(|comparing| comparing.keeps);
        comparing.map(|comparing| comparing.asked.get_or_insert(request)).is_some()
    }

    /// Whether the answer to this request ends the comparison under way, if there is one.
    pub(super) fn is_answer(&self, request: u64) -> bool {
        let waits = |comparing: &Comparing| comparing.asked.is_none_or(|asked| request < asked);
        !self.comparing.as_ref().is_some_and(|comparing| comparing.keeps && waits(comparing))
    }

    /// Sockets are let in without the directory: if it has said no number yet, nobody can say
    /// which events they should have got.
    pub(super) fn begin_alone(&mut self) {
        self.in_doubt |= self.last == 0;
    }

    /// The directory has lost data: what it says of this channel may be too little.
    pub(super) fn doubt(&mut self) {
        self.in_doubt |= self.last > 0;
    }

    /// There was a time without hearing; the next outcome tells what was in it. `keeps`: it also
    /// brings the events.
    pub(super) fn compare(&mut self, keeps: bool) {
        if self.last > 0 {
            // What arrived before the break, during a comparison that it ended, is not missing.
            let numbers = self.comparing.take().map(|before| before.numbers).unwrap_or_default();
            self.comparing = Some(Comparing::new(numbers, keeps));
        }
    }

    /// The directory says where it is, up to which serial it has numbered this node's events, and
    /// which events it has kept since: what is lost. With `more` of them to come, the comparison
    /// goes on from the last of these.
    pub(super) fn compared(
        &mut self,
        (number, own): (u64, u64),
        kept: &[&[u8]],
        more: bool,
    ) -> Option<MissedEvents> {
        let (last, unheard) = (self.last, std::mem::take(&mut self.unheard));
        let confirmed = std::mem::replace(&mut self.confirmed, number);
        (self.last, self.own) = (number, self.own.max(own));
        let doubt = std::mem::take(&mut self.in_doubt).then_some(MissedEvents::Unknown);
        let Some(comparing) = self.comparing.take() else { return doubt };
        let Comparing { numbers, keeps, is_unbroken, .. } = comparing;
        // InvalidTopicMessage messages were counted, which had the next numbers. Without a break nothing is missing.
        if is_unbroken && (confirmed..last).contains(&number) {
            return doubt;
        }
        let Some(since) = number.checked_sub(last).filter(|since| *since < SERIES) else {
            return Some(MissedEvents::Unknown);
        };
        if let Some(last) = kept.last().and_then(|last| number_of(last)).filter(|_| more) {
            self.last = last;
            self.comparing = Some(Comparing::new(Vec::new(), keeps));
        }
        // A foreign message has no number of the channel's, or one that another event has too.
        let received: BTreeSet<u64> =
            numbers.into_iter().filter(|received| (last + 1..=number).contains(received)).collect();
        let received = received.len() as u64;
        let own = unheard.into_iter().filter(|serial| *serial <= own).count() as u64;
        let events = match kept.first().and_then(|first| number_of(first)) {
            Some(first) => first.saturating_sub(last + 1),
            None if keeps => since.saturating_sub(own),
            None => since.saturating_sub(received + own),
        };
        doubt.or(missed(events))
    }
}

/// So many numbers are missing; of another series nobody knows.
fn missed(events: u64) -> Option<MissedEvents> {
    match events {
        0 => None,
        1..SERIES => Some(MissedEvents::Events(events)),
        _ => Some(MissedEvents::Unknown),
    }
}

fn number_of(message: &[u8]) -> Option<u64> {
    match TopicMessage::read(message)? {
        TopicMessage::Event(EventMessage { number, .. }) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{EventArrival, GapDetector, MissedEvents};
    use crate::cluster::directory::NodeId;
    use crate::cluster::directory::message::event_head;

    #[test]
    fn a_hole_is_counted_and_a_known_number_is_nothing_new() {
        let mut numbers = GapDetector::default();
        assert_eq!(
            numbers.compared((100, 0), &[], false),
            None,
            "the first comparison is where it begins"
        );
        assert_eq!(numbers.arrived(101, None, false), EventArrival::Next);
        assert_eq!(numbers.arrived(104, None, false), EventArrival::Odd);
        assert_eq!(numbers.compared((104, 0), &[], false), Some(MissedEvents::Events(2)));
        assert_eq!(numbers.arrived(105, None, false), EventArrival::Next);
    }

    #[test]
    fn a_foreign_number_costs_no_other_event() {
        for forged in [0, 1, 100, 101, 102, 105, 900_000, 1 << 63, u64::MAX] {
            for keeps in [false, true] {
                let mut numbers = GapDetector::default();
                numbers.compared((100, 0), &[], false);
                numbers.arrived(forged, None, keeps);
                // Two events of the channel, before and after the directory's answer.
                let next = numbers.arrived(101, None, keeps);
                // The directory brings what is behind the last number that is accounted for.
                let brought = next == EventArrival::Compared && numbers.known() < 101;
                let delivered = matches!(next, EventArrival::Next | EventArrival::Odd);
                assert!(delivered != brought, "{forged}: {next:?}");
                let kept = [event(101)];
                let kept: Vec<&[u8]> =
                    kept.iter().filter(|_| brought).map(|event| &**event).collect();
                assert_eq!(numbers.compared((101, 0), &kept, false), None, "{forged}");
                assert_eq!(numbers.arrived(102, None, keeps), EventArrival::Next, "{forged}");
            }
        }
    }

    #[test]
    fn the_first_number_is_that_of_the_directory() {
        let mut numbers = GapDetector::default();
        for forged in [0, 2, 1 << 63] {
            assert_eq!(numbers.arrived(forged, None, false), EventArrival::Next);
        }
        assert_eq!(numbers.compared((100, 0), &[], false), None);
        assert_eq!(numbers.arrived(101, None, false), EventArrival::Next);
    }

    #[test]
    fn only_an_answer_that_brings_events_ends_a_comparison_with_kept_ones() {
        let mut numbers = GapDetector::default();
        numbers.compared((100, 0), &[], false);
        assert!(!numbers.ask(1), "nothing is missed");
        numbers.arrived(900, None, true);
        assert!(!numbers.is_answer(1), "it was asked before");
        assert!(numbers.ask(2) && numbers.ask(3));
        assert!(!numbers.is_answer(1) && numbers.is_answer(2) && numbers.is_answer(3));
        assert_eq!(numbers.compared((100, 0), &[], false), None);
        assert!(numbers.is_answer(1));
    }

    #[test]
    fn foreign_numbers_that_were_counted_are_no_loss_unless_there_was_a_break() {
        for (is_broken, missed) in [(false, None), (true, Some(MissedEvents::Unknown))] {
            let mut numbers = GapDetector::default();
            numbers.compared((100, 0), &[], false);
            assert_eq!(numbers.arrived(101, None, false), EventArrival::Next, "a foreign one");
            numbers.arrived(900, None, false);
            if is_broken {
                numbers.compare(false);
            }
            assert_eq!(numbers.compared((100, 0), &[], false), missed);
            assert_eq!(numbers.arrived(101, None, false), EventArrival::Next);
        }
    }

    #[test]
    fn what_arrived_during_a_comparison_that_a_break_ended_is_not_missing() {
        let mut numbers = GapDetector::default();
        numbers.compared((100, 0), &[], false);
        for number in [900, 101, 102] {
            numbers.arrived(number, None, false);
        }
        numbers.compare(false);
        assert_eq!(numbers.compared((103, 0), &[], false), Some(MissedEvents::Events(1)));
    }

    #[test]
    fn a_foreign_number_hides_no_loss() {
        for forged in [0, 101, 102, 103, 1 << 63] {
            let mut numbers = GapDetector::default();
            numbers.compared((100, 0), &[], false);
            numbers.compare(false);
            numbers.arrived(forged, None, false);
            numbers.arrived(forged, None, false);
            let missed = numbers.compared((102, 0), &[], false);
            let stolen = u64::from((101..=102).contains(&forged));
            assert_eq!(missed, Some(MissedEvents::Events(2 - stolen)), "{forged}");
        }
    }

    fn event(number: u64) -> Vec<u8> {
        let head = event_head(NodeId(1), 1, None, true);
        [&head[..], &number.to_be_bytes(), b"{}"].concat()
    }

    #[test]
    fn what_was_published_while_nobody_listened_is_counted_at_the_comparison() {
        let mut numbers = GapDetector::default();
        numbers.compared((100, 0), &[], false);
        numbers.delivered_unheard(7);
        numbers.delivered_unheard(8);
        numbers.compare(false);
        assert_eq!(
            numbers.arrived(108, None, false),
            EventArrival::Next,
            "delivered while comparing"
        );
        assert_eq!(
            numbers.compared((108, 7), &[], false),
            Some(MissedEvents::Events(6)),
            "8 since then: one heard, one of its own; Redis never got the other"
        );
        assert_eq!(numbers.arrived(109, None, false), EventArrival::Next);
    }

    #[test]
    fn what_the_comparison_brings_is_not_delivered_before() {
        let mut numbers = GapDetector::default();
        numbers.compared((100, 0), &[], false);
        numbers.compare(true);
        assert_eq!(numbers.arrived(101, Some(7), false), EventArrival::Next);
        assert_eq!(numbers.arrived(102, None, true), EventArrival::Compared);
        assert_eq!(
            numbers.compared((102, 0), &[], false),
            Some(MissedEvents::Events(2)),
            "it was kept no longer"
        );
    }

    #[test]
    fn a_comparison_in_parts_goes_on_from_the_last_event_it_brought() {
        let (first, second) = (event(101), event(102));
        let mut numbers = GapDetector::default();
        numbers.compared((100, 0), &[], false);
        numbers.compare(true);
        assert_eq!(numbers.compared((103, 0), &[&first, &second], true), None);
        assert!(numbers.ask(2) && numbers.known() == 102);
        assert_eq!(numbers.compared((103, 0), &[&event(103)], false), None);
        assert_eq!(numbers.arrived(104, None, false), EventArrival::Next);
    }

    #[test]
    fn of_another_series_nobody_knows() {
        let begins = [1_700_000_900_000_000, 0, 1_600_000_000_000_000];
        for number in begins {
            let mut numbers = GapDetector::default();
            numbers.compared((1_700_000_000_000_000, 0), &[], false);
            numbers.compare(false);
            assert_eq!(numbers.compared((number, 0), &[], false), Some(MissedEvents::Unknown));
        }
        let mut numbers = GapDetector::default();
        numbers.compared((1_700_000_000_000_000, 0), &[], false);
        assert_eq!(numbers.arrived(1_700_000_900_000_001, None, false), EventArrival::Absurd);
        assert_eq!(
            numbers.compared((1_700_000_900_000_001, 0), &[], false),
            Some(MissedEvents::Unknown),
            "Redis began anew while the channel was subscribed to"
        );
    }

    #[test]
    fn of_what_was_before_the_first_number_nobody_knows_if_somebody_was_there() {
        let mut numbers = GapDetector::default();
        numbers.begin_alone();
        numbers.compare(false);
        assert_eq!(numbers.compared((100, 0), &[], false), Some(MissedEvents::Unknown));
        numbers.begin_alone();
        numbers.compare(false);
        assert_eq!(numbers.compared((100, 0), &[], false), None, "a number was known");
    }
}
