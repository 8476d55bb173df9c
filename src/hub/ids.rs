//! By which numbers shards know channels and apps, never used twice, and the maps by numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Identifies a channel among those of all apps of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChannelId(pub(super) u64);

/// Identifies the hub of one app among those of the process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubId(pub(super) u32);

/// A map by numbers that this process chooses: those here, the slots of sockets and their random ids. A client that
/// could choose them would fill one bucket of it.
pub(super) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Multiplies and folds, which is a fifth of the instructions of the keyed hash of the standard library.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl IdHasher {
    /// 2^64 divided by the golden ratio, whose multiples are far from each other.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
}

impl Hasher for IdHasher {
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * Self::FACTOR;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::{ChannelId, IdHasher};
    use crate::protocol::SocketId;

    /// Of 65 536 hashes, how many the bits take that a map of that size reads: 41 400 if they were random.
    fn spread(hashes: impl Iterator<Item = u64>) -> usize {
        hashes.take(1 << 16).map(|hash| hash & 0xffff).collect::<HashSet<_>>().len()
    }

    #[test]
    fn ids_are_spread_over_a_map() {
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let counted = (0..).map(|number| hasher.hash_one(ChannelId(number)));
        let stepped = (0..).map(|number| hasher.hash_one(ChannelId(number << 20)));
        let sockets = (0..).map(|number: u64| {
            let random = [number, number + 1].map(|it| it.wrapping_mul(0x2545_f491_4f6c_dd1d));
            hasher.hash_one(SocketId::from_random(random, 1, 2))
        });
        for spread in [spread(counted), spread(stepped), spread(sockets)] {
            assert!(spread > 35_000, "{spread} of 65 536");
        }
    }

    #[test]
    fn the_seven_highest_bits_differ_too() {
        // A map compares them before keys.
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let highest: HashSet<u64> =
            (0..1000).map(|number| hasher.hash_one(ChannelId(number)) >> 57).collect();
        assert_eq!(highest.len(), 128);
    }
}
