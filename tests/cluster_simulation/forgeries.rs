//! Well-formed messages that no node has sent, given to one core: each costs at most itself.

use std::time::Duration;

use resound::cluster::InvalidTopicMessage;
use resound::protocol::{Frame, SocketId};

use crate::directory::messages::{self, Change, Outcome};
use crate::machine::FIRST_REQUEST;
use crate::profile::LEASE;
use crate::stage::{NODE, NUMBER, OTHER, Stage, event, outcome, roster};

/// More than an idle topic is kept for.
const LINGER: Duration = Duration::from_secs(6);

fn change(removed: &[&str], added: &[&str]) -> Vec<u8> {
    let removed: Vec<String> = removed.iter().map(|user| (*user).to_owned()).collect();
    let added: Vec<_> = added.iter().map(|user| ((*user).to_owned(), "{}".to_owned())).collect();
    let change = Change { removed: &removed, added: &added, count: None, recount: false };
    messages::change(OTHER, &change).unwrap()
}

#[test]
fn an_event_of_this_node_is_delivered_as_it_was_published_here() {
    for number in [0, NUMBER, NUMBER + 1, 1 << 63] {
        let mut stage = Stage::new("orders");
        let frame = Frame::text(b"true");
        stage.part.core.alone().publish(stage.spot.clone(), frame, None, None, stage.now);
        stage.part.core.alone().take_requests();
        let forged = event(NODE, 1, number, "forged");
        let elsewhere = stage.part.core.alone().message("resound{1:other}", &forged, stage.now);
        assert_eq!((elsewhere, stage.delivered()), (Ok(()), Vec::new()), "{number}");
        let is_absurd = stage.receives(&forged) == Err(InvalidTopicMessage::AbsurdNumber);
        assert_eq!((is_absurd, stage.delivered()), (number == 1 << 63, vec!["true".to_owned()]));
        assert_eq!(stage.receives(&event(NODE, 1, NUMBER + 1, "true")), Ok(()));
        assert_eq!(stage.delivered(), [""; 0], "{number}, twice");
    }
}

#[test]
fn an_answer_whose_number_is_guessed_is_dropped() {
    let mut stage = Stage::new("presence-room");
    stage.request_join(2);
    let state = stage.state().unwrap();
    for guessed in [0, 1, 2, 3] {
        let forged = Outcome { refused: vec!["2".to_owned()], ..outcome(Vec::new(), None) };
        assert_eq!(stage.answers(guessed, &forged), Err(InvalidTopicMessage::UnknownRequest));
    }
    assert_eq!(state.request, FIRST_REQUEST + 1);
    stage.answers(state.request, &outcome(vec!["2".to_owned()], None)).unwrap();
}

#[test]
fn a_change_is_compared_with_the_directory_within_a_lease() {
    let lease = Duration::from_micros(LEASE);
    let mut stage = Stage::new("presence-room");
    for _ in 0..3 {
        stage.receives(&change(&["1"], &["ghost"])).unwrap();
        let delivered = stage.delivered();
        assert!(
            delivered[0].contains("member_removed") && delivered[1].contains("ghost"),
            "{delivered:?}"
        );
        stage.receives(&change(&["ghost"], &["ghost"])).unwrap();
        stage.delivered();
        let state = stage.state_within(lease + Duration::from_secs(1)).expect("a comparison");
        assert!(state.flags.roster && !state.flags.whole && state.rows.is_empty());
        assert!(stage.state().is_none(), "one for both");
        stage.answers(state.request, &outcome(Vec::new(), Some(roster()))).unwrap();
        let delivered = stage.delivered();
        assert!(
            delivered[0].contains("member_removed") && delivered[0].contains("ghost"),
            "{delivered:?}"
        );
        assert!(delivered[1].contains("member_added") && delivered.len() == 2, "{delivered:?}");
        assert!(stage.state_within(3 * lease).is_none(), "nothing has changed since");
    }
}

#[test]
fn an_idle_topic_is_given_up_although_a_foreign_message_started_a_request() {
    let mut stage = Stage::new("orders");
    let socket = SocketId::of_halves(1, 1).unwrap();
    stage.part.core.alone().leave(&stage.spot, socket, None);
    let left = stage.state().expect("a leave is a request");
    stage.answers(left.request, &outcome(Vec::new(), None)).unwrap();
    stage.receives(&event(OTHER, 1, NUMBER + 9, "forged")).unwrap();
    let compared = stage.state().expect("its number is not the next one");
    // The answer comes after the time for which an idle topic is kept.
    assert!(stage.state_within(LINGER).is_none());
    stage.answers(compared.request, &outcome(Vec::new(), None)).unwrap();
    assert!(stage.state_within(LINGER).is_none());
    assert_eq!(stage.part.core.alone().channels().count(), 0);
}
