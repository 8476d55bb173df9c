//! What one core sends again when its link is back, and what it counts as missed beside that.

use resound::cluster::{
    ChannelEffect, Effect, HeartbeatReply, MissedEvents, PublishRequest, Reply, Request,
};
use resound::protocol::Frame;

use crate::directory::messages::Outcome;
use crate::stage::{NUMBER, Stage, outcome, roster};

/// A cache channel: what is sent again there is not held until the other nodes are back (`kept_events`).
const CHANNEL: &str = "presence-cache-d";

fn publish(stage: &mut Stage) {
    let frame = Frame::text(b"own");
    stage.part.core.alone().publish(stage.spot.clone(), frame, None, None, stage.now);
}

/// The events that the node sends now.
fn sent(stage: &mut Stage) -> Vec<PublishRequest> {
    let requests = stage.part.core.alone().take_requests().into_iter();
    let publish = |request| match request {
        Request::Publish(publish) => Some(publish),
        _ => None,
    };
    requests.filter_map(publish).collect()
}

/// What the sockets of the channel missed.
fn missed(stage: &mut Stage) -> Vec<MissedEvents> {
    let effects = stage.part.core.alone().take_effects().into_iter();
    let missed = |effect| match effect {
        Effect::Channel { action: ChannelEffect::Missed(missed), .. } => Some(missed),
        _ => None,
    };
    effects.filter_map(missed).collect()
}

/// The link breaks and is back, and so are the sockets of the node. Returns what it sends again, and what it counts as
/// missed when the channel is at this number, and had this event of its own last.
fn reconnected(
    stage: &mut Stage,
    epoch: &str,
    (number, own): (u64, u64),
) -> (Vec<PublishRequest>, Vec<MissedEvents>) {
    stage.part.core.alone().disconnected();
    stage.connects_to(epoch);
    let (mut events, mut states) = (Vec::new(), Vec::new());
    for request in stage.part.core.alone().take_requests() {
        match request {
            Request::Publish(publish) => events.push(publish),
            Request::State(state) => states.push(state.request),
            _ => {}
        }
    }
    stage.topic_is_subscribed();
    let [state] = states[..] else { panic!("one channel is sent again: {states:?}") };
    let behind = outcome(Vec::new(), Some(roster()));
    stage.answers(state, &Outcome { number, own, ..behind }).unwrap();
    (events, missed(stage))
}

#[test]
fn an_event_that_was_sent_behind_a_loss_of_data_is_sent_again() {
    let mut stage = Stage::new(CHANNEL);
    let (_, missed) = reconnected(&mut stage, "2", (NUMBER, 0));
    assert_eq!(missed, [MissedEvents::Unknown]);
    publish(&mut stage);
    assert!(matches!(&sent(&mut stage)[..], [event] if !event.again));
    // One of another node, and the one that was sent again.
    let (events, missed) = reconnected(&mut stage, "2", (NUMBER + 2, 1));
    assert!(matches!(&events[..], [event] if event.again), "{events:?}");
    assert_eq!(missed, [MissedEvents::Events(1)]);
}

#[test]
fn an_event_that_was_sent_before_a_loss_of_data_is_given_up() {
    let mut stage = Stage::new(CHANNEL);
    publish(&mut stage);
    assert_eq!(sent(&mut stage).len(), 1);
    let (events, missed) = reconnected(&mut stage, "2", (NUMBER, 0));
    assert_eq!((events.len(), missed), (0, vec![MissedEvents::Unknown]));
    assert_eq!(stage.part.core.alone().take_not_replicated(), 1);
}

/// What was given up has no number, so it explains none that is missing.
#[test]
fn an_event_that_was_given_up_hides_no_loss() {
    let mut stage = Stage::new(CHANNEL);
    publish(&mut stage);
    assert_eq!(sent(&mut stage).len(), 1);
    // The data are lost while the link is up, which the answer to a heartbeat shows.
    let (lapsed, alive, dead, due) = (false, 1, Vec::new(), Vec::new());
    let reply = HeartbeatReply { lapsed, alive, dead, due, epoch: "2".into() };
    stage.part.core.alone().replied(Reply::Heartbeat(reply), stage.now);
    let compared = stage.state().expect("the state is sent again");
    let answer = Outcome { number: NUMBER, ..outcome(Vec::new(), Some(roster())) };
    stage.answers(compared.request, &answer).unwrap();
    assert_eq!(missed(&mut stage), [MissedEvents::Unknown]);
    stage.part.core.alone().disconnected();
    publish(&mut stage);
    // One of another node, and the second one of this node.
    let (events, missed) = reconnected(&mut stage, "2", (NUMBER + 2, 2));
    assert!(matches!(&events[..], [event] if !event.again), "{events:?}");
    assert_eq!(missed, [MissedEvents::Events(1)]);
}
