//! Floods of client events (whispers) and of messages where they have a rate.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::{Program, TestSocket, within};
use crate::wire::APP;

const SENDERS: usize = 10;
const EVENTS: usize = 1000;
const ROOM: &str = "presence-flood";

fn whisper(number: usize) -> String {
    json!({ "event": "client-typing", "channel": ROOM, "data": { "n": number } }).to_string()
}

/// A member of the room, and what has arrived there up to its subscription.
async fn member(address: SocketAddr, user: &str) -> TestSocket {
    let mut socket = TestSocket::greeted(address, APP).await;
    let data = json!({ "user_id": user }).to_string();
    socket.subscribe_signed(ROOM, Some(&data)).await;
    socket
}

/// Sends `EVENTS` whispers and counts the refusals among the answers.
async fn flood(mut socket: TestSocket) -> usize {
    for number in 0..EVENTS {
        socket.send_text(&whisper(number)).await;
    }
    let received = socket.receive_all().await;
    received.iter().filter(|text| text.contains("pusher:error") && text.contains("4301")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_flood_of_whispers_the_rate_is_relayed() {
    const RATE: usize = 10;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let mut reader = member(address, "reader").await;
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        senders.push(member(address, &format!("sender-{number}")).await);
    }
    let begun = Instant::now();
    let floods = async move {
        let mut floods = JoinSet::new();
        senders.into_iter().for_each(|socket| drop(floods.spawn(flood(socket))));
        floods.join_all().await.into_iter().sum::<usize>()
    };
    let key = "app.max_client_events_per_second = 10";
    let refused = canary.beside("10 000 whispers of 10 members", key, floods).await;
    let seconds = begun.elapsed().as_secs_f64();
    let received = reader.receive_all().await;
    let relayed = received.iter().filter(|text| text.contains("client-typing")).count();
    println!("{relayed} relayed, {refused} refused with 4301 in {seconds:.1} s");
    let most = SENDERS as f64 * RATE as f64 * (seconds + 1.0) + 1.0;
    assert!((relayed as f64) <= most, "{relayed} relayed, at most {most:.0} may");
    assert!(relayed >= SENDERS * RATE, "each sender has its second's worth");
    assert_eq!(relayed + refused, SENDERS * EVENTS, "each is relayed or refused");
}

/// Sends pings until the close frame comes; its code.
async fn ping_until_closed(address: SocketAddr) -> (usize, Option<u16>) {
    let mut socket = TestSocket::greeted(address, APP).await;
    for _ in 0..200 {
        socket.send_text(r#"{"event":"pusher:ping","data":{}}"#).await;
    }
    let (texts, close) = within("the close frame", socket.receive_close()).await;
    let answered = texts.iter().filter(|text| text.contains("pusher:pong")).count();
    (answered, close.map(|close| close.code.into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_gets_its_attempts_and_is_closed() {
    const ATTEMPTS: usize = 60;
    // Long enough that no second window begins. The canary sends nothing but its subscription.
    let program = Program::start(&[
        ("RESOUND_APP_RATE_LIMITING_ENABLED", "true"),
        ("RESOUND_APP_RATE_LIMITING_DECAY_SECONDS", "600"),
        ("RESOUND_APP_RATE_LIMITING_TERMINATE_ON_LIMIT", "true"),
    ])
    .await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let floods = async move {
        let mut floods = JoinSet::new();
        (0..100).for_each(|_| drop(floods.spawn(ping_until_closed(address))));
        floods.join_all().await
    };
    let key = "app.rate_limiting.max_attempts = 60";
    for (answered, code) in canary.beside("100 floods of messages", key, floods).await {
        assert_eq!(answered, ATTEMPTS, "the attempts of one window, and no more");
        assert!(code.is_some(), "closed with a code");
    }
}
