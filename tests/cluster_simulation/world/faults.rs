//! What breaks, and how it is made whole again.

use std::sync::Arc;

use resound::cluster::Core;
use resound::protocol::SocketId;

use super::{Happening, Line, World};
use crate::directory::Directory;
use crate::profile::{Faults, LEASE, MILLI, SECOND};
use crate::server::{Data, Item, OUTSIDER};

impl World {
    pub(super) fn some_part(&mut self) -> usize {
        match self.profile.partitions {
            1 => 0,
            several => self.random.below(several as u64) as usize,
        }
    }

    pub(super) fn something_breaks(&mut self) {
        let at = self.random.below(self.machines.len() as u64) as usize;
        let part = self.some_part();
        let line = (at, part);
        let long = (10 * MILLI, 3 * LEASE);
        let short = (10 * MILLI, 3 * SECOND);
        match self.profile.faults[part] {
            Faults::None => {}
            Faults::Links => match self.random.below(5) {
                0 => self.hold(line, long),
                1 => self.cut(line, long),
                2 => self.kill(line),
                3 => self.crash(at),
                _ => self.depart(at),
            },
            Faults::Short => match self.random.below(8) {
                0 => self.hold(line, short),
                1 => self.cut(line, short),
                2 => self.kill(line),
                3 => self.pause(part, short),
                4 => self.restart(part, Data::Whole),
                5 => self.move_slot(part, (MILLI, 2 * SECOND)),
                6 => self.hold_connection(line, short),
                _ => self.slow_down(part),
            },
            Faults::All => match self.random.below(14) {
                0 => self.hold(line, long),
                1 => self.cut(line, long),
                2 => self.kill(line),
                3 => self.crash(at),
                4 => self.depart(at),
                5 => self.pause(part, (10 * MILLI, 30 * SECOND)),
                6 => self.restart(part, Data::Whole),
                7 => self.slow_down(part),
                8 => self.fall_behind(part),
                9 | 10 => self.move_slot(part, (MILLI, 8 * SECOND)),
                11 => self.hold_connection(line, short),
                _ => self.restart(part, Data::Empty),
            },
        }
    }

    /// Nothing gets through for a while; then all of it does.
    pub(crate) fn hold(&mut self, line: Line, range: (u64, u64)) {
        let time = self.random.between(range);
        self.write_down(&format!("the link {line:?} is held up for {time} µs"));
        self.part(line).link.held_until = self.now + time;
        self.plan(time, Happening::LinkHeals(line));
    }

    /// The same of the present connection alone: another one overtakes what is under way on it.
    pub(crate) fn hold_connection(&mut self, line: Line, range: (u64, u64)) {
        let time = self.random.between(range);
        let Some(connection) = self.part(line).link.connection else { return };
        self.write_down(&format!("connection {connection} of {line:?} is held up for {time} µs"));
        self.connections[connection as usize].held_until = self.now + time;
        self.plan(time, Happening::LinkHeals(line));
    }

    /// The connection is dead without a reset; new ones fail too, for a while.
    pub(crate) fn cut(&mut self, line: Line, range: (u64, u64)) {
        let time = self.random.between(range);
        self.write_down(&format!("the link {line:?} is cut for {time} µs"));
        let until = self.now + time;
        self.part(line).link.lost_until = until;
        if let Some(connection) = self.part(line).link.connection {
            self.connections[connection as usize].is_cut = true;
        }
    }

    /// Redis ends the connection of a node.
    pub(crate) fn kill(&mut self, line: Line) {
        self.write_down(&format!("Redis ends the connection of {line:?}"));
        if let Some(connection) = self.part(line).link.connection
            && self.servers[line.1].has(connection)
        {
            self.servers[line.1].forget(connection);
            self.send_down(vec![(connection, Item::Gone)]);
        }
    }

    /// A machine that ends is a fault of all partitions.
    fn machines_may_end(&self) -> bool {
        !self.profile.faults.contains(&Faults::None)
    }

    /// A machine is gone without a word.
    pub(crate) fn crash(&mut self, at: usize) {
        if !self.machines[at].is_up || !self.machines_may_end() {
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
        if !self.machines[at].takes_sockets() || !self.machines_may_end() {
            return;
        }
        self.write_down(&format!("machine {at} leaves"));
        self.machines[at].is_leaving = true;
        let here = self.clients.iter().filter(|(_, client)| client.machine == at);
        let here: Vec<SocketId> = here.map(|(&socket, _)| socket).collect();
        here.into_iter().for_each(|socket| self.close(socket));
        for part in 0..self.profile.partitions {
            self.part((at, part)).core.act(Core::depart);
            self.after((at, part), OUTSIDER);
        }
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
        machine.whole = None;
        // Calls end with the process that they were made to.
        self.frames.calls.retain(|(process, _)| *process != machine.id);
        machine.places = 0;
        self.ended.push(machine.id);
        // A process that ends closes its connections, a machine that loses its power does not.
        let is_reset = self.random.percent(50);
        for (at, part) in machine.parts.iter_mut().enumerate() {
            let unshared = part.unshared + part.core.act(Core::take_not_replicated);
            self.unshared.insert((machine.id, at), unshared);
            if let Some(connection) = part.link.connection.take() {
                self.connections[connection as usize].is_open = false;
                if is_reset {
                    self.servers[at].forget(connection);
                }
            }
        }
    }

    pub(super) fn machine_starts(&mut self, at: usize) {
        if !self.machines[at].is_up {
            let process = self.new_process();
            let before = std::mem::replace(&mut self.machines[at], process);
            for (part, before) in self.machines[at].parts.iter_mut().zip(before.parts) {
                part.link.held_until = before.link.held_until;
                part.link.lost_until = before.link.lost_until;
            }
            self.write_down(&format!("machine {at} starts"));
            self.started(at);
        }
    }

    pub(crate) fn pause(&mut self, part: usize, range: (u64, u64)) {
        let time = self.random.between(range);
        self.write_down(&format!("Redis {part} stands still for {time} µs"));
        self.servers[part].paused_until = self.now + time;
        self.plan(time, Happening::RedisGoesOn(part));
    }

    fn slow_down(&mut self, part: usize) {
        self.servers[part].slow = self.random.below(20 * MILLI);
        self.write_down(&format!(
            "a request takes Redis {part} up to {} µs",
            self.servers[part].slow
        ));
    }

    pub(crate) fn restart(&mut self, part: usize, data: Data) {
        if !self.servers[part].is_up {
            return;
        }
        let which = match data {
            Data::Whole => "with its data",
            Data::Empty => "without its data",
            Data::Behind(_) => "as it was a while ago",
        };
        self.write_down(&format!("Redis {part} restarts, {which}"));
        let ended = self.servers[part].stop();
        self.send_down(ended.into_iter().map(|connection| (connection, Item::Gone)).collect());
        let later = self.random.between((MILLI, 2 * SECOND));
        self.plan(later, Happening::RedisStarts(part, data));
    }

    /// A replica gets nothing from now on, and soon takes the place of Redis.
    pub(crate) fn fall_behind(&mut self, part: usize) {
        if !self.servers[part].is_up {
            return;
        }
        let later = self.random.between((MILLI, 2 * SECOND));
        self.write_down(&format!("a replica of Redis {part} falls behind by {later} µs"));
        let behind = Box::new(self.servers[part].directory.clone());
        self.plan(later, Happening::FailOver(part, behind, self.servers[part].life));
    }

    /// Not if Redis has lost its data since: then its replica did too.
    pub(super) fn fail_over(&mut self, part: usize, behind: Box<Directory>, life: u32) {
        if self.servers[part].life == life {
            self.restart(part, Data::Behind(behind));
        }
    }

    pub(super) fn redis_starts(&mut self, part: usize, data: Data) {
        if !self.servers[part].is_up {
            self.servers[part].start(data, self.now);
            self.write_down(&format!("Redis {part} is back"));
        }
    }

    /// Everything works again, from now on.
    pub(super) fn heal(&mut self) {
        self.write_down("everything works again");
        self.connections.iter_mut().for_each(|connection| connection.held_until = 0);
        for at in 0..self.machines.len() {
            for part in 0..self.profile.partitions {
                let link = &mut self.part((at, part)).link;
                (link.held_until, link.lost_until) = (0, 0);
                self.link_heals((at, part));
            }
            if !self.machines[at].is_leaving {
                self.machine_starts(at);
            }
        }
        for part in 0..self.profile.partitions {
            self.slot_moved(part);
            (self.servers[part].paused_until, self.servers[part].slow) = (0, 0);
            self.redis_starts(part, Data::Whole);
            self.redis_works(part);
        }
    }
}
