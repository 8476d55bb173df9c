//! Random schedules of the whole cluster, many of them, each from one number.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::profile::Profile;
use crate::verdict::verdict;
use crate::world::World;

/// Threads that play, each its share of the seeds.
const THREADS: u64 = 2;

fn play(seed: u64, steps: usize, adjust: fn(&mut Profile)) -> Result<(), (String, Vec<String>)> {
    let mut world = World::new(seed, steps, adjust);
    let profile = format!("{:?}", world.profile);
    let played = catch_unwind(AssertUnwindSafe(|| {
        world.run()?;
        verdict(&mut world)
    }));
    let why = match played {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("panicked: {}", text.unwrap_or_default())
        }
    };
    Err((why, [vec![profile], std::mem::take(&mut world.trace)].concat()))
}

/// The shortest part of a schedule that fails, in words.
fn failure(seed: u64, steps: usize, adjust: fn(&mut Profile)) -> Option<String> {
    let mut failed = play(seed, steps, adjust).err().map(|failed| (steps, failed))?;
    for fewer in 1..steps {
        if let Err(shorter) = play(seed, fewer, adjust) {
            failed = (fewer, shorter);
            break;
        }
    }
    let (steps, (why, trace)) = failed;
    let mut text = format!("SIMULATION_SEED={seed}, {steps} steps: {why}\n");
    trace.iter().for_each(|line| writeln!(text, "  {line}").unwrap());
    Some(text)
}

/// Plays so many schedules of so many steps, or the one whose seed is given.
fn play_all(first: u64, count: u64, steps: usize, adjust: fn(&mut Profile)) {
    // Other schedules than those of every run.
    let first = first + number_of_environment("SIMULATION_FIRST").unwrap_or(0);
    if let Some(seed) = number_of_environment("SIMULATION_SEED") {
        if (first..first + count).contains(&seed)
            && let Some(text) = failure(seed, steps, adjust)
        {
            panic!("{text}");
        }
        return;
    }
    every_seed(first..first + count, |seed| failure(seed, steps, adjust).map_or(Ok(()), Err));
}

/// A number of the environment, which selects what is tested.
pub(crate) fn number_of_environment(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Runs a check for every seed, on all threads; of each thread the first failure is reported.
pub(crate) fn every_seed(
    seeds: std::ops::Range<u64>,
    check: impl Fn(u64) -> Result<(), String> + Sync,
) {
    let (check, seeds) = (&check, &seeds);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let share = |thread| {
            move || {
                let mut mine = seeds.clone().filter(|seed| seed % THREADS == thread);
                mine.find_map(|seed| check(seed).err().map(|why| format!("seed {seed}: {why}")))
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(share(thread))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn short_schedules() {
    play_all(0, 10_000, 45, |_| {});
}

/// Of a longer run: a gap of events is noticed while the node leaves and a request waits.
#[test]
fn a_short_schedule_that_has_found_a_fault() {
    play_all(23_507, 1, 45, |_| {});
}

#[test]
fn long_schedules() {
    play_all(1_000_000, 300, 400, |_| {});
}
