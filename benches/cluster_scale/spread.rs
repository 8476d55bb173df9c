//! The same nodes with channels in several partitions, and those on several Redis servers.
//!
//! Owns what each Redis has to hold and to do, and the bounds of that. A channel is in a partition at random, as its
//! hash decides; a partition is on one Redis, each of which has as many.

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cost::Cost;
use crate::world::{Channel, World};
use crate::{BEATS_PER_SECOND, thousands};

/// Partitions, and the servers that have them: independent ones, or the masters of a Redis Cluster.
const LAYOUTS: [(usize, usize); 6] = [(1, 1), (4, 1), (16, 1), (4, 4), (16, 4), (16, 16)];

/// Of the model of one Redis, those for which several are of use.
pub(crate) const NODES: [usize; 3] = [50, 100, 200];

/// Redis refuses more connections as it is shipped, and keeps some for itself.
const CONNECTIONS_MAX: usize = 9_900;

/// What beats may take of one core of a Redis. Each reads a row for every node, in every partition.
const BEATS_PERCENT_MAX: f64 = 35.0;

/// So much of what as many servers could carry is left, if events are on all channels alike,
const ALIKE_LEAST: f64 = 0.9;

/// and if large channels have more of them: a channel is on one server, and the largest has 7 % of all.
const BY_SIZE_LEAST: f64 = 0.3;

/// How one Redis fares in a layout.
struct Share {
    connections: usize,
    topics: usize,
    subscriptions: usize,
    beats_percent: f64,
    /// Events a second of all servers together until the busiest has no time left: on all channels alike, and as many
    /// on each as it has sockets.
    carried: [f64; 2],
}

/// The lines of the table for so many nodes; an error if a bound does not hold.
pub(crate) fn lines(world: &World, cost: Cost) -> anyhow::Result<Vec<String>> {
    let one = Share::new(world, cost, (1, 1));
    let line = |layout: (usize, usize)| {
        let share = Share::new(world, cost, layout);
        share.check(&one, layout)?;
        Ok(share.line(world, layout))
    };
    LAYOUTS.into_iter().map(line).collect()
}

impl Share {
    fn new(world: &World, cost: Cost, (partitions, servers): (usize, usize)) -> Self {
        let of_a_server = partitions / servers;
        let mut random = StdRng::seed_from_u64(partitions as u64);
        let mut places = vec![(0_usize, 0_usize, [0.0; 2]); servers];
        let all_sockets: usize = world.channels.iter().map(|channel| channel.sockets).sum();
        for Channel { sockets, receivers } in &world.channels {
            let server = &mut places[random.random_range(0..partitions) % servers];
            let event_us = cost.publish_us + f64::from(*receivers) * cost.message_us;
            let shares = [1.0 / world.channels.len() as f64, *sockets as f64 / all_sockets as f64];
            server.0 += 1;
            server.1 += *receivers as usize;
            for (sum, share) in server.2.iter_mut().zip(shares) {
                *sum += share * event_us;
            }
        }
        let most =
            |of: fn(&(usize, usize, [f64; 2])) -> f64| places.iter().map(of).fold(0.0, f64::max);
        let nodes = world.nodes as f64;
        let beats_us = nodes * nodes * BEATS_PER_SECOND * of_a_server as f64 * cost.field_us;
        let left_us = (1e6 - beats_us).max(0.0);
        // Each node has a topic of its own in each partition, and all have one.
        let own = of_a_server * (world.nodes + 1);
        Self {
            connections: of_a_server * world.nodes,
            topics: most(|place| place.0 as f64) as usize + own,
            subscriptions: most(|place| place.1 as f64) as usize + 2 * of_a_server * world.nodes,
            beats_percent: beats_us / 1e4,
            carried: [left_us / most(|place| place.2[0]), left_us / most(|place| place.2[1])],
        }
    }

    fn check(&self, one: &Self, (partitions, servers): (usize, usize)) -> anyhow::Result<()> {
        let of = format!("{partitions} partitions on {servers} Redis");
        ensure!(self.connections <= CONNECTIONS_MAX, "{of}: {} connections", self.connections);
        ensure!(
            self.beats_percent <= BEATS_PERCENT_MAX,
            "{of}: {:.1} % for beats",
            self.beats_percent
        );
        if servers > 1 {
            let part = |at: usize| self.carried[at] / one.carried[at] / servers as f64;
            ensure!(part(0) >= ALIKE_LEAST, "{of}: {:.2} of what they could carry", part(0));
            ensure!(part(1) >= BY_SIZE_LEAST, "{of}: {:.2} of it by size", part(1));
        }
        Ok(())
    }

    fn line(&self, world: &World, (partitions, servers): (usize, usize)) -> String {
        let [alike, by_size] = self.carried.map(thousands);
        let received = self.carried[0] * world.receivers_by_channel / world.nodes as f64;
        format!(
            "| {} | {partitions} | {servers} | {} | {} | {} | {:.1} % | {alike} / {by_size} | {}/s over {partitions} |",
            world.nodes,
            self.connections,
            thousands(self.topics as f64),
            thousands(self.subscriptions as f64),
            self.beats_percent,
            thousands(received),
        )
    }
}
