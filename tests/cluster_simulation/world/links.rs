//! Nodes and Redis, and what is between them: as slow as was drawn, first in first out, until it is
//! held up, lost, or ended.
//!
//! What a node's link does is modelled here, in the simulation's terms: one batch under way,
//! answers read when all are there, an end after a time without them, and beginning again.

use resound::cluster::{Core, Reply, Request, TopicMessage};
use resound::redis_connection::LastLinks;

use super::{Happening, Line, Tampering, World};
use crate::machine::Part;
use crate::profile::{MILLI, TIMEOUT};
use crate::server::{ConnectionId, Item, OUTSIDER, Operation};

/// Between two attempts to connect.
const AGAIN: u64 = 200 * MILLI;

/// One connection, from a node to the Redis of a partition.
pub(crate) struct Connection {
    pub(crate) line: Line,
    /// The node's id.
    pub(crate) node: u64,
    /// The node still listens.
    pub(crate) is_open: bool,
    /// When it ceased to.
    pub(crate) closed_at: Option<u64>,
    /// Whatever is sent on it gets lost.
    pub(crate) is_cut: bool,
    /// Nothing gets through until then; it arrives late.
    pub(crate) held_until: u64,
    /// When the last thing under way arrives, in each direction.
    up_at: u64,
    down_at: u64,
    /// Waits for the link to heal, in order.
    held: Vec<Happening>,
}

impl Connection {
    fn part(&self) -> usize {
        self.line.1
    }
}

impl World {
    pub(super) fn connect(&mut self, line: Line, id: u64) {
        if !self.is_running(line.0, id) || self.part(line).link.connection.is_some() {
            return;
        }
        let connection = self.connections.len() as ConnectionId;
        let is_cut = self.part(line).link.lost_until > self.now;
        self.connections.push(Connection {
            line,
            node: id,
            is_open: true,
            closed_at: None,
            is_cut,
            held_until: 0,
            up_at: 0,
            down_at: 0,
            held: Vec::new(),
        });
        self.part(line).link.connection = Some(connection);
        // Three round trips: the handshake, what Redis it is, its scripts.
        let round_trips = 2 * (self.latency() + self.latency());
        let arrives = self.arrives_up(connection, round_trips);
        self.plan(arrives, Happening::Hello(connection));
        self.plan(TIMEOUT, Happening::TimedOut(connection, 0));
    }

    pub(super) fn hello(&mut self, connection: ConnectionId) {
        if self.is_held(connection, &Happening::Hello(connection)) {
            return;
        }
        // A stopped Redis accepts no connection.
        let Connection { line: (at, part), node, is_open, .. } =
            self.connections[connection as usize];
        if self.servers[part].paused_until > self.now {
            let later = self.servers[part].paused_until - self.now;
            return self.plan(later + 1, Happening::Hello(connection));
        }
        if !is_open {
            return;
        }
        let mut unknown = LastLinks::default();
        let last = match self.tampering {
            Some(Tampering::OldLinkIsKept) => &mut unknown,
            _ => &mut self.machines[at].parts[part].link.last,
        };
        let item = self.servers[part].connect(connection, node, last, self.now);
        self.send_down(vec![(connection, item)]);
    }

    /// Sends the next batch, if none is under way.
    pub(super) fn pump(&mut self, line: Line, id: u64) {
        if !self.is_running(line.0, id) {
            return;
        }
        let Part { core, link, .. } = self.part(line);
        link.will_pump = false;
        let Some(connection) = link.connection.filter(|_| link.is_connected) else {
            return;
        };
        if link.asked > 0 {
            return;
        }
        let requests = core.act(Core::take_requests);
        if requests.is_empty() {
            return;
        }
        link.asked = requests.len();
        link.batch += 1;
        let batch = link.batch;
        self.plan(TIMEOUT, Happening::TimedOut(connection, batch));
        // A write may arrive in parts, with those of others between them.
        let mut rest = requests;
        while !rest.is_empty() {
            let part = self.random.between((1, rest.len() as u64)) as usize;
            let after = rest.split_off(part);
            let arrives = self.arrives_up(connection, 0);
            self.plan(arrives, Happening::ToRedis(connection, rest));
            rest = after;
        }
    }

    pub(super) fn reached_redis(&mut self, connection: ConnectionId, requests: Vec<Request>) {
        let arrival = Happening::ToRedis(connection, requests);
        if self.is_held(connection, &arrival) {
            return;
        }
        let Happening::ToRedis(_, requests) = arrival else { unreachable!() };
        let part = self.connections[connection as usize].part();
        let server = &mut self.servers[part];
        if server.has(connection) {
            server.inbox.extend(requests.into_iter().map(|request| (connection, request)));
            self.redis_works(part);
        }
    }

    /// Redis carries out what it has, if it does not stand still.
    pub(super) fn redis_works(&mut self, part: usize) {
        loop {
            let server = &mut self.servers[part];
            let Some((connection, request)) = server.inbox.front().filter(|_| server.is_up) else {
                return;
            };
            let free = server.paused_until.max(server.busy_until);
            if free > self.now {
                return self.plan(free - self.now, Happening::RedisGoesOn(part));
            }
            if self.verbose {
                let (at, part) = self.connections[*connection as usize].line;
                let text = format!("Redis {part}, of machine {at}: {request:?}");
                self.trace.push(format!("{:>10}     {text}", self.now));
            }
            if server.slow > 0 {
                server.busy_until = self.now + self.random.below(server.slow);
            }
            let written = server.carry_out(self.now);
            self.send_down(written);
        }
    }

    /// What Redis writes goes on its way, in order on each connection.
    pub(super) fn send_down(&mut self, written: Vec<(ConnectionId, Item)>) {
        let mut written = written.into_iter().peekable();
        while let Some((connection, item)) = written.next() {
            let mut items = vec![item];
            while let Some((_, item)) = written.next_if(|(to, _)| *to == connection) {
                items.push(item);
            }
            let after = self.latency();
            let link = &mut self.connections[connection as usize];
            link.down_at = link.down_at.max(self.now + after);
            let arrives = link.down_at - self.now;
            self.plan(arrives, Happening::FromRedis(connection, items));
        }
    }

    pub(super) fn reached_node(&mut self, connection: ConnectionId, items: Vec<Item>) {
        let arrival = Happening::FromRedis(connection, items);
        if self.is_held(connection, &arrival) {
            return;
        }
        let Happening::FromRedis(_, items) = arrival else { unreachable!() };
        for item in items {
            // Whatever a link that was given up still brings is not listened to.
            if self.connections[connection as usize].is_open {
                self.takes(connection, item);
            }
        }
    }

    fn takes(&mut self, connection: ConnectionId, item: Item) {
        let line = self.connections[connection as usize].line;
        let (now, at) = (self.instant(), self.now);
        let Part { core, link, .. } = self.part(line);
        match item {
            Item::Welcome(identity) => {
                link.is_connected = true;
                if let Some(outage) = link.outages.last_mut() {
                    outage.1 = at;
                }
                let text = format!("machine {} is connected to {identity:?}", line.0);
                core.act(|core| core.connected(identity, now));
                self.note(|| text);
                self.after(line, OUTSIDER);
            }
            Item::Refused | Item::Gone => self.disconnect(connection),
            Item::Unsubscribed => {
                link.has_moved = true;
                // What is under way is waited for; no answer of it counts.
                if link.asked == 0 {
                    self.link_has_moved(connection);
                }
            }
            Item::Subscribed(topic) => core.act(|core| core.subscribed(&topic)),
            Item::Message(topic, payload, operation) => {
                if self.is_lost_on_purpose() {
                    return;
                }
                let core = &mut self.part(line).core;
                let is_ours = core.act(|core| core.message(&topic, &payload, now)).is_ok();
                if operation == OUTSIDER && is_ours && TopicMessage::read(&payload).is_none() {
                    self.is_wrong(format!("rubbish was taken for a message: {payload:?}"));
                }
                self.after(line, operation);
            }
            Item::Reply(reply, operation) => self.replied(connection, Some((reply, operation))),
            Item::Redirected => self.replied(connection, None),
        }
    }

    fn replied(&mut self, connection: ConnectionId, reply: Option<(Reply, Operation)>) {
        let link = &mut self.part(self.connections[connection as usize].line).link;
        link.replies.push(reply);
        if link.replies.len() == link.asked {
            let later = if self.random.percent(80) { 0 } else { self.random.below(5 * MILLI) };
            self.plan(later, Happening::Answered(connection));
        }
    }

    pub(super) fn answered(&mut self, connection: ConnectionId) {
        let Connection { line, is_open, .. } = self.connections[connection as usize];
        if !is_open {
            return;
        }
        let ignores = self.tampering == Some(Tampering::RedirectionIsIgnored);
        let link = &mut self.part(line).link;
        link.asked = 0;
        let replies = std::mem::take(&mut link.replies);
        if (link.has_moved || replies.iter().any(Option::is_none)) && !ignores {
            return self.link_has_moved(connection);
        }
        for (reply, operation) in replies.into_iter().flatten() {
            let now = self.instant();
            self.part(line).core.act(|core| core.replied(reply, now));
            self.after(line, operation);
        }
        let id = self.machines[line.0].id;
        self.pump(line, id);
    }

    /// The slot is on another server, or on its way there: the next link begins at its owner.
    fn link_has_moved(&mut self, connection: ConnectionId) {
        if self.tampering != Some(Tampering::StaleOwner) {
            self.disconnect(connection);
        }
    }

    pub(super) fn timed_out(&mut self, connection: ConnectionId, batch: u32) {
        let Connection { line, is_open, .. } = self.connections[connection as usize];
        let link = &self.part(line).link;
        let waits = match batch {
            0 => !link.is_connected,
            batch => link.batch == batch && link.asked > 0,
        };
        if is_open && waits {
            self.disconnect(connection);
        }
    }

    /// The node gives its link up and tries again after a while.
    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        let Connection { line, node, .. } = self.connections[connection as usize];
        self.connections[connection as usize].is_open = false;
        self.connections[connection as usize].closed_at = Some(self.now);
        let now = self.now;
        self.subscriptions_are_alone(line);
        let Part { core, link, .. } = self.part(line);
        let was_connected = std::mem::take(&mut link.is_connected);
        (link.connection, link.asked, link.has_moved) = (None, 0, false);
        link.replies.clear();
        if was_connected {
            link.outages.push((now, u64::MAX));
            core.act(Core::disconnected);
            self.note(|| format!("machine {} is disconnected", line.0));
            self.after(line, OUTSIDER);
        }
        let is_last = line.1 + 1 == self.profile.partitions;
        if self.tampering != Some(Tampering::NoNewLink) || !is_last {
            self.plan(AGAIN, Happening::Connect(line, node));
        }
    }

    /// Keeps what arrives while the link is held up. What is lost is gone.
    fn is_held(&mut self, connection: ConnectionId, arrival: &Happening) -> bool {
        let link = &mut self.connections[connection as usize];
        if link.is_cut {
            return true;
        }
        let (at, part) = link.line;
        let held_until = self.machines[at].parts[part].link.held_until.max(link.held_until);
        let is_held = held_until > self.now;
        if is_held {
            link.held.push(match arrival {
                Happening::Hello(connection) => Happening::Hello(*connection),
                Happening::ToRedis(connection, requests) => {
                    Happening::ToRedis(*connection, requests.clone())
                }
                Happening::FromRedis(connection, items) => {
                    Happening::FromRedis(*connection, items.clone())
                }
                _ => unreachable!("only these travel"),
            });
        }
        is_held
    }

    /// Everything that was held up arrives.
    pub(super) fn link_heals(&mut self, line: Line) {
        if self.part(line).link.held_until > self.now {
            return;
        }
        for connection in 0..self.connections.len() {
            let link = &mut self.connections[connection];
            if link.line == line && link.held_until <= self.now {
                for arrival in std::mem::take(&mut link.held) {
                    self.plan(0, arrival);
                }
            }
        }
    }

    fn arrives_up(&mut self, connection: ConnectionId, more: u64) -> u64 {
        let after = self.latency() + more;
        let link = &mut self.connections[connection as usize];
        link.up_at = link.up_at.max(self.now + after);
        link.up_at - self.now
    }

    fn latency(&mut self) -> u64 {
        let range = self.profile.latency;
        self.random.between(range)
    }
}
