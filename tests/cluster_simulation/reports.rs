//! Answers of Redis that may have webhook events which one core alone sends, and that are lost on their way to it: their
//! number is all that can be known of them.

use std::time::Duration;

use resound::cluster::Request;

use crate::stage::{Stage, outcome};

const CHANNEL: &str = "presence-room";

/// So many answers were lost since the last look.
fn lost(stage: &mut Stage) -> u64 {
    stage.part.core.alone().take_reports_lost()
}

#[test]
fn the_answer_to_a_join_that_is_lost_with_its_link_is_counted() {
    let mut stage = Stage::new(CHANNEL);
    stage.part.core.alone().disconnected();
    assert_eq!(
        lost(&mut stage),
        1,
        "the first heartbeat has not been answered: it may have leaves"
    );
    stage.connects();
    let whole = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    stage.answers(whole.request, &outcome(vec![], None)).unwrap();
    // Twice as many as one answer has.
    (2..=3).for_each(|number| stage.request_join(number));
    stage.state().expect("a join is a request");
    stage.part.core.alone().disconnected();
    assert_eq!(lost(&mut stage), 2, "of one state and of one heartbeat");
    assert_eq!(lost(&mut stage), 0);
}

#[test]
fn an_answer_that_was_not_due_is_not_counted() {
    let mut stage = Stage::new(CHANNEL);
    // Nothing has been sent of it, so Redis has decided nothing.
    stage.request_join(2);
    let due = stage.part.core.alone().reports_due();
    stage.part.core.alone().disconnected();
    assert_eq!(lost(&mut stage), due);
    stage.part.core.alone().disconnected();
    assert_eq!(lost(&mut stage), 0, "there was no link");
}

#[test]
fn the_last_leave_of_a_channel_has_nothing_to_report() {
    let mut stage = Stage::new(CHANNEL);
    let due = stage.part.core.alone().reports_due();
    let (spot, socket) = (stage.spot.clone(), stage.socket(1));
    stage.part.core.alone().leave(&spot, socket, Some("1"));
    stage.state().expect("a leave is a request");
    assert_eq!(stage.part.core.alone().reports_due(), due);
}

/// The node ends, and the link is there.
#[test]
fn answers_that_are_given_up_are_counted_once() {
    let mut stage = Stage::new(CHANNEL);
    let before = stage.part.core.alone().reports_due();
    stage.request_join(2);
    stage.state().expect("a join is a request");
    stage.part.core.alone().give_up_reports();
    assert_eq!(lost(&mut stage), before + 1);
    stage.part.core.alone().disconnected();
    assert_eq!(lost(&mut stage), 0);
}

/// Which leaves are due comes in the answer to a heartbeat, of which Redis has no copy.
#[test]
fn a_heartbeat_that_takes_leaves_is_one_of_them() {
    let mut stage = Stage::new(CHANNEL);
    let before = stage.part.core.alone().reports_due();
    stage.now += Duration::from_secs(60);
    let now = stage.now;
    stage.part.core.alone().tick(now);
    let requests = stage.part.core.alone().take_requests();
    let takes_leaves =
        |request: &Request| matches!(request, Request::Heartbeat { takes_leaves: true, .. });
    assert!(requests.iter().any(takes_leaves), "{requests:?}");
    assert_eq!(stage.part.core.alone().reports_due(), before + 1);
}
