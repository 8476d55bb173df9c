//! The subscribers of a channel on one shard: a set of slots, which the fan-out reads as one list.
//!
//! Nearly every channel has one or a few, so a set takes what its size needs: one subscriber nothing but its place in the
//! map of channels, up to [`LISTED_MAX`] a list, and only more of them an index. An `IndexSet` takes 72 bytes in the
//! map and two allocations for one subscriber, which were 200 of the 560 bytes that a channel took.

use super::ids::IdMap;

/// Index of a socket in its shard.
pub(super) type Slot = u32;

/// So many are searched one by one: two cache lines, which is faster than a hash.
const LISTED_MAX: usize = 32;

/// A set of slots. A slot that is removed gives its place to the last one.
#[derive(Default)]
pub(super) enum SubscriberSlots {
    #[default]
    Empty,
    One(Slot),
    Several(Box<SlotList>),
}

/// Two or more slots.
pub(super) struct SlotList {
    slots: Vec<Slot>,
    /// Where each of them is; empty while there are few.
    places: IdMap<Slot, u32>,
}

impl SubscriberSlots {
    pub(super) fn as_slice(&self) -> &[Slot] {
        match self {
            Self::Empty => &[],
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Several(list) => &list.slots,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        match self {
            Self::Empty => false,
            Self::One(own) => *own == slot,
            Self::Several(list) => list.place(slot).is_some(),
        }
    }

    /// Adds a slot, unless it is there.
    pub(super) fn insert(&mut self, slot: Slot) {
        match self {
            Self::Empty => *self = Self::One(slot),
            Self::One(own) if *own == slot => {}
            Self::One(own) => {
                let slots = vec![*own, slot];
                *self = Self::Several(Box::new(SlotList { slots, places: IdMap::default() }));
            }
            Self::Several(list) => list.insert(slot),
        }
    }

    /// Removes a slot, if it is there.
    pub(super) fn remove(&mut self, slot: Slot) {
        match self {
            Self::One(own) if *own == slot => *self = Self::Empty,
            Self::Empty | Self::One(_) => {}
            Self::Several(list) => {
                list.remove(slot);
                if let [last] = list.slots[..] {
                    *self = Self::One(last);
                }
            }
        }
    }
}

impl SlotList {
    fn place(&self, slot: Slot) -> Option<usize> {
        match self.places.is_empty() {
            true => self.slots.iter().position(|own| *own == slot),
            false => self.places.get(&slot).map(|place| *place as usize),
        }
    }

    fn insert(&mut self, slot: Slot) {
        if self.place(slot).is_some() {
            return;
        }
        self.slots.push(slot);
        if !self.places.is_empty() {
            self.places.insert(slot, self.slots.len() as u32 - 1);
        } else if self.slots.len() > LISTED_MAX {
            self.places = self.slots.iter().copied().zip(0..).collect();
        }
    }

    fn remove(&mut self, slot: Slot) {
        let Some(place) = self.place(slot) else { return };
        self.slots.swap_remove(place);
        if self.slots.len() <= LISTED_MAX / 2 {
            // What a large channel took is not kept for a small one.
            self.places = IdMap::default();
            self.slots.shrink_to(LISTED_MAX);
        } else if self.places.remove(&slot).is_some()
            && let Some(moved) = self.slots.get(place)
        {
            self.places.insert(*moved, place as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{LISTED_MAX, Slot, SubscriberSlots};

    /// Compares the set with one of the standard library.
    fn check(subscribers: &SubscriberSlots, wanted: &BTreeSet<Slot>, most: Slot) {
        let slots = subscribers.as_slice();
        assert_eq!(slots.iter().copied().collect::<BTreeSet<_>>(), *wanted);
        assert_eq!(slots.len(), wanted.len(), "each once");
        assert_eq!(subscribers.is_empty(), wanted.is_empty());
        for slot in 0..most {
            assert_eq!(subscribers.contains(slot), wanted.contains(&slot), "{slot}");
        }
    }

    #[test]
    fn it_is_a_set_at_every_size() {
        // Over and under each size at which its form changes, twice.
        for most in [1, 2, 3, LISTED_MAX as Slot, 3 * LISTED_MAX as Slot] {
            let (mut subscribers, mut wanted) = (SubscriberSlots::default(), BTreeSet::new());
            for step in 0..20 * most {
                // Each slot comes and goes in an order of its own, and some are repeated.
                let slot = step.wrapping_mul(2_654_435_761) % most;
                let is_filling = (step / (5 * most)) % 2 == 0;
                if is_filling == (step % 5 != 0) {
                    subscribers.insert(slot);
                    wanted.insert(slot);
                } else {
                    subscribers.remove(slot);
                    wanted.remove(&slot);
                }
                check(&subscribers, &wanted, most);
            }
            for slot in 0..most {
                subscribers.remove(slot);
                wanted.remove(&slot);
                check(&subscribers, &wanted, most);
            }
        }
    }

    #[test]
    fn the_last_takes_the_place_of_one_that_leaves() {
        for most in [5, 5 * LISTED_MAX as Slot] {
            let mut subscribers = SubscriberSlots::default();
            (0..most).for_each(|slot| subscribers.insert(slot));
            subscribers.remove(1);
            assert_eq!(subscribers.as_slice()[..3], [0, most - 1, 2]);
            subscribers.remove(most - 1);
            assert_eq!(subscribers.as_slice()[..3], [0, most - 2, 2]);
        }
    }

    #[test]
    fn one_subscriber_takes_no_more_than_its_place() {
        assert_eq!(size_of::<SubscriberSlots>(), 16);
    }
}
