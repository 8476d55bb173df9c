//! How many messages one event costs a cluster, computed: no sockets, no network, only who is where.
//! Then how many events one Redis carries, by what it spends on each: measured, with our scripts.
//!
//! A million sockets are spread at random over the nodes and over 100 000 channels whose sizes follow
//! Zipf's law, as those of applications do: a few crowds, and very many channels of a few. Beside the
//! scheme in use, a topic for each channel, stands the one with one topic that every node hears.
//!
//! `cargo bench --bench cluster_scale` prints the tables of the README.

#![allow(clippy::print_stdout, reason = "a program that people ask and read")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::price::Price;

#[path = "../load/process.rs"]
mod process;
mod price;
#[path = "../load/redis.rs"]
mod redis;

const SOCKETS: usize = 1_000_000;
const CHANNELS: usize = 100_000;
const NODES: [usize; 8] = [2, 3, 5, 10, 20, 50, 100, 200];
/// So many worlds are drawn and averaged.
const SEEDS: u64 = 5;

/// Over which the share of one node is told.
const EVENTS: f64 = 10_000.0;

const HEADER: &str = "\
| nodes | a topic for each channel: nodes that hear an event | of one drawn by subscribers | bytes out of Redis | of 10 000 events a node hears | one topic for all: nodes | bytes out of Redis | a node hears |
|---:|---:|---:|---:|---:|---:|---:|---:|";

const CARRIES: &str = "\
| nodes | topics of a node | rows that beats read, a second | events a second one Redis carries | if drawn by subscribers | one topic for all |
|---:|---:|---:|---:|---:|---:|";

/// As shipped: a node beats ten times in a lease of five seconds, and reads a row of each node.
const BEATS_PER_SECOND: f64 = 2.0;

/// What the subscribers of an event are sent, and an ordinary name.
const FRAME_BYTES: usize = 200;
const TOPIC: &str = "resound{my-app:private-orders.1234567}";
/// What stands before the text of an event: see `cluster::message`.
const HEAD_BYTES: usize = 35;

/// What an event costs on average.
#[derive(Default, Clone, Copy)]
struct Cost {
    /// Nodes that hear an event of a channel drawn at random.
    any_channel: f64,
    /// Nodes that hear one of a channel drawn by its subscribers: large channels have more events.
    by_subscribers: f64,
    /// Subscribers of such a channel, to see what is divided among the nodes.
    subscribers: f64,
}

fn main() -> anyhow::Result<()> {
    println!("{SOCKETS} sockets in {CHANNELS} channels, {FRAME_BYTES} bytes an event\n");
    println!("{HEADER}");
    let sizes = sizes();
    let costs = NODES.map(|nodes| (nodes, mean(&sizes, nodes)));
    for (nodes, Cost { any_channel: any, by_subscribers: crowd, .. }) in costs {
        let (ours, all) = (bytes(any), bytes(nodes as f64));
        let heard = EVENTS * any / nodes as f64;
        println!(
            "| {nodes} | {any:.2} | {crowd:.1} | {ours:.0} | {heard:.0} | {nodes} | {all:.0} | {EVENTS:.0} |"
        );
    }
    println!(
        "\nThe largest channel has {} subscribers, the median one {}; an event drawn by subscribers has {:.0}.\n",
        sizes[0],
        sizes[CHANNELS / 2],
        costs[0].1.subscribers
    );
    let price = Price::measure()?;
    println!("{CARRIES}");
    costs.into_iter().for_each(|(nodes, cost)| println!("{}", carries(nodes, cost, price)));
    let Price { publish_us, message_us, row_us } = price;
    println!(
        "\nRedis spends {publish_us:.1} µs on an event, {message_us:.2} µs on each node that hears it, and \
         {row_us:.2} µs on each row."
    );
    Ok(())
}

/// The mean over some worlds.
fn mean(sizes: &[usize], nodes: usize) -> Cost {
    let worlds = (0..SEEDS).map(|seed| cost(sizes, nodes, &mut StdRng::seed_from_u64(seed)));
    let sum = worlds.fold(Cost::default(), |sum, cost| Cost {
        any_channel: sum.any_channel + cost.any_channel,
        by_subscribers: sum.by_subscribers + cost.by_subscribers,
        subscribers: sum.subscribers + cost.subscribers,
    });
    let part = 1.0 / SEEDS as f64;
    Cost {
        any_channel: sum.any_channel * part,
        by_subscribers: sum.by_subscribers * part,
        subscribers: sum.subscribers * part,
    }
}

/// How many events one core of Redis has time for, beats taken off.
fn carries(nodes: usize, cost: Cost, price: Price) -> String {
    let all = nodes as f64;
    let topics = cost.any_channel * CHANNELS as f64 / all;
    let rows = all * all * BEATS_PER_SECOND;
    let left_us = (1e6 - rows * price.row_us).max(0.0);
    let events = |heard: f64| left_us / (price.publish_us + heard * price.message_us);
    let (any, crowd) = (events(cost.any_channel), events(cost.by_subscribers));
    let one_topic = events(all);
    format!("| {nodes} | {topics:.0} | {rows:.0} | {any:.0} | {crowd:.0} | {one_topic:.0} |")
}

/// Subscribers of each channel, the largest first: as one over its rank, and at least one each.
fn sizes() -> Vec<usize> {
    let harmonic: f64 = (1..=CHANNELS).map(|rank| 1.0 / rank as f64).sum();
    let scale = SOCKETS as f64 / harmonic;
    (1..=CHANNELS).map(|rank| ((scale / rank as f64).round() as usize).max(1)).collect()
}

/// Draws where every socket is; a publisher is on any node, and hears an event only if it has
/// subscribers itself.
fn cost(sizes: &[usize], nodes: usize, random: &mut StdRng) -> Cost {
    let total: usize = sizes.iter().sum();
    let mut cost = Cost::default();
    let mut last_seen = vec![usize::MAX; nodes];
    for (channel, &size) in sizes.iter().enumerate() {
        let mut hear = 0;
        for _ in 0..size {
            let node = random.random_range(0..nodes);
            hear += usize::from(std::mem::replace(&mut last_seen[node], channel) != channel);
        }
        let share = size as f64 / total as f64;
        cost.any_channel += hear as f64 / sizes.len() as f64;
        cost.by_subscribers += hear as f64 * share;
        cost.subscribers += size as f64 * share;
    }
    cost
}

/// What Redis writes for one event: a push to each node that hears it, and the answer to the one that
/// published it.
fn bytes(nodes: f64) -> f64 {
    let payload = HEAD_BYTES + FRAME_BYTES;
    let header = |length: usize| format!("${length}\r\n").len() + length + 2;
    let push = ">3\r\n".len() + header("message".len()) + header(TOPIC.len()) + header(payload);
    let answer = ":1704067200000000\r\n".len();
    nodes * push as f64 + answer as f64
}
