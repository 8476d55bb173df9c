//! Question: what does one socket cost from its admission to its end, as pure rules and on a hub?
//! Exercises the session, the greeting, one subscription and its answer; no transport. The floor is
//! two encoded frames and a parsed message, about 1 µs.

use std::sync::Arc;
use std::time::Instant;

use criterion::Criterion;
use futures_util::FutureExt;
use resound::node::{Arrival, ConnectionPermit, Socket};
use resound::protocol::session::Session;
use resound::protocol::{ClientLibrary, SocketId};

use crate::fixture::{app, name};
use crate::node::{BenchNode, Null};

const SUBSCRIBE: &str = r#"{"event":"pusher:subscribe","data":{"auth":"","channel":"orders"}}"#;
const PING: &str = r#"{"event":"pusher:ping","data":{}}"#;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let (app, now) = (Arc::new(app()), Instant::now());
    group.bench_function("open, subscribe (rules only)", |bencher| {
        bencher.iter(|| {
            let (mut session, greeting) = Session::open(
                app.clone(),
                SocketId::from_random([0; 2], 0, 1),
                ClientLibrary::Other,
                now,
            );
            (session.receive(SUBSCRIBE, now), greeting)
        });
    });

    let mut node = BenchNode::new();
    group.bench_function("open, subscribe, close (on a hub)", |bencher| {
        bencher.iter(|| {
            let mut socket = open(&node);
            socket.receive(SUBSCRIBE, now);
            node.settle();
            let id = socket.id();
            drop(socket);
            node.shards.forget(id);
            node.settle();
        });
    });

    let mut node = BenchNode::new();
    node.subscribe_many(&name("orders"), 1);
    let mut socket = open(&node);
    group.bench_function("ping and pong (on a hub)", |bencher| {
        bencher.iter(|| {
            socket.receive(PING, now);
            node.settle();
        });
    });
    group.finish();
}

fn open(node: &BenchNode) -> Socket {
    let channels = node.inner.channels_by_id("1").unwrap();
    let permit = ConnectionPermit::acquire(&channels).now_or_never().unwrap().expect("no limit");
    let id = node.shards.new_socket_id(0);
    let (library, transport) = (ClientLibrary::Other, Arc::new(Null));
    let arrival = Arrival { permit, id, client: None, library, transport, answer: None };
    Socket::open(arrival, Instant::now())
}
