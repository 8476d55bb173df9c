//! The directory, written plainly: what Redis holds for the nodes, and what its scripts do with it.
//!
//! Shares no code with the scripts; [`scripts`](crate::scripts) holds both against each other. Knows
//! neither connections nor subscribers: what is published comes out as topic and payload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use resound::cluster::{
    ChannelInfo, ChannelRecord, ConnectionShare, DataProof, DirectoryQuery, HeartbeatReply, NodeId,
    NodeLease, PendingLeave, PublishReply, QueryAnswer, Reply, Request,
};

pub(crate) mod channel;
pub(crate) mod messages;
mod states;

use channel::Channel;

/// How long a leave is held before its webhook is sent.
const HOLD_MS: u64 = 3000;
/// How long a vacated channel remembers its numbers: longer than a node stays subscribed without need.
const COUNTS_ON_MS: u64 = 10_000;
/// How long a vacated channel remembers the last event of each node.
const TAKEN_MS: u64 = 60_000;
/// How long both are remembered at least if who was in it last did not leave it by itself.
const REMEMBERED_MS: u64 = 600_000;
/// Channels that one clean-up takes a node out of.
const REAPED_AT_ONCE: usize = 64;
/// Leaves that one beat takes.
const DUE_AT_ONCE: usize = 100;

/// What all nodes of one cluster agree on.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) prefix: String,
    /// Milliseconds and number of what is kept of each channel.
    pub(crate) streams: Option<(u64, usize)>,
    pub(crate) cache_ms: u64,
    pub(crate) beat_holds_ms: u64,
}

/// Until when a node lives, and since when without a break.
#[derive(Clone, Copy)]
struct Life {
    deadline: u64,
    since: u64,
}

/// A webhook event, decided here and sent by one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decision {
    pub(crate) app_id: String,
    pub(crate) channel: String,
    /// `None`: the channel itself was occupied or vacated.
    pub(crate) user: Option<String>,
    pub(crate) came: bool,
}

/// What a request brings about.
pub(crate) struct Done {
    pub(crate) reply: Reply,
    /// Topic and payload, in order.
    pub(crate) published: Vec<(Arc<str>, Vec<u8>)>,
    pub(crate) decided: Vec<Decision>,
}

impl Done {
    fn reply(reply: Reply) -> Self {
        Self { reply, published: Vec::new(), decided: Vec::new() }
    }
}

impl Rules {
    /// How long a channel that is or becomes vacant remembers the last event of each node.
    fn taken_ms(&self) -> u64 {
        self.streams.map_or(TAKEN_MS, |(kept_ms, _)| kept_ms)
    }
}

/// All data of Redis.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) rules: Rules,
    nodes: BTreeMap<u64, Life>,
    references: BTreeMap<u64, BTreeSet<ChannelRecord>>,
    /// Reference and user of each leave that is held, and when it is due.
    held: BTreeMap<PendingLeave, u64>,
    occupied: BTreeMap<String, BTreeSet<String>>,
    connections: BTreeMap<String, BTreeMap<u64, u32>>,
    channels: BTreeMap<Arc<str>, Channel>,
    epoch: Option<String>,
}

impl Directory {
    pub(crate) fn new(rules: Rules) -> Self {
        let (nodes, references, held, occupied, connections, channels) = Default::default();
        let epoch = None;
        Self { rules, nodes, references, held, occupied, connections, channels, epoch }
    }

    /// Carries out one request of a node. `now` in microseconds since 1970.
    pub(crate) fn carry_out(&mut self, node: u64, request: &Request, now: u64) -> Done {
        match request {
            Request::Subscribe(_) | Request::Unsubscribe(_) => Done::reply(Reply::Done),
            Request::Publish(publish) => self.publish(publish, now),
            Request::Cache { .. } => unreachable!("no input is simulated"),
            Request::State(state) => self.state(node, state, now),
            Request::Heartbeat { lease, takes_leaves, proof } => {
                self.prove(node, proof.as_ref());
                self.beat(node, *lease, *takes_leaves, now)
            }
            Request::Reap { node, leaving } => self.reap(node.0, *leaving, now),
            Request::ListChannels => {
                let all = self.references.get(&node).into_iter().flatten().cloned().collect();
                Done::reply(Reply::Channels(all))
            }
            Request::Connections { app_id, open, wanted, most } => {
                Done::reply(self.connections(node, app_id, (*open, *wanted), *most, now))
            }
            Request::Broadcast(message) => {
                let topic = format!("{}:all", self.rules.prefix).into();
                Done { published: vec![(topic, message.clone())], ..Done::reply(Reply::Done) }
            }
            Request::Send { .. } => unreachable!("no operator is simulated"),
            Request::Query(query) => Done::reply(Reply::Answer(self.look_up(query, now))),
        }
    }

    fn publish(&mut self, publish: &resound::cluster::PublishRequest, now: u64) -> Done {
        let streams = self.rules.streams;
        let text = std::str::from_utf8(publish.frame.payload()).unwrap();
        let channel = self.channels.entry(publish.topic.clone()).or_default();
        channel.expire(now / 1000);
        let part = |at: usize| u64::from_be_bytes(publish.head[at..at + 8].try_into().unwrap());
        let (node, serial) = (part(3), part(11));
        if publish.again && channel.taken.get(&node).is_some_and(|taken| *taken >= serial) {
            return Done::reply(Reply::Published(PublishReply { number: 0, is_occupied: false }));
        }
        let is_live = channel.rows.is_some();
        if let Some((kept_ms, _)) = streams.filter(|_| publish.cached) {
            channel.begin(now, Some(now / 1000 + kept_ms));
        }
        let (mut number, mut published) = (0, Vec::new());
        let is_numbered = is_live || channel.number.is_some();
        if is_numbered || publish.cached {
            channel.take(node, serial);
            if streams.is_some() || !is_live {
                channel.taken_until = Some(now / 1000 + self.rules.taken_ms());
            }
        }
        if is_numbered {
            number = channel.next_number();
            let message = messages::event(&publish.head, number, text);
            if let Some((kept_ms, events)) = streams {
                channel.keep(number, message.clone(), (now / 1000 + kept_ms, events));
            }
            published.push((publish.topic.clone(), message));
        }
        if publish.cached {
            channel.cached = Some((text.to_owned(), now / 1000 + self.rules.cache_ms));
        }
        let reply = PublishReply { number, is_occupied: is_live };
        Done { published, ..Done::reply(Reply::Published(reply)) }
    }

    fn beat(&mut self, node: u64, lease: Duration, takes_leaves: bool, now: u64) -> Done {
        let epoch = self.epoch(node, now);
        let (now, lease) = (now / 1000, lease.as_millis() as u64);
        let before = self.nodes.get(&node).filter(|life| life.deadline >= now).copied();
        let since = before.map_or(now, |life| life.since);
        self.nodes.insert(node, Life { deadline: now + lease, since });
        let is_alive = |life: &Life| life.deadline >= now;
        let alive = self.nodes.values().filter(|life| is_alive(life)).count() as u32;
        let may_judge = now - since >= lease;
        let dead = self.nodes.iter().filter(|(_, life)| may_judge && !is_alive(life));
        let dead = dead.map(|(&node, _)| NodeId(node)).collect();
        let mut due: Vec<_> = self
            .held
            .iter()
            .filter(|(_, due)| takes_leaves && **due <= now)
            .map(|(a, b)| (*b, a.clone()))
            .collect();
        due.sort();
        due.truncate(DUE_AT_ONCE);
        let due: Vec<PendingLeave> = due.into_iter().map(|(_, leave)| leave).collect();
        self.held.retain(|leave, _| !due.contains(leave));
        let decided = due.iter().map(|leave| decision(leave, false)).collect();
        let beat = HeartbeatReply { lapsed: before.is_none(), alive, dead, due, epoch };
        Done { decided, ..Done::reply(Reply::Heartbeat(beat)) }
    }

    /// If the last event of a node is not there, this is not the data it belonged to.
    fn prove(&mut self, node: u64, proof: Option<&DataProof>) {
        let Some(DataProof { topic, serial, epoch }) = proof else { return };
        let taken = self.channels.get(topic).and_then(|channel| channel.taken.get(&node));
        if self.epoch.as_ref() == Some(epoch) && taken.is_none_or(|taken| taken < serial) {
            self.epoch = None;
        }
    }

    /// Which data this is: drawn by the first node that finds none.
    pub(crate) fn epoch(&mut self, node: u64, now: u64) -> String {
        self.epoch.get_or_insert_with(|| format!("{node:016x} at {now}")).clone()
    }

    fn reap(&mut self, node: u64, leaving: bool, now: u64) -> Done {
        let lives = self.nodes.get(&node).is_some_and(|life| life.deadline >= now / 1000);
        if lives && !leaving {
            return Done::reply(Reply::Reaped(None));
        }
        let all = self.references.entry(node).or_default();
        let some: Vec<ChannelRecord> = all.iter().take(REAPED_AT_ONCE).cloned().collect();
        all.retain(|reference| !some.contains(reference));
        let left = all.len() as u64;
        let mut published = Vec::new();
        for reference in &some {
            published.extend(self.take_out(node, reference, leaving, now));
        }
        if left == 0 {
            self.references.remove(&node);
            self.nodes.remove(&node);
            self.connections.values_mut().for_each(|nodes| nodes.retain(|other, _| *other != node));
        }
        Done { published, ..Done::reply(Reply::Reaped(Some(left))) }
    }

    fn connections(
        &mut self,
        node: u64,
        app_id: &str,
        (open, wanted): (u32, u32),
        most: Option<u32>,
        now: u64,
    ) -> Reply {
        let all = self.connections.entry(app_id.to_owned()).or_default();
        let others: u32 = all.iter().filter(|(other, _)| **other != node).map(|(_, n)| n).sum();
        let bounded = |most: u32| open.max(wanted.min(most.saturating_sub(others)));
        let granted = most.map_or(wanted, bounded);
        all.remove(&node);
        if granted > 0 {
            all.insert(node, granted);
            self.enlist(node, now);
        }
        Reply::Connections(ConnectionShare { granted, total: others + granted })
    }

    /// A node that sends a request is alive again, even if it was given up.
    fn enlist(&mut self, node: u64, now: u64) {
        let (deadline, since) = (now / 1000 + self.rules.beat_holds_ms, now / 1000);
        self.nodes.entry(node).or_insert(Life { deadline, since });
    }

    fn look_up(&mut self, query: &DirectoryQuery, now: u64) -> QueryAnswer {
        self.channels.values_mut().for_each(|channel| channel.expire(now / 1000));
        match query {
            DirectoryQuery::Channel(topic) => QueryAnswer::Channel(self.look(topic, now)),
            DirectoryQuery::Occupied { app_id, prefix, after, most } => {
                let names = self.occupied.get(app_id).into_iter().flatten();
                let names = names.filter(|name| name.starts_with(prefix) && *name > after);
                let names = names.take(*most);
                let one = |name: &String| {
                    let look = self.look(&self.topic(app_id, name), now);
                    (name.clone(), look.sockets, look.users)
                };
                QueryAnswer::Occupied(names.map(one).collect())
            }
            DirectoryQuery::Members(topic) => QueryAnswer::Members(self.roster(topic)),
            DirectoryQuery::Connections(app_id) => QueryAnswer::Connections(self.open(app_id)),
            DirectoryQuery::Names { app_id, prefix, most } => {
                let names = self.occupied.get(app_id).into_iter().flatten();
                let names = names.filter(|name| name.starts_with(prefix)).take(*most);
                QueryAnswer::Names(names.cloned().collect())
            }
            DirectoryQuery::Leases => {
                let now = now / 1000;
                let lease = |(node, life): (&u64, &Life)| NodeLease {
                    node: NodeId(*node),
                    left_ms: life.deadline.cast_signed() - now.cast_signed(),
                    held_ms: now - life.since,
                };
                QueryAnswer::Leases(self.nodes.iter().map(lease).collect())
            }
        }
    }

    fn look(&self, topic: &str, now: u64) -> ChannelInfo {
        let Some(channel) = self.channels.get(topic) else { return ChannelInfo::default() };
        let sockets = channel.rows.as_ref().map_or(0, |rows| rows.total.max(0) as u32);
        let left = |until: u64| Duration::from_millis(until - now / 1000);
        let cached = channel.cached.clone().map(|(text, until)| (text, left(until)));
        let nodes = channel.rows.as_ref().map_or(0, |rows| rows.by_node.len() as u32);
        let users = channel.members.len() as u32;
        ChannelInfo { sockets, users, nodes, occupied_ms: None, vacated_ms: None, cached }
    }

    /// Users of a channel, in order of arrival.
    pub(crate) fn roster(&self, topic: &str) -> Vec<String> {
        let Some(channel) = self.channels.get(topic) else { return Vec::new() };
        let mut all: Vec<_> =
            channel.members.iter().map(|(user, member)| (member.arrival, user.clone())).collect();
        all.sort();
        all.into_iter().map(|(_, user)| user).collect()
    }

    /// The number of the channel's last event; 0 if it counts none.
    pub(crate) fn number(&self, topic: &str) -> u64 {
        self.channels.get(topic).map_or(0, Channel::last_number)
    }

    /// Sockets of a channel.
    pub(crate) fn sockets(&self, topic: &str) -> i64 {
        let rows = self.channels.get(topic).and_then(|channel| channel.rows.as_ref());
        rows.map_or(0, |rows| rows.total)
    }

    /// Sockets of an app.
    pub(crate) fn open(&self, app_id: &str) -> u32 {
        self.connections.get(app_id).map_or(0, |nodes| nodes.values().sum())
    }

    /// The keys of a channel that do not expire.
    pub(crate) fn keys(&mut self, topic: &str, now: u64) -> Vec<&'static str> {
        let Some(channel) = self.channels.get_mut(topic) else { return Vec::new() };
        channel.expire(now / 1000);
        channel.keys()
    }

    /// Every channel of which there ever was anything.
    pub(crate) fn topics(&self) -> Vec<Arc<str>> {
        self.channels.keys().cloned().collect()
    }

    /// Channels of an app that lists show.
    pub(crate) fn listed(&self, app_id: &str) -> Vec<String> {
        self.occupied.get(app_id).into_iter().flatten().cloned().collect()
    }

    /// Nodes of which something is left, and the references and connections of others.
    pub(crate) fn remembered_nodes(&self) -> BTreeSet<u64> {
        let with_references = self.references.iter().filter(|(_, all)| !all.is_empty());
        let mut all: BTreeSet<u64> = with_references.map(|(&node, _)| node).collect();
        all.extend(self.nodes.keys());
        all.extend(self.connections.values().flat_map(BTreeMap::keys));
        all
    }

    fn topic(&self, app_id: &str, name: &str) -> Arc<str> {
        format!("{}{{{app_id}:{name}}}", self.rules.prefix).into()
    }
}

/// What is decided of a leave that was held, or undone by a return.
fn decision(leave: &PendingLeave, came: bool) -> Decision {
    let PendingLeave { channel: ChannelRecord { app_id, name, .. }, user_id } = leave.clone();
    Decision { app_id, channel: name, user: user_id, came }
}
