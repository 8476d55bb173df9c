//! Phases, channels and several pools on our own server.

use std::time::Instant;

use resound_load::{ClientPool, EventSource, Phase};
use tokio::task::spawn_blocking;

use super::harness::{DEADLINE, TestServer};
use super::{LONG, check_complete, connect, events, plan};

/// Runs what blocks beside the server.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn phases_follow_each_other_on_one_pool() {
    let server = TestServer::start().await;
    let plan = plan(server.address, &["private-a", "presence-b"], 20);
    beside(move || {
        let mut pool = connect(plan);
        assert_eq!((pool.open(), pool.connects().len()), (20, 20));
        pool.try_publish().unwrap();
        check_complete(&pool.run(&events(30), |_| ()), 300);
        let closed = Phase { events: Some(40), ..Phase::closed(4, LONG) };
        check_complete(&pool.run(&closed, |_| ()), 400);
        let batches = Phase { batch: 10, events: Some(45), ..Phase::closed(2, LONG) };
        check_complete(&pool.run(&batches, |_| ()), 450);
        let one_channel = Phase { channels: vec![1], payload_bytes: 9000, ..events(10) };
        let measures = pool.run(&one_channel, |_| ());
        check_complete(&measures, 100);
        assert!(measures.received_bytes > 100 * 9000);
        // Ten senders a channel, and each of them receives all events but its own.
        let client = Phase { source: EventSource::Clients, ..events(20) };
        check_complete(&pool.run(&client, |_| ()), 180);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pools_at_once_have_figures_of_their_own() {
    let server = TestServer::start().await;
    let plans = [("big", 60), ("small", 5)]
        .map(|(channel, connections)| (plan(server.address, &[channel], connections), connections));
    let pools = plans.map(|(plan, connections)| {
        beside(move || {
            let measures = connect(plan).run(&events(50), |_| ());
            check_complete(&measures, 50 * connections as u64);
        })
    });
    for pool in pools {
        pool.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_socket_is_no_receiver_and_its_end_is_counted() {
    let server = TestServer::start().await;
    let plan = plan(server.address, &["a"], 3);
    beside(move || {
        let mut pool = connect(plan);
        pool.stall(1);
        // The worker may have read the first of these before the command.
        pool.run(&events(20), |_| ());
        // 20 MB are more than the buffers of both sides hold; a closed loop spares the others.
        let closed = Phase::closed(1, LONG);
        let large = Phase { payload_bytes: 100_000, events: Some(200), ..closed };
        let measures = pool.run(&large, |_| ());
        check_complete(&measures, 400);
        pool.resume(1);
        // It may have been cut long before, which is noticed without reading.
        let closed = match measures.closed.into_keys().collect::<Vec<_>>() {
            closed if closed.is_empty() => wait_for_an_end(&mut pool),
            closed => closed,
        };
        // Closed for reading too slowly, or cut when it still did not read that.
        assert!(closed == [4100] || closed == [1006], "{closed:?}");
        assert_eq!(pool.open(), 2);
    })
    .await;
}

/// The codes with which sockets were closed, once one was.
fn wait_for_an_end(pool: &mut ClientPool) -> Vec<u16> {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        let closed = pool.run(&events(1), |_| ()).closed;
        if !closed.is_empty() {
            return closed.into_keys().collect();
        }
    }
    panic!("no socket was closed");
}
