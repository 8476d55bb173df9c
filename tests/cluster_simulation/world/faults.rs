//! What breaks, and how it is made whole again.

use std::sync::Arc;

use resound::cluster::TopicMessage;
use resound::protocol::SocketId;

use super::{Happening, USERS, World};
use crate::directory::{Directory, messages};
use crate::events::FORGED;
use crate::profile::{Faults, LEASE, MILLI, SECOND};
use crate::server::{Data, Item, OUTSIDER};

impl World {
    pub(super) fn something_breaks(&mut self) {
        let at = self.random.below(self.machines.len() as u64) as usize;
        let long = (10 * MILLI, 3 * LEASE);
        let short = (10 * MILLI, 3 * SECOND);
        match self.profile.faults {
            Faults::None => {}
            Faults::Links => match self.random.below(5) {
                0 => self.hold(at, long),
                1 => self.cut(at, long),
                2 => self.kill(at),
                3 => self.crash(at),
                _ => self.depart(at),
            },
            Faults::Short => match self.random.below(6) {
                0 => self.hold(at, short),
                1 => self.cut(at, short),
                2 => self.kill(at),
                3 => self.pause(short),
                4 => self.restart(Data::Whole),
                _ => self.slow_down(),
            },
            Faults::All => match self.random.below(11) {
                0 => self.hold(at, long),
                1 => self.cut(at, long),
                2 => self.kill(at),
                3 => self.crash(at),
                4 => self.depart(at),
                5 => self.pause((10 * MILLI, 30 * SECOND)),
                6 => self.restart(Data::Whole),
                7 => self.slow_down(),
                8 => self.fall_behind(),
                _ => self.restart(Data::Empty),
            },
        }
    }

    /// Nothing gets through for a while; then all of it does.
    pub(crate) fn hold(&mut self, at: usize, range: (u64, u64)) {
        let time = self.random.between(range);
        self.write_down(&format!("the link of machine {at} is held up for {time} µs"));
        self.machines[at].link.held_until = self.now + time;
        self.plan(time, Happening::LinkHeals(at));
    }

    /// The connection is dead without a reset; new ones fail too, for a while.
    pub(crate) fn cut(&mut self, at: usize, range: (u64, u64)) {
        let time = self.random.between(range);
        self.write_down(&format!("the link of machine {at} is cut for {time} µs"));
        self.machines[at].link.lost_until = self.now + time;
        if let Some(connection) = self.machines[at].link.connection {
            self.connections[connection as usize].is_cut = true;
        }
    }

    /// Redis ends the connection of a node.
    pub(crate) fn kill(&mut self, at: usize) {
        self.write_down(&format!("Redis ends the connection of machine {at}"));
        if let Some(connection) = self.machines[at].link.connection
            && self.server.has(connection)
        {
            self.server.forget(connection);
            self.send_down(vec![(connection, Item::Gone)]);
        }
    }

    /// A machine is gone without a word.
    pub(crate) fn crash(&mut self, at: usize) {
        if !self.machines[at].is_up {
            return;
        }
        self.write_down(&format!("machine {at} crashes"));
        let here = self.clients.iter().filter(|(_, client)| client.machine == at);
        let here: Vec<SocketId> = here.map(|(&socket, _)| socket).collect();
        for socket in here {
            let views = std::mem::take(&mut self.clients.get_mut(&socket).unwrap().views);
            views.keys().for_each(|name: &Arc<str>| self.absent(name, socket));
            self.clients.remove(&socket);
        }
        self.process_ends(at);
        let later = self.random.between((10 * MILLI, 2 * LEASE));
        self.plan(later, Happening::MachineStarts(at));
    }

    /// A machine leaves in order: its sockets first.
    pub(crate) fn depart(&mut self, at: usize) {
        if !self.machines[at].takes_sockets() {
            return;
        }
        self.write_down(&format!("machine {at} leaves"));
        self.machines[at].is_leaving = true;
        let here = self.clients.iter().filter(|(_, client)| client.machine == at);
        let here: Vec<SocketId> = here.map(|(&socket, _)| socket).collect();
        here.into_iter().for_each(|socket| self.close(socket));
        self.machines[at].core.depart();
        self.after(at, OUTSIDER);
        let id = self.machines[at].id;
        self.plan(SECOND, Happening::MachineEnds(at, id));
    }

    pub(super) fn machine_ends(&mut self, at: usize, id: u64) {
        if self.is_running(at, id) {
            self.process_ends(at);
            self.plan(SECOND, Happening::MachineStarts(at));
        }
    }

    fn process_ends(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        machine.is_up = false;
        machine.places = 0;
        self.ended.push(machine.id);
        self.unshared.insert(machine.id, machine.unshared + machine.core.take_not_replicated());
        if let Some(connection) = machine.link.connection.take() {
            self.connections[connection as usize].is_open = false;
            // A process that ends takes_leaves Redis so, a machine that loses its power does not.
            if self.random.percent(50) {
                self.server.forget(connection);
            }
        }
    }

    pub(super) fn machine_starts(&mut self, at: usize) {
        if !self.machines[at].is_up {
            let before = &self.machines[at].link;
            let (held_until, lost_until) = (before.held_until, before.lost_until);
            self.machines[at] = self.new_process();
            self.machines[at].link.held_until = held_until;
            self.machines[at].link.lost_until = lost_until;
            self.write_down(&format!("machine {at} starts"));
            self.started(at);
        }
    }

    pub(crate) fn pause(&mut self, range: (u64, u64)) {
        let time = self.random.between(range);
        self.write_down(&format!("Redis stands still for {time} µs"));
        self.server.paused_until = self.now + time;
        self.plan(time, Happening::RedisGoesOn);
    }

    fn slow_down(&mut self) {
        self.server.slow = self.random.below(20 * MILLI);
        self.write_down(&format!("a request takes Redis up to {} µs", self.server.slow));
    }

    pub(crate) fn restart(&mut self, data: Data) {
        if !self.server.is_up {
            return;
        }
        let which = match data {
            Data::Whole => "with its data",
            Data::Empty => "without its data",
            Data::Behind(_) => "as it was a while ago",
        };
        self.write_down(&format!("Redis restarts, {which}"));
        let ended = self.server.stop();
        self.send_down(ended.into_iter().map(|connection| (connection, Item::Gone)).collect());
        let later = self.random.between((MILLI, 2 * SECOND));
        self.plan(later, Happening::RedisStarts(data));
    }

    /// A replica gets nothing from now on, and soon takes the place of Redis.
    pub(crate) fn fall_behind(&mut self) {
        if !self.server.is_up {
            return;
        }
        let later = self.random.between((MILLI, 2 * SECOND));
        self.write_down(&format!("a replica falls behind by {later} µs"));
        let behind = Box::new(self.server.directory.clone());
        self.plan(later, Happening::FailOver(behind, self.server.life));
    }

    /// Not if Redis has lost its data since: then its replica did too.
    pub(super) fn fail_over(&mut self, behind: Box<Directory>, life: u32) {
        if self.server.life == life {
            self.restart(Data::Behind(behind));
        }
    }

    pub(super) fn redis_starts(&mut self, data: Data) {
        if !self.server.is_up {
            self.server.start(data, self.now);
            self.write_down("Redis is back");
        }
    }

    /// Somebody else publishes on our topics: noise, and our own messages with a part missing or
    /// one bit wrong. What is by chance a message is left out: it could have any content.
    pub(super) fn say_rubbish(&mut self) {
        let topics = self.server.topics();
        if topics.is_empty() {
            return;
        }
        let topic = topics[self.random.below(topics.len() as u64) as usize].clone();
        let heads =
            [&b"R\x02E"[..], b"R\x02C", b"R\x02O", b"R\x02T", b"R\x03E", b"R", b"", b"\xff"];
        let mut payload = heads[self.random.below(heads.len() as u64) as usize].to_vec();
        for _ in 0..self.random.below(60) {
            let byte = if self.random.percent(60) { 0 } else { self.random.below(256) as u8 };
            payload.push(byte);
        }
        if TopicMessage::read(&payload).is_none() && self.server.is_up {
            self.note(|| format!("rubbish on {topic}: {payload:?}"));
            let written = self.server.publish(&topic, &payload, OUTSIDER);
            self.send_down(written);
        }
    }

    /// An outsider publishes an event with any number on the topic of a channel: what it costs is
    /// itself. Where events get lost, its number is none that the channel can have: a number that
    /// one of them had would stand for it.
    pub(super) fn forge_event(&mut self) {
        let topics = self.server.topics();
        if topics.is_empty() || !self.server.is_up {
            return;
        }
        let topic = topics[self.random.below(topics.len() as u64) as usize].clone();
        let number = self.server.directory.number(&topic);
        let far = [0, 1 << 63, u64::MAX, number.saturating_sub(900_000), number + 900_000];
        let near = [number.saturating_sub(1), number, number + 1, number + 2, number + 9];
        let numbers = match self.profile.faults {
            Faults::None if self.random.percent(50) => near,
            _ => far,
        };
        let number = numbers[self.random.below(5) as usize];
        let origin = u64::MAX - self.random.below(3);
        let payload = messages::event(&messages::event_head(origin, 0), number, FORGED);
        self.write_down(&format!("an event with the number {number} is forged on {topic}"));
        let written = self.server.publish(&topic, &payload, OUTSIDER);
        self.send_down(written);
    }

    /// An outsider publishes a change on the topic of a channel: no user came or went, and a lease later
    /// no node thinks so. A node without Redis cannot see it, so this is for schedules without faults.
    pub(super) fn forge_change(&mut self) {
        let topics = self.server.topics();
        if topics.is_empty() || self.profile.faults != Faults::None {
            return;
        }
        let topic = topics[self.random.below(topics.len() as u64) as usize].clone();
        let name = topic.trim_start_matches("resound{1:").trim_end_matches('}');
        let users: &[&str] = match name.split('-').next() {
            Some("presence") => &USERS,
            Some("#server") => &[""],
            _ => &[],
        };
        let mut some = || -> Vec<String> {
            let drawn = users.iter().filter(|_| self.random.percent(30));
            drawn.map(|user| (*user).to_owned()).collect()
        };
        let (removed, added) = (some(), some());
        let with_info = |user: String| match &*user {
            "" => (user, String::new()),
            _ => (user.clone(), format!("{{\"name\":\"{user}\"}}")),
        };
        let added: Vec<_> = added.into_iter().map(with_info).collect();
        let count = if users.is_empty() { self.random.below(9) as u32 } else { 0 };
        let count = Some(count).filter(|count| *count > 0);
        let origin = u64::MAX - self.random.below(3);
        let change = messages::Change { removed: &removed, added: &added, count, recount: false };
        let Some(payload) = messages::change(origin, &change) else { return };
        self.write_down(&format!("-{removed:?} +{added:?} {count:?} is forged on {topic}"));
        self.forged_in.insert(name.to_owned());
        let written = self.server.publish(&topic, &payload, OUTSIDER);
        self.send_down(written);
    }

    /// Everything works again, from now on.
    pub(super) fn heal(&mut self) {
        self.write_down("everything works again");
        for at in 0..self.machines.len() {
            (self.machines[at].link.held_until, self.machines[at].link.lost_until) = (0, 0);
            self.link_heals(at);
            if !self.machines[at].is_leaving {
                self.machine_starts(at);
            }
        }
        (self.server.paused_until, self.server.slow) = (0, 0);
        self.redis_starts(Data::Whole);
        self.redis_works();
    }
}
