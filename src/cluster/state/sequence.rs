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

/// GapDetector further apart than this are of two series: a series begins with the microsecond in
/// which the channel was occupied.
const SERIES: u64 = 1_000_000;

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

#[derive(Debug)]
struct Comparing {
    /// The numbers that arrived meanwhile.
    numbers: Vec<u64>,
    /// The comparison returns the events that were missed, those that arrive meanwhile included.
    keeps: bool,
    /// The subscription has not been broken since the comparison before this one.
    is_unbroken: bool,
    /// The first request that reads the missed events. The outcomes of earlier ones return none.
    first_request: Option<u64>,
}

impl Comparing {
    fn new(numbers: Vec<u64>, keeps: bool) -> Self {
        Self { numbers, keeps, is_unbroken: false, first_request: None }
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
            let is_new = own.is_some() || !comparing.keeps;
            return if is_new { EventOrder::Next } else { EventOrder::Compared };
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

    /// Whether this request has to read the events that were missed.
    pub(super) fn requests_events(&mut self, request: u64) -> bool {
        let comparing = self.comparing.as_mut().filter(|comparing| comparing.keeps);
        comparing.map(|comparing| comparing.first_request.get_or_insert(request)).is_some()
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
    /// last of these.
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
        // A forged message has no number of the channel's, or one that another event has too.
        let received: BTreeSet<u64> =
            numbers.into_iter().filter(|received| (last + 1..=number).contains(received)).collect();
        let received = received.len() as u64;
        let own = unreturned.into_iter().filter(|serial| *serial <= own).count() as u64;
        let events = match kept.first().and_then(|first| number_of(first)) {
            Some(first) => first.saturating_sub(last + 1),
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
mod tests {
    use super::{EventOrder, GapDetector, MissedEvents};
    use crate::cluster::directory::NodeId;
    use crate::cluster::directory::message::event_head;

    #[test]
    fn a_hole_is_counted_and_a_known_number_is_nothing_new() {
        let mut detector = GapDetector::default();
        assert_eq!(
            detector.compared((100, 0), &[], false),
            None,
            "the first comparison is where it begins"
        );
        assert_eq!(detector.arrived(101, None, false), EventOrder::Next);
        assert_eq!(detector.arrived(104, None, false), EventOrder::Unexpected);
        assert_eq!(detector.compared((104, 0), &[], false), Some(MissedEvents::Events(2)));
        assert_eq!(detector.arrived(105, None, false), EventOrder::Next);
    }

    #[test]
    fn a_forged_number_costs_no_other_event() {
        for forged in [0, 1, 100, 101, 102, 105, 900_000, 1 << 63, u64::MAX] {
            for keeps in [false, true] {
                let mut detector = GapDetector::default();
                detector.compared((100, 0), &[], false);
                detector.arrived(forged, None, keeps);
                // Two events of the channel, before and after the directory's answer.
                let next = detector.arrived(101, None, keeps);
                // The directory brings what is behind the last number that is accounted for.
                let brought = next == EventOrder::Compared && detector.last() < 101;
                let delivered = matches!(next, EventOrder::Next | EventOrder::Unexpected);
                assert!(delivered != brought, "{forged}: {next:?}");
                let kept = [event(101)];
                let kept: Vec<&[u8]> =
                    kept.iter().filter(|_| brought).map(|event| &**event).collect();
                assert_eq!(detector.compared((101, 0), &kept, false), None, "{forged}");
                assert_eq!(detector.arrived(102, None, keeps), EventOrder::Next, "{forged}");
            }
        }
    }

    #[test]
    fn the_first_number_is_that_of_the_directory() {
        let mut detector = GapDetector::default();
        for forged in [0, 2, 1 << 63] {
            assert_eq!(detector.arrived(forged, None, false), EventOrder::Next);
        }
        assert_eq!(detector.compared((100, 0), &[], false), None);
        assert_eq!(detector.arrived(101, None, false), EventOrder::Next);
    }

    #[test]
    fn only_an_answer_that_brings_events_ends_a_comparison_with_kept_ones() {
        let mut detector = GapDetector::default();
        detector.compared((100, 0), &[], false);
        assert!(!detector.requests_events(1), "nothing is missed");
        detector.arrived(900, None, true);
        assert!(!detector.is_compared_by(1), "an earlier request");
        assert!(detector.requests_events(2) && detector.requests_events(3));
        assert!(
            !detector.is_compared_by(1) && detector.is_compared_by(2) && detector.is_compared_by(3)
        );
        assert_eq!(detector.compared((100, 0), &[], false), None);
        assert!(detector.is_compared_by(1));
    }

    #[test]
    fn foreign_numbers_that_were_counted_are_no_loss_unless_there_was_a_break() {
        for (is_broken, missed) in [(false, None), (true, Some(MissedEvents::Unknown))] {
            let mut detector = GapDetector::default();
            detector.compared((100, 0), &[], false);
            assert_eq!(detector.arrived(101, None, false), EventOrder::Next, "a forged one");
            detector.arrived(900, None, false);
            if is_broken {
                detector.compare(false);
            }
            assert_eq!(detector.compared((100, 0), &[], false), missed);
            assert_eq!(detector.arrived(101, None, false), EventOrder::Next);
        }
    }

    #[test]
    fn what_arrived_during_a_comparison_that_a_break_ended_is_not_missing() {
        let mut detector = GapDetector::default();
        detector.compared((100, 0), &[], false);
        for number in [900, 101, 102] {
            detector.arrived(number, None, false);
        }
        detector.compare(false);
        assert_eq!(detector.compared((103, 0), &[], false), Some(MissedEvents::Events(1)));
    }

    #[test]
    fn a_forged_number_hides_no_loss() {
        for forged in [0, 101, 102, 103, 1 << 63] {
            let mut detector = GapDetector::default();
            detector.compared((100, 0), &[], false);
            detector.compare(false);
            detector.arrived(forged, None, false);
            detector.arrived(forged, None, false);
            let missed = detector.compared((102, 0), &[], false);
            let stolen = u64::from((101..=102).contains(&forged));
            assert_eq!(missed, Some(MissedEvents::Events(2 - stolen)), "{forged}");
        }
    }

    fn event(number: u64) -> Vec<u8> {
        let head = event_head(NodeId(1), 1, None, true);
        [&head[..], &number.to_be_bytes(), b"{}"].concat()
    }

    #[test]
    fn what_was_published_without_a_subscription_is_counted_at_the_comparison() {
        let mut detector = GapDetector::default();
        detector.compared((100, 0), &[], false);
        detector.delivered_alone(7);
        detector.delivered_alone(8);
        detector.compare(false);
        assert_eq!(
            detector.arrived(108, None, false),
            EventOrder::Next,
            "delivered while comparing"
        );
        assert_eq!(
            detector.compared((108, 7), &[], false),
            Some(MissedEvents::Events(6)),
            "8 since then: one arrived, one of its own; Redis never received the other"
        );
        assert_eq!(detector.arrived(109, None, false), EventOrder::Next);
    }

    #[test]
    fn what_the_comparison_returns_is_not_delivered_before() {
        let mut detector = GapDetector::default();
        detector.compared((100, 0), &[], false);
        detector.compare(true);
        assert_eq!(detector.arrived(101, Some(7), false), EventOrder::Next);
        assert_eq!(detector.arrived(102, None, true), EventOrder::Compared);
        assert_eq!(
            detector.compared((102, 0), &[], false),
            Some(MissedEvents::Events(2)),
            "it was kept no longer"
        );
    }

    #[test]
    fn a_comparison_in_parts_goes_on_from_the_last_event_it_returned() {
        let (first, second) = (event(101), event(102));
        let mut detector = GapDetector::default();
        detector.compared((100, 0), &[], false);
        detector.compare(true);
        assert_eq!(detector.compared((103, 0), &[&first, &second], true), None);
        assert!(detector.requests_events(2) && detector.last() == 102);
        assert_eq!(detector.compared((103, 0), &[&event(103)], false), None);
        assert_eq!(detector.arrived(104, None, false), EventOrder::Next);
    }

    #[test]
    fn across_two_series_nothing_can_be_counted() {
        let begins = [1_700_000_900_000_000, 0, 1_600_000_000_000_000];
        for number in begins {
            let mut detector = GapDetector::default();
            detector.compared((1_700_000_000_000_000, 0), &[], false);
            detector.compare(false);
            assert_eq!(detector.compared((number, 0), &[], false), Some(MissedEvents::Unknown));
        }
        let mut detector = GapDetector::default();
        detector.compared((1_700_000_000_000_000, 0), &[], false);
        assert_eq!(detector.arrived(1_700_000_900_000_001, None, false), EventOrder::OtherSeries);
        assert_eq!(
            detector.compared((1_700_000_900_000_001, 0), &[], false),
            Some(MissedEvents::Unknown),
            "Redis began anew while the channel was subscribed to"
        );
    }

    #[test]
    fn what_was_before_the_first_number_is_in_doubt_for_sockets_that_were_there() {
        let mut detector = GapDetector::default();
        detector.begin_alone();
        detector.compare(false);
        assert_eq!(detector.compared((100, 0), &[], false), Some(MissedEvents::Unknown));
        detector.begin_alone();
        detector.compare(false);
        assert_eq!(detector.compared((100, 0), &[], false), None, "a number was known");
    }
}
