//! What is done, in which order: the same for one seed, whatever becomes of it. How much of it is done depends on how long
//! the faults take.

use std::collections::BTreeSet;

use crate::oracle::fact::Name;
use crate::random::Random;

pub(crate) const NODES: usize = 3;
pub(crate) const SEATS: usize = 24;
pub(crate) const LANES: usize = 3;

/// Channels of one seat; a seat joins and leaves in between.
const WANTED_MAX: usize = 6;

/// Each lane has one channel of each of these kinds, and a third of the users.
const KINDS: [&str; 5] =
    ["orders", "private-orders", "presence-room", "cache-price", "private-cache-price"];

/// What one client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Connect {
        node: usize,
        signs_in: bool,
    },
    Subscribe(Name),
    Unsubscribe(Name),
    Whisper(Name),
    /// Closes its connection with a close frame.
    Leave,
    /// Cuts it.
    Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Seat(usize, Order),
    /// A back end ends the connections of the user of this seat.
    Terminate {
        seat: usize,
        node: usize,
    },
}

/// How a back end triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub(crate) node: usize,
    pub(crate) channels: Vec<Name>,
    /// One event of a batch for each channel, instead of one event on all channels.
    pub(crate) is_batch: bool,
    pub(crate) except: Option<usize>,
    pub(crate) padding: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGHUP with a changed file.
    Reload,
    /// SIGUSR2.
    Upgrade,
    /// SIGTERM, and a new process when it has ended.
    Restart,
    /// SIGKILL, and a new process.
    Kill,
    LinksCut,
    /// SIGSTOP of Redis.
    RedisStall,
    /// SIGKILL of Redis.
    RedisKill,
}

const FAULTS: [Fault; 7] = [
    Fault::Reload,
    Fault::Upgrade,
    Fault::Restart,
    Fault::Kill,
    Fault::LinksCut,
    Fault::RedisStall,
    Fault::RedisKill,
];

#[derive(Default)]
struct Model {
    is_open: bool,
    wanted: BTreeSet<Name>,
}

/// The acts of all clients.
pub(crate) struct Plan {
    random: Random,
    seats: Vec<Model>,
    channels: Vec<Name>,
}

/// The faults, which do not depend on how many acts there were in between.
pub(crate) struct FaultPlan {
    random: Random,
    deck: Vec<Fault>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let seats = (0..SEATS).map(|_| Model::default()).collect();
        let channels = (0..LANES).flat_map(channels_of_lane).collect();
        Self { random: Random::new(seed), seats, channels }
    }

    /// The next act of a client.
    pub(crate) fn act(&mut self) -> Act {
        let seat = self.random.below(SEATS as u64) as usize;
        let node = self.random.below(NODES as u64) as usize;
        let chance = self.random.below(100);
        let model = &mut self.seats[seat];
        if !model.is_open {
            model.is_open = true;
            return Act::Seat(seat, Order::Connect { node, signs_in: chance < 50 });
        }
        let wanted: Vec<Name> = model.wanted.iter().cloned().collect();
        let free = self.channels.iter().filter(|channel| !wanted.contains(channel));
        let free: Vec<Name> = free.cloned().collect();
        let talk = pick(&mut self.random, &whispering(&wanted));
        let leave = pick(&mut self.random, &wanted);
        let join = pick(&mut self.random, &free).filter(|_| wanted.len() < WANTED_MAX);
        let order = match (chance, talk, leave, join) {
            (0..4, ..) => Order::Leave,
            (4..8, ..) => Order::Cut,
            (8..10, ..) => return Act::Terminate { seat, node },
            (10..40, Some(channel), ..) => Order::Whisper(channel),
            (40..60, _, Some(channel), _) => Order::Unsubscribe(channel),
            (.., Some(channel)) => Order::Subscribe(channel),
            (_, _, channel, None) => Order::Unsubscribe(channel.expect("it has all it may have")),
        };
        model.follow(&order);
        Act::Seat(seat, order)
    }
}

impl FaultPlan {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed + 1 + LANES as u64), deck: Vec::new() }
    }

    /// The next fault, and the node that it concerns: each kind once before any comes again.
    pub(crate) fn fault(&mut self) -> (Fault, usize) {
        if self.deck.is_empty() {
            let mut rest = FAULTS.to_vec();
            while !rest.is_empty() {
                self.deck.push(rest.swap_remove(self.random.below(rest.len() as u64) as usize));
            }
        }
        let fault = self.deck.pop().expect("a fault");
        // The process of node 0 is never ended: its memory shows a trend.
        let node = match fault {
            Fault::Upgrade | Fault::Restart | Fault::Kill => {
                self.random.between((1, NODES as u64 - 1))
            }
            _ => self.random.below(NODES as u64),
        };
        (fault, node as usize)
    }

    /// Whether each kind of fault was injected equally often.
    pub(crate) fn is_round(&self) -> bool {
        self.deck.is_empty()
    }
}

impl Model {
    fn follow(&mut self, order: &Order) {
        match order {
            Order::Subscribe(channel) => drop(self.wanted.insert(channel.clone())),
            Order::Unsubscribe(channel) => drop(self.wanted.remove(channel)),
            Order::Leave | Order::Cut => *self = Self::default(),
            Order::Connect { .. } | Order::Whisper(_) => {}
        }
    }
}

/// The triggers of one back end: the only one for its channels, so that each has one order.
pub(crate) struct LanePlan {
    random: Random,
    channels: Vec<Name>,
    users: Vec<Name>,
}

impl LanePlan {
    pub(crate) fn new(seed: u64, lane: usize) -> Self {
        let seats = (0..SEATS).step_by(2).filter(|seat| (seat / 2) % LANES == lane);
        let users = seats.map(|seat| Name::from(format!("#server-to-user-{}", user_of_seat(seat))));
        let random = Random::new(seed + 1 + lane as u64);
        Self { random, channels: channels_of_lane(lane).collect(), users: users.collect() }
    }

    pub(crate) fn trigger(&mut self) -> Trigger {
        let random = &mut self.random;
        let node = random.below(NODES as u64) as usize;
        let except = random.percent(30).then(|| random.below(SEATS as u64) as usize);
        let padding = random.pick(&[0, 0, 100, 3000]).expect("a length");
        let kinds = [(1, false), (1, false), (2, false), (3, false), (2, true), (4, true)];
        let (count, is_batch) = random.pick(&kinds).expect("a kind");
        let mut channels: Vec<Name> = Vec::new();
        while channels.len() < count {
            let channel = pick(random, &self.channels).expect("a channel");
            // Only a batch may have several events of one channel.
            if is_batch || !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        if count == 1 && random.percent(40) {
            channels = vec![pick(random, &self.users).expect("a user")];
        }
        Trigger { node, channels, is_batch, except, padding }
    }
}

fn pick(random: &mut Random, all: &[Name]) -> Option<Name> {
    let all: Vec<&Name> = all.iter().collect();
    random.pick(&all).cloned()
}

/// Those on which client events are relayed.
fn whispering(channels: &[Name]) -> Vec<Name> {
    let relays = |name: &&Name| name.starts_with("private-") || name.starts_with("presence-");
    channels.iter().filter(relays).cloned().collect()
}

fn channels_of_lane(lane: usize) -> impl Iterator<Item = Name> {
    KINDS.into_iter().map(move |kind| Name::from(format!("{kind}-{lane}")))
}

pub(crate) fn presence_channels() -> impl Iterator<Item = Name> {
    (0..LANES).flat_map(channels_of_lane).filter(|name| name.starts_with("presence-"))
}

/// Two seats have one user, as two tabs do.
pub(crate) fn user_of_seat(seat: usize) -> String {
    format!("user-{}", seat / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_one_another() {
        let sequence = |seed| {
            let (mut plan, mut lane) = (Plan::new(seed), LanePlan::new(seed, 1));
            let mut fault_plan = FaultPlan::new(seed);
            let acts: Vec<Act> = (0..500).map(|_| plan.act()).collect();
            let faults: Vec<_> = (0..2 * FAULTS.len()).map(|_| fault_plan.fault()).collect();
            let triggers: Vec<Trigger> = (0..500).map(|_| lane.trigger()).collect();
            (acts, faults, triggers)
        };
        assert!(sequence(7) == sequence(7));
        assert!(sequence(7) != sequence(8));
    }

    #[test]
    fn each_kind_of_fault_comes_once_in_a_round_and_never_ends_the_first_node() {
        let mut plan = FaultPlan::new(7);
        for _ in 0..20 {
            let round: Vec<_> = FAULTS.iter().map(|_| plan.fault()).collect();
            assert!(plan.is_round());
            for kind in FAULTS {
                assert_eq!(
                    round.iter().filter(|(fault, _)| *fault == kind).count(),
                    1,
                    "{round:?}"
                );
            }
            let ends = [Fault::Upgrade, Fault::Restart, Fault::Kill];
            assert!(round.iter().all(|(fault, node)| *node > 0 || !ends.contains(fault)));
        }
    }
}
