//! Question: what does it cost to join and to leave an empty channel, and one among many?
//! Exercises the registry, the channel's lock and the way of its answer through a shard. The floor
//! is an insert into a map and its removal, about 0.2 µs.

use std::time::Instant;

use criterion::Criterion;
use resound::protocol::ChannelName;

use crate::fixture::name;
use crate::node::BenchNode;

/// Distinct names, gone through again and again; none stays occupied.
const NAMES: usize = 10_000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registry");
    let names: Vec<ChannelName> =
        (0..NAMES).map(|number| name(&format!("user.{number}.orders"))).collect();
    let mut node = BenchNode::new();
    let socket = node.socket();
    let mut turn = names.iter().cycle();
    group.bench_function("subscribe and leave distinct channels", |bencher| {
        bencher.iter(|| join_and_leave(&mut node, socket, turn.next().unwrap()));
    });

    let mut node = BenchNode::new();
    let orders = name("orders");
    node.subscribe_many(&orders, 1000);
    let socket = node.socket();
    group.bench_function("subscribe and leave beside 1000 others", |bencher| {
        bencher.iter(|| join_and_leave(&mut node, socket, &orders));
    });

    let mut node = BenchNode::new();
    for name in &names {
        node.subscribe_many(name, 1);
    }
    group.bench_function("counts of one of 10000 channels", |bencher| {
        bencher.iter(|| node.hub.counts(turn.next().unwrap()));
    });
    group.finish();
}

fn join_and_leave(
    node: &mut BenchNode,
    socket: resound::protocol::SocketId,
    channel: &ChannelName,
) {
    let now = Instant::now();
    node.hub.subscribe(socket, channel, None, now).unwrap();
    node.hub.unsubscribe(socket, channel, None, now);
    node.settle();
}
