//! One node of a cluster in memory, with sockets in a few channels, and what it takes from Redis. What Redis answers and
//! publishes is left to the targets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use resound::cluster::{
    ChannelKey, Core, DirectoryQuery, Effect, NodeId, PublishScope, QueryAnswer, RedisIdentity,
    Reply, Request, node_topic,
};
use resound::config::{ClusterSettings, StreamSettings};
use resound::protocol::{Frame, Member, SocketId, User};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::fixture;

/// The node, another one, and the number of the first request.
pub(crate) const NODE: u64 = 7;
pub(crate) const OTHER: u64 = 8;
pub(crate) const FIRST_REQUEST: u64 = 1 << 40;

const CHANNELS: [&str; 4] = ["a", "presence-b", "cache-c", "presence-cache-d"];

/// Effects of a single input: far more than its messages could have.
const EFFECTS_MAX: usize = 100_000;

pub(crate) struct ClusterStage {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    /// The topics of the channels, of the node and of all nodes.
    pub(crate) topics: Vec<Arc<str>>,
    /// Requests whose answers are due.
    sent: VecDeque<Request>,
    effects: usize,
    _waiters: Vec<oneshot::Receiver<QueryAnswer>>,
    _publishers: Vec<oneshot::Receiver<PublishScope>>,
}

impl ClusterStage {
    pub(crate) fn new(streams: bool) -> Self {
        let mut app = fixture::app();
        app.limits.connections = Some(10);
        app.subscription_count_events = true;
        let settings = ClusterSettings {
            prefix: "resound".to_owned(),
            partitions: 1,
            lease: Duration::from_secs(10),
            local_delivery_after: Duration::from_millis(250),
            queue_bytes: 1 << 16,
            streams: streams
                .then_some(StreamSettings { retention: Duration::from_secs(60), events: 100 }),
            cache_ttl: Duration::from_secs(60),
        };
        let now = Instant::now();
        let mut core =
            Core::new(NodeId(NODE), settings.clone(), &[Arc::new(app)], FIRST_REQUEST, now);
        core.connected(identity(1), now);
        let keys: Vec<ChannelKey> =
            CHANNELS.iter().map(|name| ChannelKey::channel(0, &fixture::name(name))).collect();
        let user = User::parse("{\"id\":\"ann\",\"watchlist\":[\"bob\"]}", &fixture::app().limits)
            .unwrap();
        for (at, key) in (1..).zip(&keys) {
            let info = RawValue::from_string("{}".to_owned()).unwrap();
            let member = Member { user_id: "ann".into(), user_info: Some(info) };
            let member = Some(&member).filter(|_| at % 2 == 0);
            core.join(key, SocketId::of_halves(at, 1).unwrap(), member);
        }
        core.sign_in(0, SocketId::of_halves(1, 1).unwrap(), &user);
        let mut topics: Vec<Arc<str>> = keys.iter().map(|key| core.channels().topic(key)).collect();
        topics.push(core.channels().topic(&ChannelKey::user(0, "ann")));
        topics.push(node_topic(&settings.prefix, NodeId(NODE)));
        topics.push("resound:all".into());
        let mut publishers = Vec::new();
        for key in keys {
            let (waiter, publisher) = oneshot::channel();
            publishers.push(publisher);
            core.publish(key, Frame::text(b"{}"), None, Some(waiter), now);
        }
        let (effects, sent) = Default::default();
        let mut stage = Self {
            core,
            now,
            topics,
            sent,
            effects,
            _waiters: Vec::new(),
            _publishers: publishers,
        };
        stage.look_up();
        stage.settle();
        stage
    }

    /// Each kind of look-up.
    fn look_up(&mut self) {
        let (app_id, topic) = (|| "1".to_owned(), self.topics[1].clone());
        let queries = [
            DirectoryQuery::Channel(topic.clone()),
            DirectoryQuery::Members(topic),
            DirectoryQuery::Connections(app_id()),
            DirectoryQuery::Leases,
            DirectoryQuery::Names { app_id: app_id(), prefix: String::new(), most: 9 },
            DirectoryQuery::Occupied {
                app_id: app_id(),
                prefix: String::new(),
                after: String::new(),
                most: 9,
            },
        ];
        for query in queries {
            let (waiter, answer) = oneshot::channel();
            self.core.query(query, waiter);
            self._waiters.push(answer);
        }
    }

    /// Takes what comes out; what is not bounded would end here.
    pub(crate) fn settle(&mut self) -> Vec<Effect> {
        let effects = self.core.take_effects();
        self.effects += effects.len();
        assert!(self.effects < EFFECTS_MAX, "{} effects", self.effects);
        let requests = self.core.take_requests();
        self.sent.extend(requests);
        assert!(self.sent.len() < EFFECTS_MAX, "{} requests", self.sent.len());
        effects
    }

    /// The request whose answer is due.
    pub(crate) fn next_request(&mut self) -> Option<Request> {
        self.sent.pop_front()
    }

    pub(crate) fn replied(&mut self, reply: Reply) {
        self.core.replied(reply, self.now);
    }

    /// The link is lost and made again, with this Redis.
    pub(crate) fn reconnect(&mut self, run: u8) {
        self.core.disconnected();
        self.sent.clear();
        self.settle();
        self.core.connected(identity(run), self.now);
        self.look_up();
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.core.tick(self.now);
    }
}

fn identity(run: u8) -> RedisIdentity {
    RedisIdentity { run: run.to_string(), epoch: "e".to_owned() }
}
