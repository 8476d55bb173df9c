//! The id of one socket: two decimal numbers joined by a dot.
//!
//! Every official server SDK checks `^\d+\.\d+$` before it signs, so a UUID would break every
//! auth endpoint. The random numbers come from the caller.

use std::fmt;

/// The largest half of an id, as in Reverb. An id of one of `n` shards has 60 - log2(n) random bits.
const HALF_MAX: u32 = 1_000_000_000;

/// Identifies one socket among those of all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId {
    first: u32,
    second: u32,
}

impl SocketId {
    /// The id of a new socket of shard `shard` out of `count`. `random` must be unpredictable, or a
    /// client could exclude the sockets of others from events.
    pub fn from_random(random: [u64; 2], shard: usize, count: usize) -> Self {
        let (shard, count) = (shard as u32, count as u32);
        let first = 1 + scale(random[0], HALF_MAX);
        let second = (1 + scale(random[1], HALF_MAX / count - 1)) * count + shard;
        Self { first, second }
    }

    /// Reads `digits.digits`; `None` for any other form.
    ///
    /// A half beyond [`HALF_MAX`] is well-formed, but no socket has it: it becomes 0.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, second) = text.split_once('.')?;
        Some(Self { first: half(first)?, second: half(second)? })
    }

    /// The two numbers of the id.
    pub fn halves(self) -> (u32, u32) {
        (self.first, self.second)
    }

    /// The id of two numbers; `None` for two zeros, which no socket has.
    pub fn of_halves(first: u32, second: u32) -> Option<Self> {
        (first | second != 0).then_some(Self { first, second })
    }

    /// Which of `count` shards owns the socket.
    pub fn shard(self, count: usize) -> usize {
        self.second as usize % count
    }
}

/// A number below `end`, evenly distributed if `random` is.
fn scale(random: u64, end: u32) -> u32 {
    ((u128::from(random) * u128::from(end)) >> 64) as u32
}

fn half(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().filter(|&half| half <= HALF_MAX).unwrap_or(0))
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.first, self.second)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HALF_MAX, SocketId};

    proptest! {
        #[test]
        fn a_displayed_id_is_parsed_back(random: [u64; 2], shard in 0usize..7) {
            let id = SocketId::from_random(random, shard, 7);
            prop_assert_eq!(SocketId::parse(&id.to_string()), Some(id));
            prop_assert_eq!(id.shard(7), shard);
        }
    }

    #[test]
    fn the_halves_of_an_id_have_the_full_range() {
        let ids = [0, u64::MAX].map(|random| SocketId::from_random([random; 2], 0, 1).halves());
        assert_eq!(ids, [(1, 1), (HALF_MAX, HALF_MAX - 1)]);
    }

    #[test]
    fn only_digits_dot_digits_is_an_id() {
        for text in
            ["", ".", "1", "1.", ".1", "1.2.3", "1.2\n", " 1.2", "a.b", "1.-2", "+1.2", "1:2"]
        {
            assert_eq!(SocketId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_half_beyond_the_largest_becomes_zero() {
        let huge = SocketId::parse("99999999999999999999999.1").unwrap();
        assert_eq!(huge.to_string(), "0.1");
    }
}
