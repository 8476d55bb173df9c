//! The Redis of one partition: connections, the subscribers of topics, and how it stands still, restarts, forgets
//! and moves to another server. What requests mean is the [`Directory`]'s business.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use resound::cluster::{RedisIdentity, Reply, Request};
use resound::redis_connection::LastLinks;

use crate::directory::{Decision, Directory, Done, Rules};

/// Names one connection among all there ever were.
pub(crate) type ConnectionId = u32;

/// What Redis writes on a connection.
#[derive(Clone)]
pub(crate) enum Item {
    /// The handshake is done; this names the process.
    Welcome(RedisIdentity),
    /// Nobody listens there, or the slot is on its way to another server.
    Refused,
    /// The answer to a request.
    Reply(Reply, Operation),
    /// The answer to a request that another server would have to carry out, or will soon.
    Redirected,
    /// A push: the topics are on another server now.
    Unsubscribed,
    /// A push: this topic is received from now on.
    Subscribed(Arc<str>),
    /// A push: a message on a topic.
    Message(Arc<str>, Rc<[u8]>, Operation),
    /// The end of the stream.
    Gone,
}

/// The number of a request among all that were carried out; a message of an outsider has none.
pub(crate) type Operation = u64;

/// What an outsider's messages belong to.
pub(crate) const OUTSIDER: Operation = 0;

/// A decision, and the connection on which its node receives it.
pub(crate) struct Decided {
    pub(crate) operation: Operation,
    pub(crate) connection: ConnectionId,
    pub(crate) decision: Decision,
    pub(crate) life: u32,
}

/// An event that Redis has taken.
pub(crate) struct Accepted {
    pub(crate) event: usize,
    pub(crate) at: u64,
}

/// The data of a Redis that starts.
pub(crate) enum Data {
    /// Everything.
    Whole,
    /// Nothing.
    Empty,
    /// What there was a while ago.
    Behind(Box<Directory>),
}

/// One of the two servers between which the slot of a partition is moved.
type Host = usize;

/// The Redis of one partition, its data, and what it has decided so far.
pub(crate) struct Server {
    pub(crate) directory: Directory,
    /// The process of each host. Changes with every start.
    runs: [u32; 2],
    /// Which one has the slot.
    owner: Host,
    /// The slot is on its way to the other one: keys are on both, so no script runs.
    pub(crate) is_moving: bool,
    /// Changes whenever data is lost.
    pub(crate) life: u32,
    /// Lives that began with what there had been a while before.
    pub(crate) behind: BTreeSet<u32>,
    pub(crate) is_up: bool,
    pub(crate) paused_until: u64,
    /// The most microseconds a request takes, where it takes any.
    pub(crate) slow: u64,
    pub(crate) busy_until: u64,
    pub(crate) inbox: VecDeque<(ConnectionId, Request)>,
    /// The node and the host of each.
    connections: BTreeMap<ConnectionId, (u64, Host)>,
    subscribers: BTreeMap<Arc<str>, BTreeSet<ConnectionId>>,
    operations: Operation,
    pub(crate) decided: Vec<Decided>,
    pub(crate) accepted: Vec<Accepted>,
    /// Nodes that were taken out although they lived, with the time.
    pub(crate) reaped: Vec<(u64, u64)>,
    /// On which connection a node reported when what it has in which channel.
    pub(crate) states: Vec<(ConnectionId, Arc<str>, u64)>,
    /// When a process started that nodes had not met before, or the slot came to another one.
    pub(crate) starts: Vec<u64>,
}

/// 1 January 2024, in microseconds.
const EPOCH: u64 = 1_704_067_200_000_000;

impl Server {
    pub(crate) fn new(rules: Rules) -> Self {
        let (inbox, connections, subscribers, decided, accepted, reaped) = Default::default();
        Self {
            directory: Directory::new(rules),
            runs: [1, 1],
            owner: 0,
            is_moving: false,
            life: 1,
            behind: BTreeSet::new(),
            is_up: true,
            paused_until: 0,
            slow: 0,
            busy_until: 0,
            inbox,
            connections,
            subscribers,
            operations: OUTSIDER,
            decided,
            accepted,
            reaped,
            states: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// The time of the clock of Redis.
    pub(crate) fn clock(now: u64) -> u64 {
        EPOCH + now
    }

    /// A node connects to the owner of the slot. What it sent before over its last connection to this process, and what
    /// is not carried out yet, never will be: a new link ends that one.
    pub(crate) fn connect(
        &mut self,
        connection: ConnectionId,
        node: u64,
        last: &mut LastLinks,
        now: u64,
    ) -> Item {
        if !self.is_up || self.is_moving {
            return Item::Refused;
        }
        let run = format!("run {} of {}", self.runs[self.owner], self.owner);
        if let Some(stale) = last.replace(&run, connection.into()) {
            self.forget(stale as ConnectionId);
        }
        self.connections.insert(connection, (node, self.owner));
        let epoch = self.directory.epoch(node, now);
        Item::Welcome(RedisIdentity { run, epoch })
    }

    /// The slot is on the other host now, with everything in it.
    pub(crate) fn moved(&mut self, now: u64) -> Vec<(ConnectionId, Item)> {
        self.is_moving = false;
        self.owner = 1 - self.owner;
        self.starts.push(now);
        let topics = std::mem::take(&mut self.subscribers);
        let receivers: BTreeSet<ConnectionId> = topics.into_values().flatten().collect();
        receivers.into_iter().map(|receiver| (receiver, Item::Unsubscribed)).collect()
    }

    /// Whether the connection is open in the view of Redis.
    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    /// A connection ended.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.subscribers.values_mut().for_each(|all| all.retain(|of| *of != connection));
        self.inbox.retain(|(of, _)| *of != connection);
    }

    /// The process ends; returns the connections that end with it.
    pub(crate) fn stop(&mut self) -> Vec<ConnectionId> {
        (self.is_up, self.is_moving) = (false, false);
        let ended = self.connections.iter().filter(|(_, (_, host))| *host == self.owner);
        let ended: Vec<ConnectionId> = ended.map(|(&connection, _)| connection).collect();
        ended.iter().for_each(|&connection| self.forget(connection));
        ended
    }

    /// A new process.
    pub(crate) fn start(&mut self, data: Data, now: u64) {
        self.starts.push(now);
        self.is_up = true;
        self.runs[self.owner] += 1;
        self.directory = match data {
            Data::Whole => return,
            Data::Empty => Directory::new(self.directory.rules.clone()),
            Data::Behind(directory) => {
                self.behind.insert(self.life + 1);
                *directory
            }
        };
        self.life += 1;
    }

    /// Carries out the next request; returns what is written on which connections, in order.
    pub(crate) fn carry_out(&mut self, now: u64) -> Vec<(ConnectionId, Item)> {
        let Some((connection, request)) = self.inbox.pop_front() else { return Vec::new() };
        let Some(&(node, host)) = self.connections.get(&connection) else { return Vec::new() };
        // Topics are subscribed to, and messages published there, until the slot has moved.
        let is_of_topics = matches!(
            request,
            Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Broadcast(_)
        );
        if host != self.owner || self.is_moving && !is_of_topics {
            return vec![(connection, Item::Redirected)];
        }
        self.operations += 1;
        let operation = self.operations;
        let Done { reply, published, decided } =
            self.directory.carry_out(node, &request, Self::clock(now));
        let life = self.life;
        let decided = decided.into_iter();
        self.decided.extend(decided.map(|decision| Decided {
            operation,
            connection,
            decision,
            life,
        }));
        self.take_note(connection, &request, &reply, now);
        let mut written = Vec::new();
        match request {
            Request::Subscribe(topic) => {
                self.subscribers.entry(topic.clone()).or_default().insert(connection);
                written.push((connection, Item::Subscribed(topic)));
            }
            Request::Unsubscribe(topic) => {
                self.subscribers.entry(topic).or_default().remove(&connection);
            }
            _ => {}
        }
        written.push((connection, Item::Reply(reply, operation)));
        for (topic, payload) in published {
            written.extend(self.publish(&topic, &payload, operation));
        }
        written
    }

    /// A message goes to the present subscribers of its topic.
    pub(crate) fn publish(
        &self,
        topic: &Arc<str>,
        payload: &[u8],
        operation: Operation,
    ) -> Vec<(ConnectionId, Item)> {
        let Some(receivers) = self.subscribers.get(topic) else { return Vec::new() };
        let payload: Rc<[u8]> = payload.into();
        let item = || Item::Message(topic.clone(), payload.clone(), operation);
        receivers.iter().map(|&receiver| (receiver, item())).collect()
    }

    /// Topics with a subscriber.
    pub(crate) fn topics(&self) -> Vec<Arc<str>> {
        let received = self.subscribers.iter().filter(|(_, receivers)| !receivers.is_empty());
        received.map(|(topic, _)| topic.clone()).collect()
    }

    fn take_note(&mut self, connection: ConnectionId, request: &Request, reply: &Reply, now: u64) {
        match (request, reply) {
            (Request::State(state), _) => self.states.push((connection, state.topic.clone(), now)),
            (Request::Publish(publish), Reply::Published(_)) => {
                let event = crate::events::number_of(publish.frame.payload()).unwrap();
                self.accepted.push(Accepted { event, at: now });
            }
            (Request::Reap { node, leaving: false }, Reply::Reaped(Some(_))) => {
                self.reaped.push((node.0, now));
            }
            _ => {}
        }
    }
}
