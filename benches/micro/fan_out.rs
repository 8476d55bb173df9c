//! Question: what does an event cost from the hub to its subscribers' transports, per receiver,
//! and when there is none? Exercises hub, shards and outboxes with a transport that costs nothing.
//! The floor is one clone of a reference, one push and one virtual call a receiver.

use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput};
use resound::protocol::server_message::OutboundEvent;

use crate::fixture::name;
use crate::node::BenchNode;

pub(crate) fn measure(criterion: &mut Criterion) {
    let data = "x".repeat(128);
    let mut group = criterion.benchmark_group("fan-out");
    for subscribers in [0, 1, 10, 1000] {
        let mut node = BenchNode::new();
        let channel = name("orders");
        node.subscribe_many(&channel, subscribers);
        group.throughput(Throughput::Elements(subscribers.max(1) as u64));
        group.bench_function(BenchmarkId::new("trigger", subscribers), |bencher| {
            bencher.iter(|| {
                let event = OutboundEvent::new("updated", &data);
                let reached = node.hub.trigger(&channel, &event, &data, None, Instant::now());
                node.settle();
                reached
            });
        });
    }
    // Ten frames wait for a socket and leave in one write: what a batch of events costs.
    let mut node = BenchNode::new();
    let channel = name("orders");
    node.subscribe_many(&channel, 1000);
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("ten triggers, then the writes, 1000 subscribers", |bencher| {
        bencher.iter(|| {
            let event = OutboundEvent::new("updated", &data);
            for _ in 0..10 {
                node.hub.trigger(&channel, &event, &data, None, Instant::now());
            }
            node.settle();
        });
    });
    group.finish();
}
