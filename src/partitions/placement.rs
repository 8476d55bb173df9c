//! Which part of an installation a channel belongs to, what the keys of a part begin with, and which Redis has a part.
//!
//! Pure, and the same on every node and in every version: nodes that place a channel differently share nothing of it.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::protocol::ChannelName;

/// Hash tags whose slots are spread evenly over a Redis Cluster: the 64 shares of its slots, beginning with that of
/// `{0}`. A tag is the smallest number in its share.
const TAGS: [u16; 64] = [
    0, 8, 172, 62, 71, 79, 53, 143, 48, 40, 10, 18, 113, 342, 29, 21, 3, 122, 69, 61, 72, 162, 50,
    58, 153, 43, 11, 19, 112, 343, 28, 20, 2, 123, 68, 60, 73, 163, 51, 59, 152, 42, 12, 102, 111,
    119, 133, 23, 1, 9, 173, 63, 70, 78, 52, 142, 49, 41, 13, 103, 110, 118, 132, 22,
];

/// The part of a channel. What belongs to a user is where the app is.
pub fn part_of_channel(app_id: &str, name: &ChannelName, count: u32) -> usize {
    match name.user_id() {
        Some(_) => home_of_app(app_id, count),
        None => partition_of(app_id, name.as_str(), count),
    }
}

/// The part of what belongs to an app as a whole.
pub fn home_of_app(app_id: &str, count: u32) -> usize {
    partition_of(app_id, "", count)
}

fn partition_of(app_id: &str, name: &str, count: u32) -> usize {
    let hash = xxh3_64_with_seed(name.as_bytes(), xxh3_64(app_id.as_bytes()));
    // Rendezvous: each part draws a weight for the name, and the heaviest has it. Of 64, that costs 0.3 µs.
    let weight = |index: &u32| xxh3_64_with_seed(&index.to_le_bytes(), hash);
    (0..count).max_by_key(weight).unwrap_or_default() as usize
}

/// What keys and topics of a part begin with. The number of parts is in it, so no two numbers share a key.
pub fn prefix(installation: &str, index: u32, count: u32) -> String {
    match count {
        0 | 1 => installation.to_owned(),
        _ => {
            let share = u64::from(index) * TAGS.len() as u64 / u64::from(count);
            format!("{installation}:{count}:{{{}}}", TAGS[share as usize])
        }
    }
}

/// Which of so many Redis has each part, by the number of the part. Each further Redis takes its share of the parts one
/// by one, the last part of the Redis that has most; all others stay where they are.
pub(super) fn dealt_out(count: u32, urls: u32) -> Vec<usize> {
    let mut of = vec![0; count as usize];
    for added in 1..urls as usize {
        for _ in 0..count as usize / (added + 1) {
            let has = |url: &usize| of.iter().filter(|at| *at == url).count();
            // Of several that have as many, the first.
            let most = (0..added).rev().max_by_key(has).unwrap_or_default();
            if let Some(last) = of.iter().rposition(|at| *at == most) {
                of[last] = added;
            }
        }
    }
    of
}

#[cfg(test)]
mod tests {
    use super::{TAGS, dealt_out, home_of_app, part_of_channel, partition_of, prefix};
    use crate::protocol::ChannelName;

    #[test]
    fn parts_are_dealt_out_as_ever() {
        // Another result would part nodes of two versions.
        assert_eq!(dealt_out(3, 3), [0, 2, 1]);
        assert_eq!(dealt_out(4, 1), [0, 0, 0, 0]);
        assert_eq!(dealt_out(8, 2), [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(dealt_out(8, 3), [0, 0, 0, 2, 1, 1, 1, 2]);
    }

    #[test]
    fn a_further_redis_takes_its_share_and_nothing_else_moves() {
        for count in 1..=64 {
            for urls in 1..count {
                let (before, after) = (dealt_out(count, urls), dealt_out(count, urls + 1));
                let has = |url: usize| after.iter().filter(|at| **at == url).count();
                let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
                assert!(moved.clone().all(|(_, after)| *after == urls as usize));
                assert_eq!(moved.count(), (count / (urls + 1)) as usize);
                let all: Vec<usize> = (0..=urls as usize).map(has).collect();
                let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
                assert!(*least > 0 && most - least <= 1, "{count} over {urls}: {all:?}");
            }
        }
    }

    #[test]
    fn channels_are_placed_as_ever() {
        // Another result would part nodes of two versions.
        let placed = |name: &str| partition_of("123456", name, 16);
        let all: Vec<usize> =
            ["", "orders", "presence-room", "private-chat.7"].map(placed).to_vec();
        assert_eq!(all, [14, 6, 7, 15]);
    }

    #[test]
    fn the_channel_of_a_user_is_where_the_app_is() {
        let placed = |name: &str| {
            part_of_channel("123456", &ChannelName::parse(name, usize::MAX).unwrap(), 16)
        };
        assert_eq!((home_of_app("123456", 16), placed("#server-to-user-ann")), (14, 14));
        assert_eq!(placed("orders"), 6);
    }

    #[test]
    fn channels_are_spread_evenly_and_few_move_when_there_are_more_parts() {
        let name = |number: u32| format!("private-orders.{number}");
        let mut counts = [0_u32; 16];
        let mut moved = 0;
        for number in 0..16_000 {
            let place = partition_of("7", &name(number), 16);
            counts[place] += 1;
            moved += u32::from(partition_of("7", &name(number), 17) != place);
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((700..1200).contains(&moved), "{moved}");
    }

    #[test]
    fn each_part_has_keys_of_its_own() {
        assert_eq!(prefix("r", 0, 1), "r");
        assert_eq!(prefix("r", 0, 2), "r:2:{0}");
        assert_eq!(prefix("r", 1, 2), "r:2:{2}");
        let mut all: Vec<String> = (0..64).map(|index| prefix("r", index, 64)).collect();
        assert_eq!(all[0], format!("r:64:{{{}}}", TAGS[0]));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 64);
    }
}
