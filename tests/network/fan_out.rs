//! One event for many sockets, one of which is behind a narrow link.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::harness::{Backend, Program, TestSocket};
use crate::host::Host;
use crate::line::Shape;
use crate::switch::Switch;

const CHANNEL: &str = "crowd";

const SUBSCRIBERS: usize = 200;

/// 132 KB, for which the narrow link needs 4 s.
const SIZES: [usize; 24] = {
    let mut sizes = [100; 24];
    (sizes[5], sizes[11], sizes[17], sizes[20]) = (10_000, 10_000, 100_000, 10_000);
    sizes
};

/// Of what the others wait for an event while the narrow link is seconds behind: 100 KB go to 200
/// sockets in 85 ms on two idle cores, in 1 s on busy ones, and over the narrow link in 3.2 s.
const P99_MAX: Duration = Duration::from_secs(2);

/// The data of event `count`: its number, and weight.
fn data(count: usize, bytes: usize) -> String {
    format!("{count:06}{}", "x".repeat(bytes - 6))
}

fn event(data: &str) -> String {
    format!(r#"{{"event":"event","data":"{data}","channel":"{CHANNEL}"}}"#)
}

/// Publishes an event and waits until all have it; how long each waited.
async fn deliver(backend: &mut Backend, sockets: &mut [TestSocket], data: &str) -> Vec<Duration> {
    let expected = event(data);
    let begin = Instant::now();
    backend.trigger(CHANNEL, "event", data).await;
    join_all(sockets.iter_mut().map(async |socket| {
        assert!(socket.receive().await == expected, "every event, whole and in order");
        begin.elapsed()
    }))
    .await
}

fn p99(mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

async fn subscribers(host: &Host, server: &Program, count: usize) -> Vec<TestSocket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = host.socket(server).await;
        socket.subscribe(CHANNEL).await;
        sockets.push(socket);
    }
    sockets
}

pub(crate) async fn events_of_any_size_arrive_whole_beside_a_narrow_link() {
    let switch = Switch::new();
    let (server, crowd) = (switch.host(), switch.host());
    let narrow = switch.host_behind(Shape::narrow(256));
    let server = server.serve(&[]).await;
    let mut sockets = subscribers(&crowd, &server, SUBSCRIBERS).await;
    let mut slow = subscribers(&narrow, &server, 1).await.remove(0);
    let slow = tokio::spawn(async move {
        for (count, bytes) in SIZES.into_iter().enumerate() {
            assert!(slow.receive().await == event(&data(count, bytes)), "whole and in order");
        }
        assert_eq!(slow.receive_all().await, [""; 0]);
        Instant::now()
    });
    let mut backend = crowd.backend(&server).await;
    let begin = Instant::now();
    let mut waits = Vec::new();
    for (count, bytes) in SIZES.into_iter().enumerate() {
        waits.extend(deliver(&mut backend, &mut sockets, &data(count, bytes)).await);
    }
    let p99 = p99(waits);
    assert!(p99 < P99_MAX, "p99 {p99:?}");
    let took = slow.await.unwrap() - begin;
    assert!(took > Duration::from_secs(4), "the link was narrow: {took:?}");
}

/// Round trips of 20 ms, and a packet in fifty vanishes in each direction.
const LOSSY: Shape = Shape { loss_percent: 2.0, ..Shape::far(20) };

pub(crate) async fn events_arrive_whole_over_a_link_that_loses_packets() {
    let switch = Switch::new();
    let (server_host, back_end) = (switch.host(), switch.host());
    let lossy = switch.host_behind(LOSSY);
    let server = server_host.serve(&[]).await;
    let mut sockets = subscribers(&lossy, &server, 20).await;
    let mut backend = back_end.backend(&server).await;
    for (count, bytes) in SIZES.into_iter().enumerate() {
        deliver(&mut backend, &mut sockets, &data(count, bytes)).await;
    }
    for socket in &mut sockets {
        assert_eq!(socket.receive_all().await, [""; 0]);
    }
    assert!(server_host.segments_sent_again() > 0, "the link lost packets");
}

/// It takes what its link carries, and is closed when more than its outbox waits.
pub(crate) async fn a_narrow_link_is_closed_only_when_its_outbox_is_full() {
    let switch = Switch::new();
    let (server, crowd) = (switch.host(), switch.host());
    let narrow = switch.host_behind(Shape::narrow(256));
    let server = server.serve(&[]).await;
    let mut sockets = subscribers(&crowd, &server, 20).await;
    let mut slow = narrow.wire(&server, None).await;
    slow.subscribe(CHANNEL).await;
    let slow = tokio::spawn(async move { slow.farewell().await });
    let mut backend = crowd.backend(&server).await;
    let path = format!("/channels/{CHANNEL}");
    let mut published = 0;
    loop {
        deliver(&mut backend, &mut sockets, &data(published, 100_000)).await;
        published += 1;
        let count = backend.get(&path, &[("info", "subscription_count")]).await;
        if count.json()["subscription_count"] == 20 {
            break;
        }
        assert!(published < 100, "10 MB wait, beyond any buffer of the kernel and the outbox");
    }
    narrow.link.reshape(Shape::NONE);
    let farewell = slow.await.unwrap();
    let (why, events) = farewell.texts.split_last().expect("the reason");
    assert!(why.contains("4100") && farewell.code == Some(4100), "{why} {:?}", farewell.code);
    for (count, text) in events.iter().enumerate() {
        assert!(*text == event(&data(count, 100_000)), "no gap before the end");
    }
    let waited = (published - events.len()) * 100_000;
    assert!(waited >= 1_000_000, "closed with {waited} bytes waiting");
}

/// A radio cell that fails: the server gets neither a reset nor an end from 50 sockets.
pub(crate) async fn unreachable_subscribers_do_not_delay_the_others() {
    let switch = Switch::new();
    let (server, near, cell) = (switch.host(), switch.host(), switch.host());
    let server = server.serve(&[]).await;
    let mut sockets = subscribers(&near, &server, 50).await;
    let _unreachable = subscribers(&cell, &server, 50).await;
    cell.link.cut();
    let mut backend = near.backend(&server).await;
    let mut waits = Vec::new();
    // More than an outbox and the buffers of the kernel, so that each of the 50 is ended in between.
    for count in 0..25 {
        waits.extend(deliver(&mut backend, &mut sockets, &data(count, 100_000)).await);
    }
    let p99 = p99(waits);
    assert!(p99 < P99_MAX, "p99 {p99:?}");
    let path = format!("/channels/{CHANNEL}");
    let count = backend.get(&path, &[("info", "subscription_count")]).await.json();
    assert_eq!(count["subscription_count"], 50);
}
