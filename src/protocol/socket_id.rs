//! The id of one socket: two runs of digits joined by a dot.
//!
//! Every official server SDK checks `^\d+\.\d+$` before it signs, so a UUID would break every
//! auth endpoint. Knows nothing of where the socket lives.

use std::fmt;

use rand::RngExt;

/// The largest half of an id, as in Reverb. Two halves give some 60 random bits less those of a shard.
const HALF_MAX: u32 = 1_000_000_000;

/// Names one socket among all nodes; random, so that nobody can exclude or address another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId {
    first: u32,
    second: u32,
}

impl SocketId {
    /// A new id nobody can guess, of a socket that [`shard`](Self::shard) number `shard` of
    /// `count` is to own.
    pub fn random(shard: usize, count: usize) -> Self {
        let mut rng = rand::rng();
        let (shard, count) = (shard as u32, count as u32);
        let second = rng.random_range(1..HALF_MAX / count) * count + shard;
        Self { first: rng.random_range(1..=HALF_MAX), second }
    }

    /// Reads `digits.digits`; `None` for any other form.
    ///
    /// A half beyond [`HALF_MAX`] is well-formed but was never given out: it becomes 0, nobody's.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, second) = text.split_once('.')?;
        Some(Self { first: half(first)?, second: half(second)? })
    }

    /// The two numbers of the id.
    pub fn halves(self) -> (u32, u32) {
        (self.first, self.second)
    }

    /// The id of two numbers; `None` for two zeros, which are nobody's.
    pub fn of_halves(first: u32, second: u32) -> Option<Self> {
        (first | second != 0).then_some(Self { first, second })
    }

    /// Which of `count` shards owns the socket.
    pub fn shard(self, count: usize) -> usize {
        self.second as usize % count
    }
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
    use super::SocketId;

    #[test]
    fn what_is_shown_can_be_read_back() {
        for n in 0..100 {
            let id = SocketId::random(n % 7, 7);
            assert_eq!(SocketId::parse(&id.to_string()), Some(id));
            assert_eq!(id.shard(7), n % 7);
        }
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
    fn a_well_formed_id_that_was_never_given_out_is_nobodys() {
        let huge = SocketId::parse("99999999999999999999999.1").unwrap();
        assert_eq!(huge.to_string(), "0.1");
    }
}
