//! New inputs from old ones: bits and bytes changed, parts removed, doubled, moved and joined with those of other
//! inputs, and words of the target's language written into them.

use crate::random::Random;

/// Longer inputs reach nothing that these do not.
const INPUT_BYTES_MAX: usize = 8192;

/// Numbers at which lengths, counts and signs change their meaning.
const EDGES: [u8; 13] = [0, 1, 2, 9, 10, 13, 0x20, 0x7e, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

/// An input made of one or two of the pool, which is not empty.
pub(crate) fn mutated(pool: &[Vec<u8>], words: &[&str], random: &mut Random) -> Vec<u8> {
    let mut input = pool[random.below(pool.len() as u64) as usize].clone();
    // Mostly few changes: what the seed had right stays right.
    let changes = 1 << random.below(5).min(random.below(5));
    for _ in 0..changes {
        change(&mut input, pool, words, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let (at, end) = range(input, random);
    match random.below(12) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.next() as u8,
        2 if at < input.len() => input[at] = EDGES[random.below(EDGES.len() as u64) as usize],
        3 if at < input.len() => {
            input[at] = input[at].wrapping_add(random.between((0, 6)) as u8).wrapping_sub(3)
        }
        4 => drop(input.drain(at..end)),
        5 => input.truncate(at),
        6 => {
            let part = input[at..end].to_vec();
            let times = if random.percent(90) { 1 } else { random.between((2, 40)) as usize };
            insert(input, random, &part.repeat(times));
        }
        7 => {
            let other = &pool[random.below(pool.len() as u64) as usize];
            let (from, to) = range(other, random);
            let part = other[from..to].to_vec();
            insert(input, random, &part);
        }
        8 => {
            let other = &pool[random.below(pool.len() as u64) as usize];
            let (from, _) = range(other, random);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        9 => {
            let byte = random.next() as u8;
            insert(input, random, &[byte]);
        }
        _ => {
            let Some(word) = random.pick(words) else { return };
            if random.percent(50) {
                drop(input.drain(at..end));
            }
            input.splice(at..at, word.bytes());
        }
    }
}

/// A part of an input, short more often than long.
fn range(input: &[u8], random: &mut Random) -> (usize, usize) {
    let at = random.below(input.len() as u64 + 1) as usize;
    let most = if random.percent(70) { 8 } else { input.len() as u64 };
    (at, (at + random.below(most + 1) as usize).min(input.len()))
}

fn insert(input: &mut Vec<u8>, random: &mut Random, part: &[u8]) {
    let at = random.below(input.len() as u64 + 1) as usize;
    input.splice(at..at, part.iter().copied());
}
