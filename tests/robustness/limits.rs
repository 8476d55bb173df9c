//! Bounds that are reached: what is over is refused, what is there goes on, and what is given
//! back can be had again.

use serde_json::Value;

use crate::bystander::{Bystander, backend};
use crate::harness::Program;
use crate::harness::wire::{CLIENT_PING, SERVER_PONG, TEXT, Wire, frame, handshake};
use crate::harness::{TestServer, eventually};

fn subscribe(channel: &str) -> Vec<u8> {
    frame(TEXT, format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#))
}

/// Subscribes to as many channels at once and receives as many answers.
async fn subscribe_all(wire: &mut Wire, prefix: &str, count: usize) {
    let all: Vec<u8> = (0..count).flat_map(|n| subscribe(&format!("{prefix}-{n}"))).collect();
    wire.send(all).await;
    for n in 0..count {
        let answer = wire.text().await;
        assert_eq!(
            answer,
            format!(
                r#"{{"event":"pusher_internal:subscription_succeeded","data":"{{}}","channel":"{prefix}-{n}"}}"#
            )
        );
    }
}

#[tokio::test]
async fn one_subscription_too_many_is_refused_and_the_socket_kept() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut wire = Wire::socket(server.address).await;
    subscribe_all(&mut wire, "c", 1000).await;
    for _ in 0..2 {
        wire.send(subscribe("one-more")).await;
        let refusal: Value = serde_json::from_str(&wire.text().await).unwrap();
        assert_eq!(refusal["event"], "pusher:subscription_error");
        assert_eq!(refusal["channel"], "one-more");
        let data: Value = serde_json::from_str(refusal["data"].as_str().unwrap()).unwrap();
        assert_eq!(data["type"], "LimitReached");
        let error: Value = serde_json::from_str(&wire.text().await).unwrap();
        assert_eq!(
            (&error["event"], &error["data"]["code"]),
            (&"pusher:error".into(), &4100.into())
        );
    }
    // Those it has, it keeps; a second subscription to one of them is none more.
    wire.subscribe("c-999").await;
    server.backend().trigger("c-999", "event", "received").await;
    assert!(wire.text().await.contains("received"));
    wire.send(frame(TEXT, r#"{"event":"pusher:unsubscribe","data":{"channel":"c-0"}}"#)).await;
    wire.subscribe("one-more").await;
    wire.send(frame(TEXT, CLIENT_PING)).await;
    assert_eq!(wire.text().await, SERVER_PONG);
    bystander.is_served().await;
}

#[tokio::test]
async fn channels_take_memory_only_while_they_have_subscribers() {
    const ROUNDS: usize = 8;
    let program = Program::start(&[("RESOUND_HTTP_HEADER_TIMEOUT_SECONDS", "600")]).await;
    let mut bystander = Bystander::at(program.address).await;
    let mut backend = backend(program.address);
    let mut resident = Vec::new();
    for round in 0..ROUNDS {
        let mut wires = Vec::new();
        for number in 0..20 {
            let mut wire = Wire::socket(program.address).await;
            subscribe_all(&mut wire, &format!("round-{round}-{number}"), 1000).await;
            wires.push(wire);
        }
        let answer = backend.get("/channels", &[("filter_by_prefix", "round-")]).await;
        assert_eq!(answer.json()["channels"].as_object().unwrap().len(), 20_000);
        drop(wires);
        eventually("the sockets to be gone", async || {
            backend.get("/connections", &[]).await.body == r#"{"connections":1}"#
        })
        .await;
        let answer = backend.get("/channels", &[("filter_by_prefix", "round-")]).await;
        assert_eq!(
            answer.body, r#"{"channels":{}}"#,
            "a socket leaves its channels, then it is gone"
        );
        resident.push(program.resident());
        bystander.is_served().await;
    }
    let kibibytes: Vec<u64> = resident.iter().map(|bytes| bytes >> 10).collect();
    println!("after each round of 20 000 channels: {kibibytes:?} KiB");
    // In the first rounds tables and allocator grow to their size. A channel that stayed would be
    // its name, two map entries and itself: more than twice as much as is allowed here.
    let grown = resident[ROUNDS - 1].saturating_sub(resident[2]);
    let gone = (ROUNDS as u64 - 3) * 20_000;
    assert!(grown < gone * 128, "{grown} bytes for {gone} channels that are gone: {kibibytes:?}");
}

#[tokio::test]
async fn one_socket_too_many_is_refused_and_not_counted() {
    let server = TestServer::with_app("max_connections = 3").await;
    let mut bystander = Bystander::at(server.address).await;
    for _ in 0..20 {
        let (leaving, mut staying) =
            (Wire::socket(server.address).await, Wire::socket(server.address).await);
        let mut refused = Wire::open(server.address).await;
        refused.send([handshake().into_bytes(), frame(TEXT, CLIENT_PING)].concat()).await;
        assert_eq!(refused.reply().await.status, 101);
        let farewell = refused.farewell().await;
        assert_eq!(
            farewell.texts,
            [
                r#"{"event":"pusher:error","data":{"code":4100,"message":"Application is over connection quota"}}"#
            ]
        );
        assert_eq!(farewell.code, Some(4100));
        let connections = server.backend().get("/connections", &[]).await;
        assert_eq!(connections.body, r#"{"connections":3}"#);
        drop(leaving);
        let mut backend = server.backend();
        eventually("a place", async || {
            backend.get("/connections", &[]).await.body == r#"{"connections":2}"#
        })
        .await;
        let mut newcomer = Wire::socket(server.address).await;
        for wire in [&mut staying, &mut newcomer] {
            wire.send(frame(TEXT, CLIENT_PING)).await;
            assert_eq!(wire.text().await, SERVER_PONG);
        }
        drop((staying, newcomer));
        eventually("two places", async || {
            backend.get("/connections", &[]).await.body == r#"{"connections":1}"#
        })
        .await;
        bystander.is_served().await;
    }
}
