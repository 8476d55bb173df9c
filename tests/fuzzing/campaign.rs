//! How a target is run: its seeds, then changed inputs for a bounded time; what happens to an input that fails.
//!
//! `FUZZ_SECONDS` is the time of each target, `FUZZ_SEED` the number that draws the inputs: the same one draws the same
//! inputs in the same order. `FUZZ_INPUT` is a file that a replay runs instead of the seeds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::mutation::mutated;
use crate::outcomes::{Outcomes, take_reached};
use crate::random::Random;
use crate::running::{self, Running};
use crate::targets::Target;

/// The time of each target in a run of all tests: with two at a time all of them take half a minute at most.
const SECONDS: f64 = 1.5;

/// It draws the inputs of a run of all tests, which passes or fails by what was changed and by nothing else.
const SEED: u64 = 1;

/// Inputs that brought something new, so many at most: each stays in memory.
const POOL_MAX: usize = 4096;

/// More memory than all targets take together. A length that an input only claims must not be allocated: beyond this the
/// process ends.
const ADDRESS_SPACE_MAX: u64 = 4 << 30;

/// The time in which an input that failed is made shorter.
const SHORTENING: Duration = Duration::from_secs(5);

/// An input that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) input: Vec<u8>,
    /// The message of the panic.
    pub(crate) message: String,
}

/// The inputs of a target that are kept in the repository, with their names.
pub(crate) fn seeds(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzing/seeds").join(target.name);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} has seeds", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Runs the seeds of a target, each of which must pass; together they reach all of its outcomes.
pub(crate) fn replay(target: &Target) {
    if let Some(path) = text_of("FUZZ_INPUT") {
        take_reached();
        (target.run)(&fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")));
        println!("{path} passes and reaches {:?}", take_reached());
        return;
    }
    let mut reached = Outcomes::new();
    for (path, input) in seeds(target) {
        let outcomes = run(target, &input);
        match outcomes {
            Ok(outcomes) => reached.extend(outcomes),
            Err(failure) => panic!("{}: {}", path.display(), failure.message),
        }
    }
    let missing: Vec<_> = target.outcomes.iter().filter(|name| !reached.contains(**name)).collect();
    assert!(
        missing.is_empty(),
        "{}: no seed reaches {missing:?}; reached: {reached:?}",
        target.name
    );
}

/// Runs changed inputs of a target for its time.
pub(crate) fn explore(target: &Target) {
    let wanted =
        text_of("FUZZ_SECONDS").map(|text| text.parse().expect("FUZZ_SECONDS is a number"));
    let seconds = wanted.unwrap_or(SECONDS);
    let given = text_of("FUZZ_SEED").map(|text| text.parse().expect("FUZZ_SEED is a number"));
    let seed = given.unwrap_or_else(|| wanted.map_or(SEED, |_| drawn()));
    rlimit::Resource::AS.set(ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX).expect("a bound on memory");
    let running = Running::begin(target.name, seed, given.is_some());
    let pool = seeds(target).into_iter().map(|(_, input)| input).collect();
    let explored = search(target, pool, seed, Duration::from_secs_f64(seconds), &running);
    running.end();
    match explored {
        Ok(inputs) => println!("{}: {inputs} inputs in {seconds} s, FUZZ_SEED={seed}", target.name),
        Err(failure) => {
            let path = running::store(target.name, &failure.input);
            panic!(
                "{name} fails with FUZZ_SEED={seed}: {message}\nthe input is {path}; run it alone with\n  \
                 FUZZ_INPUT={path} cargo test --test fuzzing replay::{name}\nand keep it, once it passes, in \
                 tests/fuzzing/seeds/{name}",
                name = target.name,
                message = failure.message,
                path = path.display(),
            );
        }
    }
}

/// Runs inputs until the time is over; the number of inputs, or the first that fails, made shorter. An input that reaches
/// an outcome of the target that no seed reaches is stored: it makes a seed.
pub(crate) fn search(
    target: &Target,
    mut pool: Vec<Vec<u8>>,
    seed: u64,
    time: Duration,
    running: &Running,
) -> Result<u64, Failure> {
    let mut random = Random::new(seed);
    let mut known: BTreeSet<Outcomes> =
        pool.iter().filter_map(|input| run(target, input).ok()).collect();
    let mut missing = target.outcomes.to_vec();
    missing.retain(|name| !known.iter().any(|outcomes| outcomes.contains(*name)));
    // Behind the seeds, which take a slow target longer than its time.
    let (mut inputs, start) = (0, Instant::now());
    while start.elapsed() < time {
        let input = mutated(&pool, target.words, &mut random);
        running.starts(&input);
        let outcomes = run(target, &input).map_err(|failure| shortest_failure(target, failure))?;
        running.ends();
        inputs += 1;
        if let Some(at) = missing.iter().position(|name| outcomes.contains(*name)) {
            let name = missing.swap_remove(at);
            let reaches = |input: &[u8]| run(target, input).is_ok_and(|all| all.contains(name));
            let path = running::store(target.name, &shortened(input.clone(), reaches));
            println!("{}: no seed reaches {name:?}, but {} does", target.name, path.display());
        }
        if pool.len() < POOL_MAX && known.insert(outcomes) {
            pool.push(input);
        }
    }
    Ok(inputs)
}

fn run(target: &Target, input: &[u8]) -> Result<Outcomes, Failure> {
    take_reached();
    let ended = running::quietly(|| (target.run)(input));
    let outcomes = take_reached();
    ended.map(|()| outcomes).map_err(|message| Failure { input: input.to_vec(), message })
}

/// The same failure or another one, by a shorter input.
fn shortest_failure(target: &Target, failure: Failure) -> Failure {
    let input = shortened(failure.input.clone(), |input| run(target, input).is_err());
    run(target, &input).err().unwrap_or(failure)
}

/// A part of the input is left out for as long as the rest is still such a one.
fn shortened(mut input: Vec<u8>, is_such: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let start = Instant::now();
    let mut width = input.len().div_ceil(2);
    while width > 0 && start.elapsed() < SHORTENING {
        let mut at = 0;
        while at < input.len() && start.elapsed() < SHORTENING {
            let end = (at + width).min(input.len());
            let rest = [&input[..at], &input[end..]].concat();
            if is_such(&rest) { input = rest } else { at = end }
        }
        width /= 2;
    }
    input
}

/// Another number at each run: over the days all runs together see more than one could.
fn drawn() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_nanos() as u64 & 0xffff_ffff
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a run of the tests is given, not a setting of the server"
)]
fn text_of(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{search, seeds};
    use crate::outcomes::reached;
    use crate::running::Running;
    use crate::targets::Target;

    /// Fails for inputs with a word of the target in front of a number of two digits, which no seed has.
    const PLANTED: Target = Target {
        name: "planted",
        run: |input| {
            let Some(at) = input.windows(4).position(|part| part == b"word") else { return };
            reached("word");
            let digits = input[at + 4..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            assert!(digits < 2, "found it");
        },
        words: &["word", "7"],
        outcomes: &[],
    };

    #[test]
    fn a_planted_fault_is_found_and_its_input_made_short() {
        let running = Running::begin(PLANTED.name, 1, false);
        let pool = vec![b"nothing of the kind, but some text around".to_vec()];
        let found = search(&PLANTED, pool.clone(), 1, Duration::from_secs(60), &running);
        let failure = found.expect_err("the fault is found");
        assert!(failure.message.contains("found it"), "{}", failure.message);
        assert!(failure.input.starts_with(b"word") && failure.input.len() == 6, "{failure:?}");
        // The same number draws the same inputs.
        let again = search(&PLANTED, pool, 1, Duration::from_secs(60), &running);
        assert_eq!(again.unwrap_err().input, failure.input);
        running.end();
    }

    #[test]
    fn every_folder_of_seeds_belongs_to_a_target() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzzing/seeds");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut found: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        let mut names: Vec<&str> = crate::TARGETS.iter().map(|target| target.name).collect();
        names.sort_unstable();
        assert_eq!(found, names);
        assert!(crate::TARGETS.iter().all(|target| seeds(target).len() >= 5));
    }
}
