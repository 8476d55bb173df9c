//! The numbers of a channel's events: where one is missing, an event was lost on its way here.
//!
//! Pure. Redis numbers the events of an occupied channel without holes, and a subscription hears
//! them in order, so a hole can only come from a time in which this node did not hear.

use std::collections::BTreeSet;

use super::message::{Event, Message};

/// Numbers further apart than this are of two series: a series begins with the microsecond in
/// which the channel was occupied.
const SERIES: u64 = 1_000_000;

/// What one node knows of the numbers of one channel.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The last one that is accounted for; 0 before the first.
    last: u64,
    /// Not heard for a while, and not compared yet.
    comparing: Option<Comparing>,
    /// Serials of this node's own events that it has delivered and not heard back.
    unheard: BTreeSet<u64>,
    /// Up to this serial this node's own are accounted for, heard or not.
    own: u64,
}

#[derive(Debug)]
struct Comparing {
    /// How many were delivered meanwhile.
    heard: u64,
    /// The comparison will bring what was missed, what is heard meanwhile included.
    keeps: bool,
}

impl Numbers {
    /// The last number that is accounted for.
    pub(super) fn known(&self) -> u64 {
        self.last
    }

    /// An event was heard: how many are missing before it, or `None` if it is known, or will be
    /// brought by the comparison, which brings none of this node's `own` (by serial).
    pub(super) fn arrived(&mut self, number: u64, own: Option<u64>) -> Option<u64> {
        if let Some(serial) = own {
            self.unheard.remove(&serial);
        }
        if let Some(comparing) = &mut self.comparing {
            comparing.heard += 1;
            return (own.is_some() || !comparing.keeps).then_some(0);
        }
        if self.last > 0 && number <= self.last {
            return None;
        }
        let missed = if self.last == 0 { 0 } else { number - self.last - 1 };
        self.last = number;
        Some(if missed < SERIES { missed } else { 0 })
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

    pub(super) fn is_comparing(&self) -> bool {
        self.comparing.is_some()
    }

    /// There was a time without hearing; the next outcome tells what was in it. `keeps`: it also
    /// brings the events.
    pub(super) fn compare(&mut self, keeps: bool) {
        if self.last > 0 {
            self.comparing = Some(Comparing { heard: 0, keeps });
        }
    }

    /// The directory says where it is, up to which serial it has numbered this node's events, and
    /// which events it has kept since: how many are lost. With `more` of them to come, the comparison
    /// goes on from the last of these.
    pub(super) fn compared(
        &mut self,
        (number, own): (u64, u64),
        kept: &[&[u8]],
        more: bool,
    ) -> u64 {
        let (last, unheard) = (self.last, std::mem::take(&mut self.unheard));
        (self.last, self.own) = (number, self.own.max(own));
        let Some(Comparing { heard, keeps }) = self.comparing.take() else { return 0 };
        let since = number.saturating_sub(last);
        if since >= SERIES {
            return 0;
        }
        if let Some(last) = kept.last().and_then(|last| number_of(last)).filter(|_| more) {
            self.last = last;
            self.comparing = Some(Comparing { heard: 0, keeps });
        }
        let own = unheard.into_iter().filter(|serial| *serial <= own).count() as u64;
        match kept.first().and_then(|first| number_of(first)) {
            Some(first) => first.saturating_sub(last + 1),
            None if keeps => since.saturating_sub(own),
            None => since.saturating_sub(heard + own),
        }
    }
}

fn number_of(message: &[u8]) -> Option<u64> {
    match Message::read(message)? {
        Message::Event(Event { number, .. }) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;
    use crate::cluster::NodeId;
    use crate::cluster::message::event_head;

    #[test]
    fn a_hole_is_counted_and_a_known_number_is_nothing_new() {
        let mut numbers = Numbers::default();
        assert_eq!(
            numbers.compared((100, 0), &[], false),
            0,
            "the first comparison is where it begins"
        );
        assert_eq!(numbers.arrived(101, None), Some(0));
        assert_eq!(numbers.arrived(101, None), None);
        assert_eq!(numbers.arrived(104, None), Some(2));
    }

    #[test]
    fn what_was_published_while_nobody_listened_is_counted_at_the_comparison() {
        let mut numbers = Numbers::default();
        numbers.compared((100, 0), &[], false);
        numbers.delivered_unheard(7);
        numbers.delivered_unheard(8);
        numbers.compare(false);
        assert_eq!(numbers.arrived(108, None), Some(0), "delivered while comparing");
        assert_eq!(
            numbers.compared((108, 7), &[], false),
            6,
            "8 since then: one heard, one of its own; Redis never got the other"
        );
        assert_eq!(numbers.arrived(109, None), Some(0));
    }

    #[test]
    fn what_the_comparison_brings_is_not_delivered_before() {
        let mut numbers = Numbers::default();
        numbers.compared((100, 0), &[], false);
        numbers.compare(true);
        assert_eq!(numbers.arrived(101, Some(7)), Some(0));
        assert_eq!(numbers.arrived(102, None), None);
        assert_eq!(numbers.compared((102, 0), &[], false), 2, "it was kept no longer");
    }

    #[test]
    fn a_comparison_in_parts_goes_on_from_the_last_event_it_brought() {
        let event = |number: u64| {
            let head = event_head(NodeId(1), 1, None, true);
            [&head[..], &number.to_be_bytes(), b"{}"].concat()
        };
        let (first, second) = (event(101), event(102));
        let mut numbers = Numbers::default();
        numbers.compared((100, 0), &[], false);
        numbers.compare(true);
        assert_eq!(numbers.compared((103, 0), &[&first, &second], true), 0);
        assert!(numbers.is_comparing() && numbers.known() == 102);
        assert_eq!(numbers.compared((103, 0), &[&event(103)], false), 0);
        assert_eq!(numbers.arrived(104, None), Some(0));
    }

    #[test]
    fn another_series_is_no_hole() {
        let mut numbers = Numbers::default();
        numbers.compared((1_700_000_000_000_000, 0), &[], false);
        numbers.compare(false);
        assert_eq!(numbers.compared((1_700_000_900_000_000, 0), &[], false), 0);
    }
}
