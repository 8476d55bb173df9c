//! How far one Redis goes: a model of 2 to 200 nodes with a million sockets.
//!
//! Question: what does an event cost Redis when every channel has a topic of its own, and what if all
//! nodes received one topic? The receivers are counted in a model: channels whose sizes follow
//! Zipf's law, sockets at random on nodes. What a publish, a delivery and a beat cost is measured on a
//! real Redis with the shipped scripts, or given on the command line. Network and nodes are left out: they
//! are many, and Redis is one. A second table has partitions on several Redis servers; it fails where a bound of
//! what one of them has to hold or to do is missed. Takes some seconds.
//!
//! ```sh
//! cargo bench --bench cluster_scale
//! cargo bench --bench cluster_scale -- --publish-us 14 --message-us 1.2 --field-us 0.3
//! ```

#![allow(clippy::print_stdout, reason = "a program for people to read, not a part of the server")]

use clap::Parser;

use crate::cost::Cost;
use crate::world::World;

mod cost;
// A bench is a crate of its own; the Redis that it starts and measures is the one of the load bench.
#[path = "../load/process.rs"]
mod process;
#[path = "../load/redis.rs"]
mod redis;
mod spread;
mod world;

/// Counts what one Redis has to do for many nodes.
#[derive(Debug, Parser)]
#[command(name = "cluster_scale", bin_name = "cargo bench --bench cluster_scale --")]
struct Options {
    /// Sockets on all nodes together, each on one channel.
    #[arg(long, default_value_t = 1_000_000)]
    sockets: usize,
    /// Channels; each has a socket, the others go by Zipf's law.
    #[arg(long, default_value_t = 100_000)]
    channels: usize,
    /// Microseconds of Redis for an event without receivers; measured if it is not given.
    #[arg(long)]
    publish_us: Option<f64>,
    /// Microseconds of Redis for each node that receives it.
    #[arg(long)]
    message_us: Option<f64>,
    /// Microseconds of Redis for each node that a beat reads of.
    #[arg(long)]
    field_us: Option<f64>,
    /// The flag cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

const NODES: [usize; 7] = [2, 5, 10, 20, 50, 100, 200];

/// As shipped: a node beats ten times in a lease of five seconds.
const BEATS_PER_SECOND: f64 = 2.0;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let cost = match (options.publish_us, options.message_us, options.field_us) {
        (Some(publish_us), Some(message_us), Some(field_us)) => {
            Cost { publish_us, message_us, field_us }
        }
        _ => Cost::measure()?,
    };
    let worlds = NODES.map(|nodes| World::new(options.sockets, options.channels, nodes));
    println!(
        "| nodes | topics of a node | nodes that receive an event | Redis sends | with one topic for all | rows that beats read | events a second one Redis carries | with one topic for all |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for world in &worlds {
        println!("{}", line(world, cost));
    }
    let Cost { publish_us, message_us, field_us } = cost;
    println!(
        "\n{} sockets on {} channels. Two numbers: events on all channels alike, and as many on each as it\n\
         has sockets. CPU of Redis: {publish_us:.1} µs an event, {message_us:.2} µs for each node that receives it, \
         {field_us:.2} µs\nfor each row that a beat reads.",
        options.sockets, options.channels
    );
    println!(
        "\n| nodes | partitions | Redis | connections of one Redis | topics of one | subscriptions of one | beats: its CPU | events a second all carry | messages that a node receives, over so many links |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for world in worlds.iter().filter(|world| spread::NODES.contains(&world.nodes)) {
        spread::lines(world, cost)?.iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

/// One line of the table.
fn line(world: &World, cost: Cost) -> String {
    let nodes = world.nodes as f64;
    let rows = nodes * nodes * BEATS_PER_SECOND;
    let carried = |receivers: f64| {
        let left_us = (1e6 - rows * cost.field_us).max(0.0);
        thousands(left_us / (cost.publish_us + receivers * cost.message_us))
    };
    let kilobytes = |receivers: f64| format!("{:.1}", receivers * cost::MESSAGE_BYTES / 1000.0);
    let (alike, by_size) = (world.receivers_by_channel, world.receivers_by_socket);
    format!(
        "| {} | {:.0} | {alike:.1} / {by_size:.1} | {} / {} KB | {} KB | {}/s | {} / {} | {} |",
        world.nodes,
        world.topics_of_a_node,
        kilobytes(alike),
        kilobytes(by_size),
        kilobytes(nodes),
        thousands(rows),
        carried(alike),
        carried(by_size),
        carried(nodes),
    )
}

fn thousands(per_second: f64) -> String {
    match per_second / 1000.0 {
        large if large >= 10.0 => format!("{large:.0} k"),
        middle if middle >= 1.0 => format!("{middle:.1} k"),
        _ => format!("{per_second:.0}"),
    }
}
