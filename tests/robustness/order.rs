//! The order of a channel: one for all its subscribers, and the answer to a subscription first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use crate::bystander::Bystander;
use crate::harness::TestServer;
use crate::races::{SUCCEEDED, is_empty_but_for_bystander, unsubscribe};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_channel_has_one_order_for_all_its_subscribers() {
    const EVENTS: usize = 60;
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut readers = JoinSet::new();
    for number in 0..600 {
        let mut socket = server.connect().await;
        socket.subscribe("big").await;
        let small = number % 100 == 0;
        if small {
            socket.subscribe("small").await;
        }
        readers.spawn(async move {
            let mut next = [0, 0];
            while next != [EVENTS, if small { EVENTS } else { 0 }] {
                let received = socket.receive_json().await;
                let channel = usize::from(received["channel"] == "small");
                assert_eq!(
                    received["data"],
                    next[channel].to_string(),
                    "on {}",
                    received["channel"]
                );
                next[channel] += 1;
            }
            assert_eq!(socket.receive_all().await, [""; 0], "nothing twice");
        });
    }
    let mut backend = server.backend();
    for event in 0..EVENTS {
        let data = event.to_string();
        if event % 3 == 0 {
            let both = json!({ "name": "event", "channels": ["big", "small"], "data": data });
            assert_eq!(backend.post("/events", &both.to_string()).await.status, 200);
        } else {
            backend.trigger("big", "event", &data).await;
            backend.trigger("small", "event", &data).await;
        }
    }
    bystander.is_served().await;
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    is_empty_but_for_bystander(&mut backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_event_comes_before_the_answer_to_the_subscription() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut publishers = JoinSet::new();
    for channel in ["busy", "cache-busy"] {
        let (mut backend, over) = (server.backend(), over.clone());
        publishers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                backend.trigger(channel, "event", "{}").await;
            }
        });
    }
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let mut socket = server.connect().await;
        readers.spawn(async move {
            for channel in ["busy", "cache-busy"].into_iter().cycle().take(200) {
                // Checks that the next thing received is the answer.
                socket.subscribe(channel).await;
                assert_ne!(socket.receive_json().await["event"], SUCCEEDED);
                socket.send_text(&unsubscribe(channel)).await;
                socket.receive_all().await;
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
        bystander.is_served().await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(publisher) = publishers.join_next().await {
        publisher.unwrap();
    }
    is_empty_but_for_bystander(&mut server.backend()).await;
}
