//! The verdict finds what it is there for: each mistake that is made on purpose fails a schedule.

use crate::profile::{Faults, Profile};
use crate::scenarios::a_slot_moves_away_and_back;
use crate::verdict::verdict;
use crate::world::{Tampering, World};

/// Schedules that are tried until one fails.
const SEEDS: u64 = 60;

/// The first schedule that fails, and why.
fn first_failure(
    tampering: Option<Tampering>,
    (seeds, adjust): (u64, fn(&mut Profile)),
) -> Option<String> {
    (0..seeds).find_map(|seed| {
        let mut world = World::new(seed, 60, adjust);
        world.tampering = tampering;
        let played = world.run().and_then(|()| verdict(&mut world));
        played.err().map(|why| format!("seed {seed}: {why}"))
    })
}

fn two_parts(profile: &mut Profile) {
    profile.partitions = 2;
    (profile.bound, profile.hostile) = (None, false);
    profile.faults = vec![Faults::None; 2];
}

fn with_short_faults(profile: &mut Profile) {
    two_parts(profile);
    profile.latency = (50, 500);
    profile.faults = vec![Faults::Short; 2];
}

#[test]
fn every_mistake_fails_a_schedule() {
    let calm = [Tampering::OnePartIsAsked, Tampering::UserIsElsewhere, Tampering::MessagesAreLost];
    let broken = [Tampering::NoNewLink, Tampering::StaleOwner, Tampering::RedirectionIsIgnored];
    let calm = calm.map(|tampering| (tampering, two_parts as fn(&mut Profile)));
    let broken = broken.map(|tampering| (tampering, with_short_faults as fn(&mut Profile)));
    for (tampering, adjust) in calm.into_iter().chain(broken) {
        let found = first_failure(Some(tampering), (SEEDS, adjust));
        assert!(found.is_some(), "no schedule fails with {tampering:?}");
    }
    let kept = Some(Tampering::OldLinkIsKept);
    let mut played = (0..SEEDS).map(|seed| a_slot_moves_away_and_back(seed, kept));
    assert!(played.any(|played| played.is_err()), "no schedule fails with an old link");
}

#[test]
fn without_a_mistake_none_fails() {
    assert_eq!(first_failure(None, (SEEDS / 2, two_parts)), None);
    assert_eq!(first_failure(None, (SEEDS, with_short_faults)), None);
}
