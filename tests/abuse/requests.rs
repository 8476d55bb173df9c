//! HTTP that stalls, swells or is not read, from many connections at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::{Backend, Program, within};
use crate::wire::Wire;

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
/// Its answer is longer than the request, so the buffers of the kernel are full sooner.
const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";

/// A program whose times for a head and a body are a second.
async fn impatient() -> Program {
    Program::start(&[
        ("RESOUND_HTTP_HEADER_TIMEOUT_SECONDS", "1"),
        ("RESOUND_HTTP_BODY_TIMEOUT_SECONDS", "1"),
    ])
    .await
}

/// Sends `begin` and then one byte after the other, until the connection ends; returns how long it lived and what was
/// answered.
async fn dribble(address: SocketAddr, begin: String) -> (Duration, Vec<u8>) {
    let mut wire = Wire::open(address).await;
    let begun = Instant::now();
    let _ = wire.try_send(begin).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut answer = Vec::new();
    within("a slow peer to be cut off", async {
        loop {
            tokio::select! {
                _ = ticks.tick() => if wire.stream.try_write(b"x").is_err() { return },
                readable = wire.stream.readable() => {
                    readable.unwrap();
                    match wire.stream.try_read_buf(&mut answer) {
                        Ok(0) => return,
                        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                        _ => {}
                    }
                }
            }
        }
    })
    .await;
    (begun.elapsed(), answer)
}

/// As many slow peers at once, which all come to their end.
async fn dribble_all(address: SocketAddr, begin: String, count: usize) -> Vec<(Duration, Vec<u8>)> {
    let mut slow = JoinSet::new();
    for _ in 0..count {
        slow.spawn(dribble(address, begin.clone()));
    }
    slow.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_slow_heads_end_at_their_time() {
    let program = impatient().await;
    let mut canary = Canary::at(program.address).await;
    let head = "GET /up HTTP/1.1\r\nHost: x\r\nX: ".to_owned();
    let slow = dribble_all(program.address, head, 300);
    let ended = canary.beside("300 slow heads", "http.header_timeout_seconds = 1", slow).await;
    let shortest = ended.iter().map(|(lived, _)| *lived).min().unwrap();
    assert_eq!(ended.len(), 300);
    assert!(shortest > Duration::from_millis(500), "its time was a second, not {shortest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_slow_bodies_are_answered_408() {
    let program = impatient().await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let query = Backend::new(address, "123456", "reverb-key", "reverb-secret").query(
        "POST",
        "/apps/123456/events",
        &[],
        "body",
    );
    let head = format!(
        "POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    );
    let slow = dribble_all(address, head, 300);
    let ended = canary.beside("300 slow bodies", "http.body_timeout_seconds = 1", slow).await;
    for (_, answer) in ended {
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

/// Sends pieces of one endless head until the server has had enough; returns how many bytes it took.
async fn endless_head(address: SocketAddr, begin: &'static str, piece: &'static str) -> usize {
    let mut wire = Wire::open(address).await;
    let _ = wire.try_send(begin).await;
    let (mut sent, mut answer) = (0, Vec::new());
    let pieces = piece.repeat(64);
    within("an endless head to be refused", async {
        while wire.try_send(&pieces).await.is_ok() {
            sent += pieces.len();
            if matches!(wire.stream.try_read_buf(&mut answer), Ok(1..)) {
                return;
            }
        }
    })
    .await;
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_end_take_no_memory() {
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let before = program.resident();
    for (what, key, begin, piece) in [
        ("200 endless targets", "http.max_header_bytes = 16384", "GET /", "xxxxxxxx"),
        (
            "200 endless fields",
            "http.max_header_bytes = 16384",
            "GET /up HTTP/1.1\r\nX: ",
            "xxxxxxxx",
        ),
        (
            "200 heads of endless fields",
            "http.max_headers = 100",
            "GET /up HTTP/1.1\r\n",
            "X: 1\r\n",
        ),
    ] {
        let flood = async move {
            let mut peers = JoinSet::new();
            for _ in 0..200 {
                peers.spawn(endless_head(address, begin, piece));
            }
            peers.join_all().await.into_iter().max().unwrap()
        };
        let most = canary.beside(what, key, flood).await;
        let grown = program.resident().saturating_sub(before);
        println!(
            "{what}: {} KiB taken of one at most, {} KiB more resident",
            most >> 10,
            grown >> 10
        );
        assert!(grown < 24 << 20, "{what}: {grown} bytes for 200 heads of 16 KiB");
    }
}

/// Sends requests until no more are taken, reads nothing, and resolves when the server cuts it off.
async fn pipeline_without_reading(address: SocketAddr) {
    let mut wire = Wire::narrow(address).await;
    let requests = NOWHERE.repeat(500);
    within("a peer that does not read to be cut off", async {
        while wire.try_send(&requests).await.is_ok() {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_that_are_not_read_are_cut_and_take_no_memory() {
    let program = impatient().await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let before = program.resident();
    let flood = async move {
        let mut peers = JoinSet::new();
        // Each takes as much CPU as the requests that fill the buffers of the kernel, some seconds in a debug build.
        for _ in 0..2 {
            peers.spawn(pipeline_without_reading(address));
        }
        peers.join_all().await;
    };
    canary.beside("2 pipelines without a reader", "http.body_timeout_seconds = 1", flood).await;
    let grown = program.resident().saturating_sub(before);
    println!("pipelines that are not read: {} KiB more resident", grown >> 10);
    assert!(grown < 24 << 20, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_thousand_silent_connections_the_limit_stays() {
    const MOST: usize = 200;
    let most = MOST.to_string();
    let program = Program::start(&[
        ("RESOUND_HTTP_MAX_PENDING_CONNECTIONS", &most),
        ("RESOUND_HTTP_HEADER_TIMEOUT_SECONDS", "600"),
    ])
    .await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let flood = async move {
        let mut silent = Vec::new();
        for _ in 0..3000 {
            silent.push(Wire::open(address).await);
            // The ended ones must not use up the descriptors of this process. Workers accept in an order each, so that one of
            // the oldest may be accepted after a newer one: these are older by the limit.
            if silent.len() == 3 * MOST {
                for mut wire in silent.drain(..MOST) {
                    wire.is_cut_off().await;
                }
            }
        }
        // The newest are served, so they were not among the oldest.
        let mut newest = silent.split_off(silent.len() - MOST / 2);
        for wire in &mut newest {
            wire.send(UP).await;
            assert_eq!(wire.reply().await.status, 200);
        }
    };
    canary.beside("3 000 silent connections", "http.max_pending_connections = 200", flood).await;
}
