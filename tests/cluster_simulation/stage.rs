//! One core with a channel of one socket, whose Redis is the test: each request is answered as the test wants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resound::cluster::{
    ChannelEffect, ChannelKey, ChannelState, Effect, InvalidTopicMessage, NodeId, RedisIdentity,
    Request, node_topic,
};
use resound::config::{ClusterSettings, StreamSettings};
use resound::protocol::{ChannelName, Frame, Member, SocketId};
use serde_json::value::RawValue;

use crate::directory::messages::{self, Bytes, Outcome};
use crate::machine::Part;
use crate::profile::Profile;
use crate::random::Random;

/// The node under test, and another one.
pub(crate) const NODE: u64 = 7;
pub(crate) const OTHER: u64 = 8;

/// The number of the last event before the test.
pub(crate) const NUMBER: u64 = 100;

/// A node on which one socket is in one channel.
pub(crate) struct Stage {
    pub(crate) part: Part,
    pub(crate) spot: ChannelKey,
    topic: Arc<str>,
    own_topic: Arc<str>,
    pub(crate) now: Instant,
}

impl Stage {
    /// Its Redis keeps no events.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, None)
    }

    /// Its Redis keeps events.
    pub(crate) fn keeping_events(name: &str) -> Self {
        let retention = Duration::from_secs(60);
        Self::with(name, Some(StreamSettings { retention, events: 1000 }))
    }

    fn with(name: &str, streams: Option<StreamSettings>) -> Self {
        let drawn = Profile::draw(&mut Random::new(1), 0);
        let profile = Profile { bound: None, partitions: 1, ..drawn };
        let settings = ClusterSettings { streams, ..profile.settings(0) };
        let now = Instant::now();
        let own_topic = node_topic(&settings.prefix, NodeId(NODE));
        let mut part = Part::new(NODE, settings, profile.app(), now);
        let spot = ChannelKey::channel(0, &ChannelName::parse(name, 200).unwrap());
        let topic = part.core.alone().channels().topic(&spot);
        let mut stage = Self { part, spot, topic, own_topic, now };
        stage.connects();
        stage.joins(1);
        stage
    }

    /// The link is up.
    pub(crate) fn connects(&mut self) {
        self.connects_to("1");
    }

    /// The link is up, and the data of Redis are these.
    pub(crate) fn connects_to(&mut self, epoch: &str) {
        let redis = RedisIdentity { run: "1".into(), epoch: epoch.into() };
        self.part.core.alone().connected(redis, self.now);
    }

    /// A socket joins as the user of its number; the directory seats it.
    pub(crate) fn joins(&mut self, number: u32) {
        self.request_join(number);
        let state = self.state().expect("a join is a request");
        self.topic_is_subscribed();
        let added = state.rows.iter().map(|(user, _)| user.to_string()).collect();
        let roster = state.flags.roster.then(roster);
        self.answers(state.request, &outcome(added, roster)).unwrap();
        self.part.core.alone().take_effects();
    }

    /// Redis confirms the subscription to the topic of the channel.
    pub(crate) fn topic_is_subscribed(&mut self) {
        self.part.core.alone().subscribed(&self.topic);
    }

    /// The socket with this number.
    pub(crate) fn socket(&self, number: u32) -> SocketId {
        SocketId::of_halves(number, 1).unwrap()
    }

    pub(crate) fn request_join(&mut self, number: u32) {
        let user_info = Some(RawValue::from_string("{}".to_owned()).unwrap());
        let member = Member { user_id: number.to_string().into(), user_info };
        let socket = self.socket(number);
        self.part.core.alone().join(&self.spot, socket, Some(&member));
    }

    /// The next state that the node sends.
    pub(crate) fn state(&mut self) -> Option<ChannelState> {
        self.part.core.alone().take_requests().into_iter().find_map(|request| match request {
            Request::State(state) => Some(*state),
            _ => None,
        })
    }

    pub(crate) fn answers(
        &mut self,
        request: u64,
        outcome: &Outcome,
    ) -> Result<(), InvalidTopicMessage> {
        let own_topic = self.own_topic.clone();
        self.part.core.alone().message(&own_topic, &messages::outcome(request, outcome), self.now)
    }

    /// A message on the topic of the channel.
    pub(crate) fn receives(&mut self, payload: &[u8]) -> Result<(), InvalidTopicMessage> {
        self.part.core.alone().message(&self.topic, payload, self.now)
    }

    /// What the sockets of the channel were sent.
    pub(crate) fn delivered(&mut self) -> Vec<String> {
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
    pub(crate) fn state_within(&mut self, time: Duration) -> Option<ChannelState> {
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
pub(crate) fn roster() -> Vec<Bytes> {
    vec![Bytes(b"1".to_vec()), messages::member(1, &[NODE], "{}")]
}

pub(crate) fn outcome(added: Vec<String>, roster: Option<Vec<Bytes>>) -> Outcome {
    Outcome { number: NUMBER, total: 1, added, roster, ..Outcome::default() }
}

pub(crate) fn event(origin: u64, serial: u64, number: u64, text: &str) -> Vec<u8> {
    messages::event(&messages::event_head(origin, serial), number, text)
}
