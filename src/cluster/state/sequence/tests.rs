//! The numbers of a channel: what is counted as missed, and when a comparison begins, goes on and ends.

use super::{EventOrder, GapDetector, MissedEvents, ROUNDS_MAX};
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
            let kept: Vec<&[u8]> = kept.iter().filter(|_| brought).map(|event| &**event).collect();
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
    assert_eq!(detector.requests_events(1), None, "nothing is missed");
    detector.arrived(900, None, true);
    assert!(!detector.is_compared_by(1), "an earlier request");
    assert_eq!([2, 3].map(|request| detector.requests_events(request)), [Some(2); 2]);
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
    assert_eq!(detector.arrived(108, None, false), EventOrder::Next, "delivered while comparing");
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
    assert!(detector.replays_up_to(103) && !detector.replays_up_to(102));
    assert_eq!((detector.requests_events(2), detector.last()), (Some(2), 102));
    assert_eq!(detector.compared((103, 0), &[&event(103)], false), None);
    assert!(!detector.replays_up_to(103));
    assert_eq!(detector.arrived(104, None, false), EventOrder::Next);
}

#[test]
fn a_comparison_that_falls_behind_ends_and_counts_what_it_lacks() {
    let mut detector = GapDetector::default();
    detector.compared((100, 0), &[], false);
    detector.compare(true);
    let mut last = 100;
    let missed = (0..100).find_map(|_| {
        last += 1;
        // Each part reaches the number of the one before it, and five more are published meanwhile.
        let before = last;
        last += 4;
        let parts = [event(before), event(last)];
        let kept: Vec<&[u8]> = parts.iter().map(|event| &**event).collect();
        detector.compared((last + 5, 0), &kept, true)
    });
    assert_eq!(missed, Some(MissedEvents::Events(5)));
    assert_eq!((last - 100) / 5, u64::from(ROUNDS_MAX) + 1);
    assert_eq!(detector.arrived(last + 6, None, true), EventOrder::Next);
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
