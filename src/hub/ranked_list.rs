//! What comes first of many things, without keeping or sorting the others.

/// The values with the least keys that were added, so many at most.
#[derive(Debug)]
pub struct RankedList<K, V> {
    most: usize,
    /// Up to twice as many, so that few additions have to make room.
    kept: Vec<(K, V)>,
    /// The greatest key that is still listed, once there are enough.
    last: Option<K>,
}

impl<K: Ord + Clone, V> RankedList<K, V> {
    /// So many at most.
    pub fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), last: None }
    }

    /// The key from which on nothing is listed any more, if that is known.
    pub fn last(&self) -> Option<&K> {
        self.last.as_ref()
    }

    /// Adds a value, or leaves it out if enough have a lesser key.
    pub fn add(&mut self, key: K, value: V) {
        if self.last.as_ref().is_some_and(|last| key > *last) {
            return;
        }
        self.kept.push((key, value));
        if self.kept.len() >= 2 * self.most.max(1) {
            self.make_room();
        }
    }

    /// The values in order.
    pub fn into_sorted(mut self) -> impl Iterator<Item = (K, V)> {
        self.kept.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.kept.truncate(self.most);
        self.kept.into_iter()
    }

    fn make_room(&mut self) {
        let Some(last) = self.most.checked_sub(1) else { return self.kept.clear() };
        let (_, (key, _), _) =
            self.kept.select_nth_unstable_by(last, |(one, _), (other, _)| one.cmp(other));
        self.last = Some(key.clone());
        self.kept.truncate(self.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::RankedList;

    proptest! {
        /// Against sorting all of them.
        #[test]
        fn the_first_are_those_of_the_sorted(keys in prop::collection::vec(any::<u8>(), 0..200), most in 0_usize..20) {
            let mut list = RankedList::new(most);
            keys.iter().for_each(|&key| list.add(key, ()));
            let mut sorted = keys;
            sorted.sort_unstable();
            sorted.truncate(most);
            let first: Vec<u8> = list.into_sorted().map(|(key, ())| key).collect();
            prop_assert_eq!(first, sorted);
        }
    }
}
