//! Requests as nodes may make them, and as they never would: any order, any numbers.

use std::sync::Arc;
use std::time::Duration;

use resound::cluster::{
    ChannelState, ChannelTraits, DirectoryQuery, NodeId, PublishRequest, Request, StateFlags,
};
use resound::config::{ClusterSettings, StreamSettings};

use super::NODES;
use crate::directory::{Rules, messages};
use crate::events;
use crate::random::Random;

/// Longer than a sequence takes, so that no lease ends in one.
const LEASE: Duration = Duration::from_secs(100);
const RETENTION: Duration = Duration::from_secs(100);
const EVENTS: usize = 100_000;
const CACHE: Duration = Duration::from_secs(100);

const NAMES: [&str; 4] = ["presence-a", "cache-b", "c", "#server-to-user-d"];
const USERS: [&str; 5] = ["ann", "bob", "eve", "Zoë", "{7}"];

pub(crate) fn settings(prefix: &str, streams: bool) -> ClusterSettings {
    ClusterSettings {
        prefix: prefix.to_owned(),
        partitions: 1,
        lease: LEASE,
        local_delivery_after: Duration::from_millis(250),
        queue_bytes: 1 << 20,
        streams: streams.then_some(StreamSettings { retention: RETENTION, events: EVENTS }),
        cache_ttl: CACHE,
    }
}

pub(crate) fn rules(prefix: &str, streams: bool) -> Rules {
    Rules {
        prefix: prefix.to_owned(),
        streams: streams.then_some((RETENTION.as_millis() as u64, EVENTS)),
        cache_ms: CACHE.as_millis() as u64,
        beat_holds_ms: LEASE.as_millis() as u64 * 8 / 10,
    }
}

/// Draws requests, on keys that begin so.
pub(crate) struct Draw {
    prefix: String,
    requests: u64,
    serial: u64,
}

impl Draw {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, requests: 0, serial: 0 }
    }

    /// The first requests of a node on each link.
    pub(crate) fn beginning(&self, node: u64) -> Vec<Request> {
        let own = format!("{}:node:{node:016x}", self.prefix).into();
        let common = format!("{}:all", self.prefix).into();
        let beat = Request::Heartbeat { lease: LEASE, takes_leaves: false, proof: None };
        vec![Request::Subscribe(own), Request::Subscribe(common), beat]
    }

    pub(crate) fn topic(&self, name: &str) -> Arc<str> {
        format!("{}{{1:{name}}}", self.prefix).into()
    }

    pub(crate) fn request(&mut self, random: &mut Random, node: u64) -> Request {
        let name = random.pick(&NAMES).unwrap();
        match random.below(100) {
            0..40 => Request::State(Box::new(self.state(random, name))),
            40..60 => Request::Publish(self.publish(random, node, name)),
            60..68 => Request::Subscribe(self.topic(name)),
            68..71 => Request::Unsubscribe(self.topic(name)),
            71..77 => connections(random),
            77..80 => {
                Request::Heartbeat { lease: LEASE, takes_leaves: random.percent(50), proof: None }
            }
            80..84 => {
                let (node, leaving) = (NodeId(random.between((1, NODES))), random.percent(80));
                Request::Reap { node, leaving }
            }
            84..87 => Request::ListChannels,
            87..90 => Request::Broadcast(format!("to all {}", random.below(9)).into_bytes()),
            _ => Request::Query(self.query(random, name)),
        }
    }

    pub(crate) fn state(&mut self, random: &mut Random, name: &str) -> ChannelState {
        self.requests += 1;
        let counts = [0, 0, 1, 2, 3, 99, 101, 250];
        let users = USERS.iter().filter(|_| random.percent(30)).collect::<Vec<_>>();
        let info = |user: &str| format!("{{\"id\":\"{user}\"}}").into_boxed_str();
        let has_roster = name.starts_with("presence-") || name.starts_with('#');
        let rows = users.into_iter().filter(|_| has_roster);
        let rows = rows.map(|user| (Arc::from(*user), random.percent(65).then(|| info(user))));
        let rows: Vec<_> = rows.collect();
        let traits = ChannelTraits {
            listed: !name.starts_with('#'),
            roster: has_roster,
            webhooks: !name.starts_with('#'),
            counts: !has_roster,
        };
        // A node without a member there has no rows to add.
        let comes = rows.iter().any(|(_, info)| info.is_some());
        let count = random.pick(&counts).unwrap().max(u32::from(comes));
        ChannelState {
            request: self.requests,
            topic: self.topic(name),
            app_id: "1".to_owned(),
            name: name.into(),
            count,
            traits,
            flags: StateFlags {
                whole: random.percent(25),
                bounded: random.percent(50),
                roster: random.percent(50) && has_roster,
                cached: random.percent(60) && name.starts_with("cache-"),
                missed: random.percent(40),
            },
            members_max: 3,
            // How far back, until it is known where the numbers are.
            known: random.below(6),
            rows,
        }
    }

    pub(crate) fn publish(&mut self, random: &mut Random, node: u64, name: &str) -> PublishRequest {
        let again = random.percent(25);
        self.serial += u64::from(!again || self.serial == 0);
        PublishRequest {
            topic: self.topic(name),
            head: messages::event_head(node, self.serial),
            frame: events::frame(self.serial as usize, random.below(40) as usize),
            cached: name.starts_with("cache-") && random.percent(80),
            again,
        }
    }

    fn query(&self, random: &mut Random, name: &str) -> DirectoryQuery {
        let prefixes = ["", "c", "presence-", "x"];
        match random.below(6) {
            0 => DirectoryQuery::Channel(self.topic(name)),
            1 => {
                let prefix = random.pick(&prefixes).unwrap().to_owned();
                let after = match random.below(2) {
                    0 => String::new(),
                    _ => format!("{prefix}c"),
                };
                let most = 1 + random.below(4) as usize;
                DirectoryQuery::Occupied { app_id: "1".to_owned(), prefix, after, most }
            }
            2 => DirectoryQuery::Members(self.topic(name)),
            3 => {
                let prefix = random.pick(&prefixes).unwrap().to_owned();
                DirectoryQuery::Names { app_id: "1".to_owned(), prefix, most: 2 }
            }
            4 => DirectoryQuery::Leases,
            _ => DirectoryQuery::Connections("1".to_owned()),
        }
    }
}

fn connections(random: &mut Random) -> Request {
    let open = random.below(4) as u32;
    Request::Connections {
        app_id: "1".to_owned(),
        open,
        wanted: open + random.below(4) as u32,
        most: random.percent(60).then(|| random.below(7) as u32),
    }
}
