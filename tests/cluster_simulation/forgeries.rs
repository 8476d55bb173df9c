//! Well-formed messages that no node has sent, given to one core: each costs at most itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resound::cluster::{
    ChannelEffect, ChannelKey, ChannelState, Effect, InvalidTopicMessage, NodeId, RedisIdentity,
    Request, node_topic,
};
use resound::config::ClusterSettings;
use resound::protocol::{ChannelName, Frame, Member, SocketId};
use serde_json::value::RawValue;

use crate::directory::messages::{self, Bytes, Change, Outcome};
use crate::machine::{FIRST_REQUEST, Part};
use crate::profile::{LEASE, Profile};
use crate::random::Random;

/// The node under test, and another one.
const NODE: u64 = 7;
const OTHER: u64 = 8;

/// More than an idle topic is kept for.
const LINGER: Duration = Duration::from_secs(6);

/// The number of the last event before the test.
const NUMBER: u64 = 100;

/// A node on which one socket is in one channel.
struct Stage {
    part: Part,
    spot: ChannelKey,
    topic: Arc<str>,
    own_topic: Arc<str>,
    now: Instant,
}

impl Stage {
    fn new(name: &str) -> Self {
        let drawn = Profile::draw(&mut Random::new(1), 0);
        let profile = Profile { bound: None, partitions: 1, ..drawn };
        let settings = ClusterSettings { streams: None, ..profile.settings(0) };
        let now = Instant::now();
        let own_topic = node_topic(&settings.prefix, NodeId(NODE));
        let mut part = Part::new(NODE, settings, profile.app(), now);
        let spot = ChannelKey::channel(0, &ChannelName::parse(name, 200).unwrap());
        let topic = part.core.alone().channels().topic(&spot);
        let mut stage = Self { part, spot, topic, own_topic, now };
        let redis = RedisIdentity { run: "1".into(), epoch: "1".into() };
        stage.part.core.alone().connected(redis, now);
        stage.joins(1);
        stage
    }

    /// A socket joins as the user of its number; the directory seats it.
    fn joins(&mut self, number: u32) {
        self.request_join(number);
        let state = self.state().expect("a join is a request");
        self.part.core.alone().subscribed(&self.topic);
        let added = state.rows.iter().map(|(user, _)| user.to_string()).collect();
        let roster = state.flags.roster.then(roster);
        self.answers(state.request, &outcome(added, roster)).unwrap();
        self.part.core.alone().take_effects();
    }

    fn request_join(&mut self, number: u32) {
        let user_info = Some(RawValue::from_string("{}".to_owned()).unwrap());
        let member = Member { user_id: number.to_string().into(), user_info };
        let socket = SocketId::of_halves(number, 1).unwrap();
        self.part.core.alone().join(&self.spot, socket, Some(&member));
    }

    /// The next state that the node sends.
    fn state(&mut self) -> Option<ChannelState> {
        self.part.core.alone().take_requests().into_iter().find_map(|request| match request {
            Request::State(state) => Some(*state),
            _ => None,
        })
    }

    fn answers(&mut self, request: u64, outcome: &Outcome) -> Result<(), InvalidTopicMessage> {
        let own_topic = self.own_topic.clone();
        self.part.core.alone().message(&own_topic, &messages::outcome(request, outcome), self.now)
    }

    /// A message on the topic of the channel.
    fn receives(&mut self, payload: &[u8]) -> Result<(), InvalidTopicMessage> {
        self.part.core.alone().message(&self.topic, payload, self.now)
    }

    /// What the sockets of the channel were sent.
    fn delivered(&mut self) -> Vec<String> {
        let text = |frame: &Frame| String::from_utf8(frame.payload().to_vec()).unwrap();
        let effects = self.part.core.alone().take_effects();
        let delivered = effects.iter().filter_map(|effect| match effect {
            Effect::Channel { action: ChannelEffect::Deliver { frame, .. }, .. } => {
                Some(text(frame))
            }
            _ => None,
        });
        delivered.collect()
    }

    /// The next state, if the node sends one within this time.
    fn state_within(&mut self, time: Duration) -> Option<ChannelState> {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(100);
            self.part.core.alone().tick(self.now);
            if let Some(state) = self.state() {
                return Some(state);
            }
        }
        None
    }
}

/// The first user, alone.
fn roster() -> Vec<Bytes> {
    vec![Bytes(b"1".to_vec()), messages::member(1, &[NODE], "{}")]
}

fn outcome(added: Vec<String>, roster: Option<Vec<Bytes>>) -> Outcome {
    Outcome { number: NUMBER, total: 1, added, roster, ..Outcome::default() }
}

fn event(origin: u64, serial: u64, number: u64, text: &str) -> Vec<u8> {
    messages::event(&messages::event_head(origin, serial), number, text)
}

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
