//! Which nodes hear which channel, when sockets are spread at random.
//!
//! Pure but for the drawing. Refuses to know what anything costs.

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// No more nodes than this.
const NODES_MAX: usize = 256;

/// A number of nodes with everybody connected.
pub(crate) struct World {
    pub(crate) nodes: usize,
    pub(crate) topics_of_a_node: f64,
    /// Nodes with subscribers of a channel: the mean over channels,
    pub(crate) heard_alike: f64,
    /// and over sockets.
    pub(crate) heard_by_size: f64,
}

impl World {
    /// Draws a node for every socket; the same each time.
    pub(crate) fn new(sockets: usize, channels: usize, nodes: usize) -> Self {
        let mut random = StdRng::seed_from_u64(nodes as u64);
        let (mut heard, mut heard_by_size, mut all) = (0.0, 0.0, 0.0);
        for size in sizes(sockets, channels) {
            let mut there = [0_u64; NODES_MAX / 64];
            for _ in 0..size {
                let node = random.random_range(0..nodes);
                there[node / 64] |= 1 << (node % 64);
            }
            let hear = f64::from(there.iter().map(|part| part.count_ones()).sum::<u32>());
            heard += hear;
            heard_by_size += hear * size as f64;
            all += size as f64;
        }
        Self {
            nodes,
            topics_of_a_node: heard / nodes as f64,
            heard_alike: heard / channels as f64,
            heard_by_size: heard_by_size / all,
        }
    }
}

/// Every channel has one socket; the others go by Zipf's law: to the second channel half as many as to
/// the first, to the third a third.
fn sizes(sockets: usize, channels: usize) -> impl Iterator<Item = usize> {
    let parts: f64 = (1..=channels).map(|rank| 1.0 / rank as f64).sum();
    let first = sockets.saturating_sub(channels) as f64 / parts;
    (1..=channels).map(move |rank| 1 + (first / rank as f64).round() as usize)
}
