//! One fault each, in one partition of a quiet cluster: members stay, a departure is reported gone in time, and the
//! other partitions are as if nothing happened.

use crate::profile::{Faults, LEASE, MILLI, SECOND};
use crate::server::Data;
use crate::simulation::every_seed;
use crate::verdict::{all_know_the_same, verdict};
use crate::world::{CHANNELS, Tampering, World};

/// So many clusters.
const SEEDS: u64 = 400;

/// Shorter than a lease, the time to notice and to connect again included.
const SHORT: (u64, u64) = (10 * MILLI, 2 * SECOND);

/// Somebody is everywhere, and nothing is under way.
fn quiet(seed: u64) -> Result<World, String> {
    let mut world = World::new(seed, 60, |profile| {
        profile.faults.fill(Faults::None);
        profile.hostile = false;
    });
    world.run()?;
    verdict(&mut world)?;
    // From now on things break in one partition; what is lost there has to be counted.
    let part = part_of_fault(&world, seed);
    world.profile.faults[part] = Faults::All;
    Ok(world)
}

fn part_of_fault(world: &World, seed: u64) -> usize {
    (seed / 16) as usize % world.profile.partitions
}

fn something_short(world: &mut World, seed: u64) {
    let (machines, part) = (world.machines.len(), part_of_fault(world, seed));
    match seed % 9 {
        0 => world.hold((0, part), SHORT),
        1 => world.cut((0, part), SHORT),
        2 => world.kill((0, part)),
        3 => (0..machines).for_each(|at| world.kill((at, part))),
        4 => world.pause(part, SHORT),
        5 => world.restart(part, Data::Whole),
        6 => world.restart(part, Data::Empty),
        7 => world.move_slot(part, SHORT),
        _ => (0..machines).for_each(|at| world.hold((at, part), SHORT)),
    }
}

/// No client receives a change, since there was none.
fn no_change_is_received(world: &mut World, time: u64) -> Result<(), String> {
    let before = world.changes_received;
    world.settle(time)?;
    world.come_to_rest()?;
    verdict(world)?;
    let changes = world.changes_received - before;
    if changes == 0 {
        Ok(())
    } else {
        Err(format!("{changes} changes are received: {:#?}", world.trace))
    }
}

#[test]
fn a_short_fault_changes_no_roster() {
    every_seed(0..SEEDS, |seed| {
        let mut world = quiet(seed)?;
        something_short(&mut world, seed);
        no_change_is_received(&mut world, 4 * SECOND)
    });
}

#[test]
fn a_redis_that_stops_for_long_removes_no_member() {
    every_seed(0..SEEDS / 4, |seed| {
        let mut world = quiet(seed)?;
        world.pause(part_of_fault(&world, seed), (10 * SECOND, 30 * SECOND));
        no_change_is_received(&mut world, 31 * SECOND)
    });
}

/// Subscribers that missed the last events of a Redis whose successor lacks them receive a gap event.
#[test]
fn events_lost_by_a_failover_are_reported() {
    every_seed(0..SEEDS, |seed| {
        let mut world = quiet(seed)?;
        let part = part_of_fault(&world, seed);
        world.cut((0, part), (2 * SECOND, 3 * SECOND));
        world.fall_behind(part);
        for _ in 0..10 {
            world.back_end_publishes();
            world.settle(50 * MILLI)?;
        }
        world.come_to_rest()?;
        verdict(&mut world)
    });
}

#[test]
fn a_crash_is_reported_within_the_lease() {
    every_seed(0..SEEDS, |seed| {
        let mut world = quiet(seed)?;
        world.profile.faults.fill(Faults::All);
        world.crash(0);
        // Half a beat more for the messages.
        world.settle(LEASE + LEASE / 20)?;
        for name in CHANNELS.iter().filter(|name| name.starts_with("presence-")) {
            all_know_the_same(&world, name)?;
        }
        world.come_to_rest()?;
        verdict(&mut world)
    });
}

/// A connection is held up; meanwhile the slot moves to another server, where the node connects, and back. What is
/// under way on the first connection arrives last.
pub(crate) fn a_slot_moves_away_and_back(
    seed: u64,
    tampering: Option<Tampering>,
) -> Result<(), String> {
    let mut world = quiet(seed)?;
    world.tampering = tampering;
    let part = part_of_fault(&world, seed);
    world.hold_connection((0, part), (4 * SECOND, 5 * SECOND));
    // The time after which the link is given up, and the next one is up; then, that which needs no time-out.
    for time in [3 * SECOND / 2, SECOND] {
        (0..6).for_each(|_| world.client_comes_or_goes(0));
        world.settle(100 * MILLI)?;
        world.move_slot(part, (MILLI, 20 * MILLI));
        world.settle(time)?;
    }
    (0..6).for_each(|_| world.client_comes_or_goes(0));
    world.settle(3 * SECOND)?;
    world.come_to_rest()?;
    verdict(&mut world)
}

#[test]
fn a_slot_that_moves_away_and_back_brings_nothing_back() {
    every_seed(0..SEEDS, |seed| a_slot_moves_away_and_back(seed, None));
}
