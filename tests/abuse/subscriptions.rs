//! Very many channels: on one socket, and over many.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::{Backend, Program, within};
use crate::wire::{Wire, join};

/// Bytes for one channel with its only subscriber: config/memory.md has 1 000 and its name three times.
const CHANNEL_BYTES: u64 = 1100;

fn backend(address: SocketAddr) -> Backend {
    Backend::new(address, "123456", "reverb-key", "reverb-secret")
}

/// A socket with as many channels of this prefix; `batch` are asked for at once.
async fn socket_with(address: SocketAddr, prefix: String, count: usize) -> Wire {
    const BATCH: usize = 500;
    let mut wire = Wire::socket(address).await;
    for first in (0..count).step_by(BATCH) {
        let numbers = first..count.min(first + BATCH);
        let asked =
            numbers.clone().flat_map(|n| join(&json!({ "channel": format!("{prefix}-{n}") })));
        wire.send(asked.collect::<Vec<u8>>()).await;
        for number in numbers {
            let answer = wire.text().await;
            assert!(answer.contains("subscription_succeeded"), "{prefix}-{number}: {answer}");
        }
    }
    wire
}

/// Waits until no channel begins so.
async fn freed(address: SocketAddr, prefix: &'static str) {
    let mut backend = backend(address);
    within("all channels to be freed", async {
        let parameters = [("filter_by_prefix", prefix)];
        while backend.get("/channels", &parameters).await.body != r#"{"channels":{}}"# {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_on_one_socket_delay_no_other_and_one_more_is_refused() {
    const COUNT: usize = 10_000;
    let program = Program::start(&[("RESOUND_APP_MAX_SUBSCRIPTIONS", "10000")]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let key = "app.max_subscriptions = 10000";
    let subscribed = socket_with(address, "many".to_owned(), COUNT);
    let mut wire = canary.beside("10 000 subscriptions of one socket", key, subscribed).await;
    wire.send(join(&json!({ "channel": "one-more" }))).await;
    let refusal = wire.text().await;
    assert!(
        refusal.contains("subscription_error") && refusal.contains("LimitReached"),
        "{refusal}"
    );
    let begun = Instant::now();
    let gone = async move {
        drop(wire);
        freed(address, "many-").await;
    };
    canary.beside("the end of that socket", key, gone).await;
    println!("10 000 channels are freed within {:.2} s", begun.elapsed().as_secs_f64());
}

/// `sockets` with 1 000 channels each, the default limit.
async fn fill(address: SocketAddr, sockets: usize) -> Vec<Wire> {
    let mut filling = JoinSet::new();
    for number in 0..sockets {
        filling.spawn(socket_with(address, format!("wide-{number}"), 1000));
    }
    filling.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_channels_take_their_octets_and_give_them_back() {
    const SOCKETS: usize = 100;
    const CHANNELS: u64 = 100_000;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let key = "app.max_subscriptions = 1000 for each of 100 sockets";
    let mut peaks = Vec::new();
    for round in ["100 000 channels", "100 000 channels again"] {
        let before = program.resident();
        let wires = canary.beside(round, key, fill(address, SOCKETS)).await;
        let octets = program.resident().saturating_sub(before) / CHANNELS;
        println!("{round}: {octets} octets for each");
        assert!(octets < CHANNEL_BYTES, "{octets} octets for each channel");
        peaks.push(program.resident());
        drop(wires);
        freed(address, "wide-").await;
    }
    // What is left of the first round serves the second: a channel that stayed would be in both.
    let grown = peaks[1].saturating_sub(peaks[0]);
    println!("the second peak is {} KiB above the first", grown >> 10);
    assert!(grown < CHANNELS * 250, "{grown} bytes more in the second round");
}
