//! One fault each, in the middle of a quiet cluster: members stay, and a departure is reported
//! gone in time.

use crate::profile::{Faults, LEASE, MILLI, SECOND};
use crate::server::Data;
use crate::simulation::every_seed;
use crate::verdict::{all_know_the_same, verdict};
use crate::world::{CHANNELS, World};

/// So many clusters.
const SEEDS: u64 = 400;

/// Shorter than a lease, the time to notice and to connect again included.
const SHORT: (u64, u64) = (10 * MILLI, 2 * SECOND);

/// Somebody is everywhere, and nothing is under way.
fn quiet(seed: u64) -> Result<World, String> {
    let mut world = World::new(seed, 60, |profile| {
        (profile.faults, profile.hostile) = (Faults::None, false);
    });
    world.run()?;
    verdict(&mut world)?;
    // From now on things break; what is lost has to be counted.
    world.profile.faults = Faults::All;
    Ok(world)
}

fn something_short(world: &mut World, seed: u64) {
    let machines = world.machines.len();
    match seed % 8 {
        0 => world.hold(0, SHORT),
        1 => world.cut(0, SHORT),
        2 => world.kill(0),
        3 => (0..machines).for_each(|at| world.kill(at)),
        4 => world.pause(SHORT),
        5 => world.restart(Data::Whole),
        6 => world.restart(Data::Empty),
        _ => (0..machines).for_each(|at| world.hold(at, SHORT)),
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
        world.pause((10 * SECOND, 30 * SECOND));
        no_change_is_received(&mut world, 31 * SECOND)
    });
}

/// Subscribers that missed the last events of a Redis whose successor lacks them receive a gap event.
#[test]
fn events_lost_by_a_failover_are_reported() {
    every_seed(0..SEEDS, |seed| {
        let mut world = quiet(seed)?;
        world.cut(0, (2 * SECOND, 3 * SECOND));
        world.fall_behind();
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
