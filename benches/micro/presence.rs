//! Question: what does the 300th member of a presence channel cost, who receives the roster while all
//! others receive `member_added`? Exercises the roster, its encoding and two announcements to 299
//! sockets. The floor is a roster of 18 KB escaped once and 2 × 299 pushes, about 30 µs.

use std::time::Instant;

use criterion::Criterion;
use resound::protocol::Member;

use crate::stage::{Stage, app, name};

/// Members there before.
const PRESENT: usize = 299;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut stage = Stage::new();
    let channel = name("presence-room");
    let join = |stage: &Stage, number: usize| {
        let (socket, member) = (stage.socket(), member(number));
        stage.hub.subscribe(socket, &channel, Some(&member), Instant::now()).unwrap();
        (socket, member)
    };
    for number in 0..PRESENT {
        join(&stage, number);
    }
    stage.settle();
    criterion.bench_function("presence/the 300th member joins and leaves", |bencher| {
        bencher.iter(|| {
            let (socket, member) = join(&stage, PRESENT);
            stage.settle();
            stage.hub.unsubscribe(socket, &channel, Some(&member.user_id), Instant::now());
            stage.shards.forget(socket);
            stage.settle();
        });
    });
}

fn member(number: usize) -> Member {
    let data =
        format!("{{\"user_id\":\"{number}\",\"user_info\":{{\"name\":\"Member {number}\"}}}}");
    Member::parse(Some(&data), &app().limits).unwrap()
}
