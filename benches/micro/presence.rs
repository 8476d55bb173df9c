//! Question: what does the 300th member of a presence channel cost, who receives the roster while all
//! others receive `member_added`? Exercises the roster, its encoding and two announcements to 299
//! sockets. The floor is a roster of 18 KB escaped once and 2 × 299 pushes, about 30 µs.

use std::time::Instant;

use criterion::Criterion;
use resound::protocol::Member;

use crate::fixture::{app, name};
use crate::node::BenchNode;

/// Members there before.
const PRESENT: usize = 299;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut node = BenchNode::new();
    let channel = name("presence-room");
    let join = |node: &BenchNode, number: usize| {
        let (socket, member) = (node.socket(), member(number));
        node.hub.subscribe(socket, &channel, Some(&member), Instant::now()).unwrap();
        (socket, member)
    };
    for number in 0..PRESENT {
        join(&node, number);
    }
    node.settle();
    criterion.bench_function("presence/the 300th member joins and leaves", |bencher| {
        bencher.iter(|| {
            let (socket, member) = join(&node, PRESENT);
            node.settle();
            node.hub.unsubscribe(socket, &channel, Some(&member.user_id), Instant::now());
            node.shards.forget(socket);
            node.settle();
        });
    });
}

fn member(number: usize) -> Member {
    let data =
        format!("{{\"user_id\":\"{number}\",\"user_info\":{{\"name\":\"Member {number}\"}}}}");
    Member::parse(Some(&data), &app().limits).unwrap()
}
