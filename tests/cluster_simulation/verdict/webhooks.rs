//! Webhook events are consistent: a user that came had gone, one that went had come, and each was
//! sent by one node.
//!
//! The order is that in which the directory decided. Two nodes call back ends independently of each
//! other, so no other order can be promised.

use std::collections::{BTreeMap, BTreeSet};

use super::{ensure, nothing_broke};
use crate::server::Decided;
use crate::world::World;

pub(super) fn alternate(world: &World) -> Result<(), String> {
    (0..world.profile.partitions).try_for_each(|part| alternate_in(world, part))
}

fn alternate_in(world: &World, part: usize) -> Result<(), String> {
    let server = &world.servers[part];
    let mut there = BTreeMap::new();
    let mut life = 1;
    for decided in &server.decided {
        // A Redis that lost its data has no member, and decides anew; of one that is behind it is
        // unknown what it has.
        if std::mem::replace(&mut life, decided.life) != decided.life {
            there.clear();
        }
        let decision = &decided.decision;
        let before = there.insert((&decision.channel, &decision.user), decision.came);
        let is_unsure = before.is_none() && server.behind.contains(&life);
        ensure(is_unsure || before.unwrap_or(false) != decision.came, || {
            format!("decided twice in a row: {decision:?}")
        })?;
    }
    each_is_reported_once(world, part)
}

fn each_is_reported_once(world: &World, part: usize) -> Result<(), String> {
    let server = &world.servers[part];
    let mut open: BTreeMap<_, &Decided> = BTreeMap::new();
    for decided in &server.decided {
        open.insert((decided.operation, &decided.decision), decided);
    }
    for announced in world.announced.iter().filter(|announced| announced.part == part) {
        let decided = open.remove(&(announced.operation, &announced.decision));
        ensure(decided.is_some(), || {
            format!("announced without a decision, or twice: {:?}", announced.decision)
        })?;
    }
    // What was on its way to a node whose link ended, or that ended itself, is lost. Whoever came
    // before Redis lost its data is not sent a second time; a node that was given up while Redis
    // restarted cannot compare its data with what it was, and takes it for lost.
    let links = world.machines.iter().map(|machine| &machine.parts[part].link);
    let living: BTreeSet<_> = links.filter_map(|link| link.connection).collect();
    let unannounced = open.values().find(|decided| {
        let maybe_lost = decided.life > 1 || !server.starts.is_empty() && !server.reaped.is_empty();
        let is_announced_again = maybe_lost && decided.decision.came;
        nothing_broke(world, part) || living.contains(&decided.connection) && !is_announced_again
    });
    ensure(unannounced.is_none(), || {
        format!("never announced: {:?}", unannounced.map(|one| &one.decision))
    })
}
