//! The nodes with subscribers of each channel, when sockets are spread at random.
//!
//! Deterministic: the same numbers give the same world. What a message costs is left to the measurement.

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// No more nodes than this.
const NODES_MAX: usize = 256;

/// A channel with its sockets on the nodes.
pub(crate) struct Channel {
    pub(crate) sockets: usize,
    /// Nodes with one of them.
    pub(crate) receivers: u32,
}

/// A number of nodes with all sockets connected.
pub(crate) struct World {
    pub(crate) nodes: usize,
    pub(crate) channels: Vec<Channel>,
    pub(crate) topics_of_a_node: f64,
    /// Nodes with subscribers of a channel: the mean over channels,
    pub(crate) receivers_by_channel: f64,
    /// and over sockets.
    pub(crate) receivers_by_socket: f64,
}

impl World {
    /// Draws a node for every socket; the same each time.
    pub(crate) fn new(sockets: usize, channels: usize, nodes: usize) -> Self {
        let mut random = StdRng::seed_from_u64(nodes as u64);
        let mut channel = |sockets: usize| {
            let mut there = [0_u64; NODES_MAX / 64];
            for _ in 0..sockets {
                let node = random.random_range(0..nodes);
                there[node / 64] |= 1 << (node % 64);
            }
            Channel { sockets, receivers: there.iter().map(|part| part.count_ones()).sum() }
        };
        let channels: Vec<Channel> = sizes(sockets, channels).map(&mut channel).collect();
        let sum = |of: fn(&Channel) -> f64| channels.iter().map(of).sum::<f64>();
        let receivers = sum(|channel| channel.receivers.into());
        let by_socket = sum(|channel| f64::from(channel.receivers) * channel.sockets as f64);
        Self {
            nodes,
            topics_of_a_node: receivers / nodes as f64,
            receivers_by_channel: receivers / channels.len() as f64,
            receivers_by_socket: by_socket / sum(|channel| channel.sockets as f64),
            channels,
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
