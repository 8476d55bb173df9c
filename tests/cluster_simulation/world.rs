//! Everything there is in a simulation, and time, which goes from one thing that happens to the next.
//!
//! One thread, no clock, no sockets: what happens follows from the seed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::directory::{Decision, Directory};
use crate::events::Event;
use crate::machine::{Machine, Part};
use crate::profile::{LEASE, MILLI, Profile, SECOND};
use crate::random::Random;
use crate::server::{ConnectionId, Data, Item, Operation, Server};
use resound::app::App;
use resound::protocol::SocketId;

mod asking;
mod cached;
mod carrying;
mod faults;
mod forging;
mod links;
mod moves;
mod reading;
mod steps;
mod whole_nodes;

pub(crate) use asking::Tampering;
pub(crate) use steps::{CHANNELS, USERS};

use asking::{Listing, Termination};
use links::Connection;
use whole_nodes::{AskedPermit, Frames};

/// How often a node looks at the time. The shipped link does it more often; what matters is that it
/// is finer than every wait.
const TICK: u64 = 100 * MILLI;

/// After the last step: what is held back is sent, unused topics are left, the dead are cleaned
/// up, and every node has reported its state again.
const SETTLES: u64 = 2 * LEASE + 5 * SECOND;

/// Something that will happen.
pub(crate) enum Happening {
    Step,
    Tick(usize, u64),
    Pump(Line, u64),
    Connect(Line, u64),
    /// Redis has not answered the handshake, or this batch.
    TimedOut(ConnectionId, u32),
    ToRedis(ConnectionId, Vec<resound::cluster::Request>),
    Hello(ConnectionId),
    FromRedis(ConnectionId, Vec<Item>),
    /// All answers of a batch are there; they are read a little later.
    Answered(ConnectionId),
    LinkHeals(Line),
    RedisGoesOn(usize),
    /// That of a partition, with this data.
    RedisStarts(usize, Data),
    /// A replica with this data takes the place of the Redis that has had this many lives.
    FailOver(usize, Box<Directory>, u32),
    /// All keys of a partition are on the other server.
    SlotMoved(usize),
    MachineStarts(usize),
    MachineEnds(usize, u64),
    /// A shard of a whole node has a turn.
    Turn(usize, u64, usize),
    /// The connection of a client takes bytes again.
    Writable(SocketId),
}

/// The link of a machine to the Redis of a partition.
pub(crate) type Line = (usize, usize);

/// The same with its time. Of two at one time that which was planned first comes first.
struct Planned {
    at: u64,
    number: u64,
    happening: Happening,
}

impl Ord for Planned {
    /// The earliest is the greatest, for the order of a heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Planned {}

/// A socket that waits for a place.
struct Asking {
    machine: usize,
    id: u64,
    place: AskedPermit,
}

/// The last socket of a user on a machine left a channel.
struct Absence {
    at: u64,
    machine: usize,
    /// There is none on others either.
    is_everywhere: bool,
}

/// A webhook event, and the operation of the directory that decided it.
pub(crate) struct Announcement {
    pub(crate) part: usize,
    pub(crate) operation: Operation,
    pub(crate) decision: Decision,
}

/// The whole of it.
pub(crate) struct World {
    pub(crate) profile: Profile,
    pub(crate) now: u64,
    start: Instant,
    random: Random,
    agenda: BinaryHeap<Planned>,
    happened: u64,
    app: Arc<App>,
    /// Of each partition.
    pub(crate) servers: Vec<Server>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) clients: BTreeMap<SocketId, Client>,
    asking: Vec<Asking>,
    closing: Vec<SocketId>,
    pub(crate) events: Vec<Event>,
    unanswered: Vec<usize>,
    pub(crate) listings: Vec<Listing>,
    pub(crate) terminations: Vec<Termination>,
    pub(crate) announced: Vec<Announcement>,
    /// How many changes of rosters and watchlists the clients have received.
    pub(crate) changes_received: usize,
    /// Channels in which changes were forged.
    forged_in: BTreeSet<String>,
    absences: BTreeMap<(Arc<str>, String), Vec<Absence>>,
    /// Processes that ended, and what they counted.
    pub(crate) ended: Vec<u64>,
    /// What they had counted as not shared, by partition.
    pub(crate) unshared: BTreeMap<(u64, usize), u64>,
    /// What is done wrong on purpose.
    pub(crate) tampering: Option<Tampering>,
    next_id: u64,
    next_socket: u32,
    steps_left: usize,
    pub(crate) trace: Vec<String>,
    verbose: bool,
    /// What clients of whole nodes received.
    pub(crate) frames: Frames,
    wrong: Option<(u64, String)>,
}

impl World {
    pub(crate) fn new(seed: u64, steps: usize, adjust: impl FnOnce(&mut Profile)) -> Self {
        let mut random = Random::new(seed);
        let mut profile = Profile::draw(&mut random, steps);
        adjust(&mut profile);
        let (app, start) = (profile.app(), Instant::now());
        let servers = (0..profile.partitions).map(|part| Server::new(profile.rules(part)));
        let mut world = Self {
            now: 0,
            start,
            random,
            agenda: BinaryHeap::new(),
            happened: 0,
            app,
            servers: servers.collect(),
            machines: Vec::new(),
            connections: Vec::new(),
            clients: BTreeMap::new(),
            asking: Vec::new(),
            closing: Vec::new(),
            events: Vec::new(),
            unanswered: Vec::new(),
            listings: Vec::new(),
            terminations: Vec::new(),
            announced: Vec::new(),
            changes_received: 0,
            forged_in: BTreeSet::new(),
            absences: BTreeMap::new(),
            ended: Vec::new(),
            unshared: BTreeMap::new(),
            tampering: None,
            next_id: 0,
            next_socket: 0,
            steps_left: profile.steps,
            trace: Vec::new(),
            frames: Frames::default(),
            verbose: crate::simulation::number_of_environment("SIMULATION_VERBOSE").is_some(),
            wrong: None,
            profile,
        };
        for _ in 0..world.profile.machines {
            let machine = world.new_process();
            world.machines.push(machine);
        }
        (0..world.machines.len()).for_each(|at| world.started(at));
        world.plan(SECOND, Happening::Step);
        world
    }

    /// Plays all steps, makes everything whole and lets it settle.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while self.steps_left > 0 {
            self.happen()?;
        }
        self.come_to_rest()
    }

    /// Everything works again, and time passes.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), String> {
        self.heal();
        self.settle(SETTLES)?;
        self.everyone_lists();
        self.settle(SECOND)?;
        self.come_to_idle()
    }

    /// Lets time pass without a step.
    pub(crate) fn settle(&mut self, time: u64) -> Result<(), String> {
        let end = self.now + time;
        while self.agenda.peek().is_some_and(|planned| planned.at <= end) {
            self.happen()?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self) -> Result<(), String> {
        let Planned { at, happening, .. } = self.agenda.pop().unwrap();
        self.now = at;
        match happening {
            Happening::Step => self.step(),
            Happening::Tick(at, id) => self.tick(at, id),
            Happening::Pump(line, id) => self.pump(line, id),
            Happening::Connect(line, id) => self.connect(line, id),
            Happening::TimedOut(connection, batch) => self.timed_out(connection, batch),
            Happening::ToRedis(connection, requests) => self.reached_redis(connection, requests),
            Happening::Hello(connection) => self.hello(connection),
            Happening::FromRedis(connection, items) => self.reached_node(connection, items),
            Happening::Answered(connection) => self.answered(connection),
            Happening::LinkHeals(line) => self.link_heals(line),
            Happening::RedisGoesOn(part) => self.redis_works(part),
            Happening::RedisStarts(part, data) => self.redis_starts(part, data),
            Happening::FailOver(part, behind, life) => self.fail_over(part, behind, life),
            Happening::SlotMoved(part) => self.slot_moved(part),
            Happening::MachineStarts(at) => self.machine_starts(at),
            Happening::MachineEnds(at, id) => self.machine_ends(at, id),
            Happening::Turn(at, id, shard) => self.shard_turns(at, id, shard),
            Happening::Writable(socket) => self.connection_writable(socket),
        }
        self.plan_turns();
        match self.wrong.take() {
            Some((at, why)) => Err(format!("at {at} µs: {why}")),
            None => Ok(()),
        }
    }

    fn plan(&mut self, after: u64, happening: Happening) {
        self.happened += 1;
        let (at, number) = (self.now + after, self.happened);
        self.agenda.push(Planned { at, number, happening });
    }

    /// The topic of a channel.
    pub(crate) fn topic_of(&self, name: &str) -> String {
        format!("{}{{1:{name}}}", self.profile.prefix(self.profile.part_of(name)))
    }

    pub(crate) fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    fn new_process(&mut self) -> Machine {
        self.next_id += 1;
        let now = self.instant();
        Machine::start(self.next_id, &self.profile, &self.app, now)
    }

    fn started(&mut self, at: usize) {
        let id = self.machines[at].id;
        for part in 0..self.profile.partitions {
            self.plan(0, Happening::Connect((at, part), id));
        }
        let first = self.random.below(TICK);
        self.plan(first, Happening::Tick(at, id));
    }

    fn tick(&mut self, at: usize, id: u64) {
        if !self.is_running(at, id) {
            return;
        }
        let now = self.instant();
        for part in 0..self.profile.partitions {
            let Part { core, unshared, .. } = self.part((at, part));
            let (waiting, is_connected) = core.act(|core| {
                core.tick(now);
                *unshared += core.take_not_replicated();
                (core.queued_bytes(), core.is_connected())
            });
            // One event more may have been let in while there was room.
            if waiting > crate::profile::QUEUE_BYTES + 1024 && !is_connected {
                self.is_wrong(format!("{waiting} bytes wait on machine {at}"));
            }
            self.after((at, part), crate::server::OUTSIDER);
            self.lonely_ones_know_each_other((at, part));
        }
        self.sessions_tick(at);
        self.plan(TICK, Happening::Tick(at, id));
    }

    pub(crate) fn part(&mut self, (at, part): Line) -> &mut Part {
        &mut self.machines[at].parts[part]
    }

    /// Without Redis a node serves what it has: its own clients receive each other.
    fn lonely_ones_know_each_other(&mut self, (at, part): Line) {
        if self.part((at, part)).link.is_connected || !self.machines[at].is_idle() {
            return;
        }
        let here = || self.clients.values().filter(|client| client.machine == at);
        let views = here().flat_map(|client| &client.views);
        let is_theirs =
            |name: &str| name.starts_with("presence-") && self.profile.part_of(name) == part;
        for (name, view) in views.filter(|(name, _)| is_theirs(name)) {
            let there = here().filter(|client| client.views.contains_key(name));
            let stranger =
                there.map(|client| client.user).find(|user| !view.members.contains_key(*user));
            if let Some(user) = stranger {
                let text = format!(
                    "{user} is in {name} on machine {at}, and somebody there does not know"
                );
                return self.is_wrong(text);
            }
        }
    }

    fn is_running(&self, at: usize, id: u64) -> bool {
        self.machines[at].id == id && self.machines[at].is_up
    }

    /// The first thing that is wrong ends the simulation.
    fn is_wrong(&mut self, text: String) {
        self.wrong.get_or_insert((self.now, text));
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.verbose {
            let text = text();
            self.trace.push(format!("{:>10}     {text}", self.now));
        }
    }

    fn write_down(&mut self, text: &str) {
        self.trace.push(format!("{:>10} {text}", self.now));
    }
}
