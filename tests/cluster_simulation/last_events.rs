//! The last event of a cache channel, as one core has its node keep it for the time without Redis: the last one in the order
//! of Redis, in which an event of this node may come behind one of another that arrives later.

use resound::cluster::{ChannelEffect, Effect, PublishReply, Reply, Request};
use resound::protocol::Frame;
use tokio::sync::oneshot;

use crate::directory::messages::{self, Bytes, Outcome};
use crate::stage::{NODE, NUMBER, OTHER, Stage};

const CHANNEL: &str = "cache-news";

/// An event that is kept, with this number behind those before the test.
fn kept(origin: u64, serial: u64, behind: u64, text: &str) -> Vec<u8> {
    messages::event(&messages::kept_event_head(origin, serial), NUMBER + behind, text)
}

/// A back end publishes the first event of this node.
fn publish(stage: &mut Stage, text: &str) {
    let (waiter, _) = oneshot::channel();
    let (key, now) = (stage.spot.clone(), stage.now);
    let frame = Frame::text(text.as_bytes());
    stage.part.core.alone().publish(key, frame, None, Some(waiter), now);
}

/// What the node keeps, and what its sockets received, in order.
#[derive(Default)]
struct Hub {
    kept: Option<String>,
    delivered: Vec<String>,
}

impl Hub {
    fn apply(&mut self, stage: &mut Stage) {
        let text = |frame: Frame| String::from_utf8(frame.payload().to_vec()).unwrap();
        for effect in stage.part.core.alone().take_effects() {
            match effect {
                Effect::Channel { action: ChannelEffect::CacheEvent(frame), .. } => {
                    self.kept = Some(text(frame));
                }
                Effect::Channel { action: ChannelEffect::Deliver { frame, .. }, .. } => {
                    self.delivered.push(text(frame));
                }
                _ => {}
            }
        }
    }

    fn is(&self, kept: &str, delivered: &[&str]) {
        assert_eq!(self.delivered, delivered);
        assert_eq!(self.kept.as_deref(), Some(kept));
    }
}

/// The answer to the state that compares the channel: Redis numbered an event of another node, then that of this one.
#[test]
fn a_replay_puts_no_older_event_over_the_last_one_of_this_node() {
    let (mut stage, mut hub) = (Stage::keeping_events(CHANNEL), Hub::default());
    stage.part.core.alone().disconnected();
    publish(&mut stage, "own");
    hub.apply(&mut stage);
    hub.is("own", &["own"]);
    stage.connects();
    let state = stage.state().expect("the state is sent again");
    stage.topic_is_subscribed();
    let missed = [kept(OTHER, 1, 1, "of another"), kept(NODE, 1, 2, "own")];
    let missed = missed.map(Bytes).into_iter().collect();
    let outcome = Outcome { number: NUMBER + 2, own: 1, total: 1, missed, ..Outcome::default() };
    stage.answers(state.request, &outcome).unwrap();
    hub.apply(&mut stage);
    hub.is("own", &["own", "of another"]);
}

/// It was delivered without Redis, and sent again when the topic was subscribed.
#[test]
fn an_event_of_this_node_that_returns_late_is_the_last_one() {
    for mut stage in [Stage::new(CHANNEL), Stage::keeping_events(CHANNEL)] {
        let mut hub = Hub::default();
        publish(&mut stage, "own");
        let sent = stage.part.core.alone().take_requests();
        assert!(sent.iter().any(|request| matches!(request, Request::Publish(_))));
        // Redis does not answer, and the sockets of this node get it.
        stage.state_within(std::time::Duration::from_secs(1));
        hub.apply(&mut stage);
        hub.is("own", &["own"]);
        stage.receives(&kept(OTHER, 1, 1, "of another")).unwrap();
        hub.apply(&mut stage);
        hub.is("of another", &["own", "of another"]);
        stage.receives(&kept(NODE, 1, 2, "own")).unwrap();
        hub.apply(&mut stage);
        hub.is("own", &["own", "of another"]);
        let reply = PublishReply { number: NUMBER + 2, is_occupied: true };
        stage.part.core.alone().replied(Reply::Published(reply), stage.now);
        hub.apply(&mut stage);
        hub.is("own", &["own", "of another"]);
    }
}

/// It is sent again before the topic is subscribed, and Redis did not have it before.
#[test]
fn an_event_of_this_node_that_does_not_return_is_behind_what_came_before_it_was_sent() {
    let (mut stage, mut hub) = (Stage::new(CHANNEL), Hub::default());
    publish(&mut stage, "own");
    stage.state_within(std::time::Duration::from_secs(1));
    stage.receives(&kept(OTHER, 1, 1, "of another")).unwrap();
    hub.apply(&mut stage);
    hub.is("of another", &["own", "of another"]);
    stage.part.core.alone().disconnected();
    stage.connects();
    let sent = stage.part.core.alone().take_requests();
    assert!(sent.iter().any(|request| matches!(request, Request::Publish(_))));
    hub.apply(&mut stage);
    hub.is("own", &["own", "of another"]);
}

/// It returned before the link was lost, so what came behind it stays the last one.
#[test]
fn an_event_of_this_node_that_is_sent_again_without_need_is_not_the_last_one() {
    let (mut stage, mut hub) = (Stage::new(CHANNEL), Hub::default());
    publish(&mut stage, "own");
    stage.part.core.alone().take_requests();
    stage.receives(&kept(NODE, 1, 1, "own")).unwrap();
    stage.receives(&kept(OTHER, 1, 2, "of another")).unwrap();
    stage.part.core.alone().disconnected();
    stage.connects();
    let sent = stage.part.core.alone().take_requests();
    assert!(sent.iter().any(|request| matches!(request, Request::Publish(_))));
    hub.apply(&mut stage);
    hub.is("of another", &["own", "of another"]);
}
