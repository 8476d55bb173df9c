//! Nodes and Redis, and what is between them: as slow as was drawn, first in first out, until it is
//! held up, lost, or ended.
//!
//! What a node's link does is modelled here, in the simulation's terms: one batch under way,
//! answers read when all are there, an end after a time without them, and beginning again.

use resound::cluster::{Request, TopicMessage};

use super::{Happening, World};
use crate::profile::{MILLI, TIMEOUT};
use crate::server::{ConnectionId, Item, OUTSIDER};

/// Between two attempts to connect.
const AGAIN: u64 = 200 * MILLI;

/// One connection, from a node to Redis.
pub(crate) struct Connection {
    pub(crate) machine: usize,
    /// The node's id.
    pub(crate) node: u64,
    /// The node still listens.
    pub(crate) is_open: bool,
    /// When it ceased to.
    pub(crate) closed_at: Option<u64>,
    /// Whatever is sent on it gets lost.
    pub(crate) is_cut: bool,
    /// When the last thing under way arrives, in each direction.
    up_at: u64,
    down_at: u64,
    /// Waits for the link to heal, in order.
    held: Vec<Happening>,
}

impl World {
    pub(super) fn connect(&mut self, at: usize, id: u64) {
        if !self.is_running(at, id) || self.machines[at].link.connection.is_some() {
            return;
        }
        let connection = self.connections.len() as ConnectionId;
        let is_cut = self.machines[at].link.lost_until > self.now;
        self.connections.push(Connection {
            machine: at,
            node: id,
            is_open: true,
            closed_at: None,
            is_cut,
            up_at: 0,
            down_at: 0,
            held: Vec::new(),
        });
        self.machines[at].link.connection = Some(connection);
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
        if self.server.paused_until > self.now {
            let later = self.server.paused_until - self.now;
            return self.plan(later + 1, Happening::Hello(connection));
        }
        if !self.connections[connection as usize].is_open {
            return;
        }
        let node = self.connections[connection as usize].node;
        let item = self.server.connect(connection, node, self.now);
        self.send_down(vec![(connection, item)]);
    }

    /// Sends the next batch, if none is under way.
    pub(super) fn pump(&mut self, at: usize, id: u64) {
        if !self.is_running(at, id) {
            return;
        }
        let machine = &mut self.machines[at];
        machine.link.will_pump = false;
        let Some(connection) = machine.link.connection.filter(|_| machine.link.is_connected) else {
            return;
        };
        if machine.link.asked > 0 {
            return;
        }
        let requests = machine.core.take_requests();
        if requests.is_empty() {
            return;
        }
        machine.link.asked = requests.len();
        machine.link.batch += 1;
        let batch = machine.link.batch;
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
        if self.server.has(connection) {
            self.server.inbox.extend(requests.into_iter().map(|request| (connection, request)));
            self.redis_works();
        }
    }

    /// Redis carries out what it has, if it does not stand still.
    pub(super) fn redis_works(&mut self) {
        while !self.server.inbox.is_empty() && self.server.is_up {
            let free = self.server.paused_until.max(self.server.busy_until);
            if free > self.now {
                return self.plan(free - self.now, Happening::RedisGoesOn);
            }
            if self.server.slow > 0 {
                self.server.busy_until = self.now + self.random.below(self.server.slow);
            }
            if self.verbose {
                let (connection, request) = self.server.inbox.front().unwrap();
                let at = self.connections[*connection as usize].machine;
                let text = format!("Redis, of machine {at}: {request:?}");
                self.note(|| text);
            }
            let written = self.server.carry_out(self.now);
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
        let at = self.connections[connection as usize].machine;
        let now = self.instant();
        let machine = &mut self.machines[at];
        match item {
            Item::Welcome(identity) => {
                machine.link.is_connected = true;
                if let Some(outage) = machine.link.outages.last_mut() {
                    outage.1 = self.now;
                }
                let text = format!("machine {at} is connected to {identity:?}");
                machine.core.connected(identity, now);
                self.note(|| text);
                self.after(at, OUTSIDER);
            }
            Item::Refused | Item::Gone => self.disconnect(connection),
            Item::Subscribed(topic) => machine.core.subscribed(&topic),
            Item::Message(topic, payload, operation) => {
                let is_ours = machine.core.message(&topic, &payload, now).is_ok();
                if operation == OUTSIDER && is_ours && TopicMessage::read(&payload).is_none() {
                    self.is_wrong(format!("rubbish was taken for a message: {payload:?}"));
                }
                self.after(at, operation);
            }
            Item::Reply(reply, operation) => {
                machine.link.replies.push((reply, operation));
                if machine.link.replies.len() == machine.link.asked {
                    let later =
                        if self.random.percent(80) { 0 } else { self.random.below(5 * MILLI) };
                    self.plan(later, Happening::Answered(connection));
                }
            }
        }
    }

    pub(super) fn answered(&mut self, connection: ConnectionId) {
        let Connection { machine: at, is_open, .. } = self.connections[connection as usize];
        if !is_open {
            return;
        }
        let link = &mut self.machines[at].link;
        link.asked = 0;
        for (reply, operation) in std::mem::take(&mut link.replies) {
            let now = self.instant();
            self.machines[at].core.replied(reply, now);
            self.after(at, operation);
        }
        let id = self.machines[at].id;
        self.pump(at, id);
    }

    pub(super) fn timed_out(&mut self, connection: ConnectionId, batch: u32) {
        let Connection { machine: at, is_open, .. } = self.connections[connection as usize];
        let link = &self.machines[at].link;
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
        let Connection { machine: at, node, .. } = self.connections[connection as usize];
        self.connections[connection as usize].is_open = false;
        self.connections[connection as usize].closed_at = Some(self.now);
        let link = &mut self.machines[at].link;
        let was_connected = std::mem::take(&mut link.is_connected);
        (link.connection, link.asked) = (None, 0);
        link.replies.clear();
        if was_connected {
            self.machines[at].link.outages.push((self.now, u64::MAX));
            self.machines[at].core.disconnected();
            self.note(|| format!("machine {at} is disconnected"));
            self.after(at, OUTSIDER);
        }
        self.plan(AGAIN, Happening::Connect(at, node));
    }

    /// Keeps what arrives while the link is held up. What is lost is gone.
    fn is_held(&mut self, connection: ConnectionId, arrival: &Happening) -> bool {
        let link = &mut self.connections[connection as usize];
        if link.is_cut {
            return true;
        }
        let is_held = self.machines[link.machine].link.held_until > self.now;
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
    pub(super) fn link_heals(&mut self, at: usize) {
        let link = &mut self.machines[at].link;
        if link.held_until > self.now {
            return;
        }
        for connection in 0..self.connections.len() {
            if self.connections[connection].machine == at {
                for arrival in std::mem::take(&mut self.connections[connection].held) {
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
