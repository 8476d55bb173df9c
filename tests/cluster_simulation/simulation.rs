//! Random schedules of the whole cluster, many of them, each from one number.

use std::fmt::Write;
use std::ops::Range;
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

/// The schedules of one test.
struct Schedules {
    /// All seeds that belong to it. It plays the first of them.
    seeds: Range<u64>,
    count: u64,
    steps: usize,
    adjust: fn(&mut Profile),
}

/// Plays them, or the one whose seed is given, or as many as are wanted.
#[allow(clippy::print_stdout, reason = "a run of hours shows which seeds it plays")]
fn play_all(schedules: &Schedules) {
    let &Schedules { ref seeds, count, steps, adjust } = schedules;
    if let Some(seed) = number_of_environment("SIMULATION_SEED") {
        if seeds.contains(&seed)
            && let Some(text) = failure(seed, steps, adjust)
        {
            panic!("{text}");
        }
        return;
    }
    // Other schedules than those of every run.
    let first = seeds.start + number_of_environment("SIMULATION_FIRST").unwrap_or(0);
    let wanted = number_of_environment("SIMULATION_SCHEDULES");
    let played = first..(first + wanted.unwrap_or(count)).min(seeds.end);
    println!("seeds {played:?} of {steps} steps");
    every_seed(played, |seed| failure(seed, steps, adjust).map_or(Ok(()), Err));
}

/// A number of the environment, which selects what is tested.
pub(crate) fn number_of_environment(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods, reason = "no configuration: it selects what is tested")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Runs a check for every seed, on all threads; of each thread the first failure is reported.
pub(crate) fn every_seed(seeds: Range<u64>, check: impl Fn(u64) -> Result<(), String> + Sync) {
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

const SHORT: Schedules = Schedules { seeds: 0..1_000_000, count: 2_000, steps: 45, adjust: |_| {} };
const LONG: Schedules =
    Schedules { seeds: 1_000_000..1_000_000_000, count: 60, steps: 400, adjust: |_| {} };
const SHORT_WHOLE: Schedules = Schedules {
    seeds: 1_000_000_000..2_000_000_000,
    count: 10_000,
    steps: 45,
    adjust: |profile| profile.is_whole = true,
};
const LONG_WHOLE: Schedules = Schedules {
    seeds: 2_000_000_000..3_000_000_000,
    count: 100,
    steps: 400,
    adjust: |profile| profile.is_whole = true,
};

#[test]
fn short_schedules() {
    play_all(&SHORT);
}

/// Of longer runs.
#[test]
fn schedules_that_have_found_faults() {
    let one =
        |seed, all: Schedules| play_all(&Schedules { seeds: seed..seed + 1, count: 1, ..all });
    // A gap of events is noticed while the node leaves and a request waits.
    one(23_507, SHORT);
    // A socket joins while its node compares the events of the channel.
    one(2_000_001_059, LONG_WHOLE);
    // A link breaks twice within a lease of a loss of data, with an event of the node under way.
    one(2_000_300_373, LONG_WHOLE);
    // The state of a channel is sent twice before the events that were missed arrive.
    one(2_000_302_788, LONG_WHOLE);
    // A forged message has the number of an event that arrives during a comparison.
    one(1_300_225, LONG);
    // A link is held up while Redis restarts without its data: a mistake of the judge.
    one(2_000_000_328, LONG_WHOLE);
    // A leave waits for the link of its node while Redis stands still: another mistake of the judge.
    one(2_000_308_412, LONG_WHOLE);
    // A socket leaves a channel and joins it again while the channels are listed: a mistake of the judge.
    one(1_300_193, LONG);
}

#[test]
fn long_schedules() {
    play_all(&LONG);
}

#[test]
fn short_schedules_of_whole_nodes() {
    play_all(&SHORT_WHOLE);
}

#[test]
fn long_schedules_of_whole_nodes() {
    play_all(&LONG_WHOLE);
}

/// What clients of whole nodes have received, each frame with its time, as a number.
fn frames(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed, SHORT_WHOLE.steps, SHORT_WHOLE.adjust);
    world.run().unwrap();
    (world.frames.count, world.frames.hash)
}

#[test]
fn a_seed_is_always_the_same() {
    let first = SHORT_WHOLE.seeds.start;
    let twice: Vec<_> = (first..first + 60).map(|seed| (frames(seed), frames(seed))).collect();
    for (seed, (once, again)) in twice.iter().enumerate() {
        assert_eq!(once, again, "seed {}", first + seed as u64);
    }
    let others = twice[1..].iter().filter(|(once, _)| *once != twice[0].0).count();
    assert!(others > 50, "nearly every seed is another schedule");
    let received: u64 = twice.iter().map(|((count, _), _)| count).sum();
    assert!(received > 60 * 20, "{received} frames: clients receive something");
}
