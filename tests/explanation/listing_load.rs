//! Listing 10 000 sockets in a loop while events are delivered: a look takes turns of the shards, never a long one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::program::Program;
use crate::harness::redis::free_port;
use crate::harness::wire::{Wire, handshake};
use crate::harness::{Backend, TestSocket, eventually, within};

const SOCKETS: usize = 10_000;
const EVENTS: usize = 200;

/// The 99th percentile of the time from a trigger to its arrival, with so many events one after the other.
async fn p99(backend: &mut Backend, socket: &mut TestSocket) -> Duration {
    let mut times = Vec::new();
    for _ in 0..EVENTS {
        let start = Instant::now();
        backend.trigger("watched", "tick", "{}").await;
        socket.receive().await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[EVENTS * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_ten_thousand_sockets_delays_no_delivery() {
    // The clients here, the server in a process of its own: 20 000 descriptors are the limit of some machines.
    rlimit::increase_nofile_limit(SOCKETS as u64 + 500).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let listen = format!("[\"{address}\"]");
    let program = Program::start(&[("RESOUND_INTERNAL_LISTEN", &listen)]).await;
    let mut idle = Vec::new();
    for _ in 0..SOCKETS {
        let mut wire = Wire::open(program.address).await;
        wire.send(handshake()).await;
        idle.push(wire);
    }
    let mut socket = TestSocket::greeted(program.address, "/app/reverb-key?protocol=7").await;
    let mut backend = Backend::new(program.address, "123456", "reverb-key", "reverb-secret");
    socket.subscribe("watched").await;
    let is_measured = Arc::new(AtomicBool::new(false));
    // How many sockets a shard looks at in one turn is tested beside it (`hub::looking`). What is bound here is the whole,
    // unoptimised, on a machine that other tests use: it may delay a round or two, a list that holds a shard up each of them.
    let round = async || {
        let alone = p99(&mut backend, &mut socket).await;
        is_measured.store(false, Ordering::Relaxed);
        let lists = tokio::spawn(list_until(address, is_measured.clone()));
        let beside = p99(&mut backend, &mut socket).await;
        println!("p99 alone {alone:?}, beside lists {beside:?}");
        is_measured.store(true, Ordering::Relaxed);
        within("the last list", lists).await.unwrap();
        beside < alone * 4 + Duration::from_millis(20)
    };
    eventually("events that lists do not delay", round).await;
}

/// Lists the sockets, one time after the other.
async fn list_until(address: SocketAddr, is_measured: Arc<AtomicBool>) {
    let mut viewer = Backend::new(address, "", "", "");
    while !is_measured.load(Ordering::Relaxed) {
        let answer = viewer.send("GET", "/internal/v1/sockets?search=127.&limit=100", "").await;
        assert_eq!(answer.json()["matched"], SOCKETS + 1);
    }
}
