//! Many at once on the same channels: nothing is lost, doubled or out of order, and nothing is
//! left behind.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bystander::Bystander;
use crate::harness::{Backend, TestServer, TestSocket, eventually};

pub(crate) const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";

pub(crate) fn unsubscribe(channel: &str) -> String {
    json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } }).to_string()
}

pub(crate) fn subscribe(channel: &str) -> String {
    json!({ "event": "pusher:subscribe", "data": { "channel": channel } }).to_string()
}

/// Reads until an event of this name; what comes before is dropped.
async fn receive_event(socket: &mut TestSocket, event: &str) -> Value {
    loop {
        let received = socket.receive_json().await;
        if received["event"] == event {
            return received;
        }
    }
}

/// Nobody is in any channel any more but the bystander.
pub(crate) async fn is_empty_but_for_bystander(backend: &mut Backend) {
    eventually("only the bystander's channel", async || {
        let channels = backend.get("/channels", &[]).await.json();
        let channels = channels["channels"].as_object().unwrap();
        channels.len() == 1 && channels.keys().all(|name| name.starts_with("bystander-"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_subscription_of_a_storm_is_answered_once_and_in_order() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut storms = JoinSet::new();
    for seed in 0..8 {
        let (mut socket, mut backend) = (server.connect().await, server.backend());
        storms.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            let (mut asked, mut subscribed) = (Vec::new(), BTreeSet::new());
            for _ in 0..500 {
                let channel = format!("storm-{}", random.random_range(0..5));
                if random.random() {
                    socket.send_text(&subscribe(&channel)).await;
                    asked.push(channel.clone());
                    subscribed.insert(channel);
                } else {
                    socket.send_text(&unsubscribe(&channel)).await;
                    subscribed.remove(&channel);
                }
            }
            let received = socket.receive_all().await;
            let received = received.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
            // Those who are through their storm already publish.
            let answers: Vec<Value> = received
                .filter(|received| !received["event"].as_str().unwrap().starts_with("for-"))
                .collect();
            assert!(answers.iter().all(|answer| answer["event"] == SUCCEEDED), "{answers:?}");
            let answered: Vec<&str> =
                answers.iter().map(|answer| answer["channel"].as_str().unwrap()).collect();
            assert_eq!(answered, asked);
            // It is in the channels it should be in, and in no other.
            for channel in (0..5).map(|number| format!("storm-{number}")) {
                backend.trigger(&channel, &format!("for-{}", socket.id), "{}").await;
            }
            let own = format!("for-{}", socket.id);
            let received: BTreeSet<String> = socket
                .receive_all()
                .await
                .iter()
                .filter_map(|text| {
                    let received: Value = serde_json::from_str(text).unwrap();
                    (received["event"] == own)
                        .then(|| received["channel"].as_str().unwrap().to_owned())
                })
                .collect();
            assert_eq!(received, subscribed);
        });
    }
    while let Some(storm) = storms.join_next().await {
        storm.unwrap();
        bystander.is_served().await;
    }
    is_empty_but_for_bystander(&mut server.backend()).await;
}

/// Two sockets hand a channel to each other: the join of one meets the last leave of the other.
/// A socket whose subscription was answered receives the next event.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_join_that_meets_the_last_leave_is_a_subscription() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut pairs = JoinSet::new();
    for pair in 0..16 {
        let (mut here, mut gone) = (server.connect().await, server.connect().await);
        let mut backend = server.backend();
        pairs.spawn(async move {
            let channel = format!("handed-over-{pair}");
            here.subscribe(&channel).await;
            for hand_over in 0..200 {
                let (leave, join) = (unsubscribe(&channel), subscribe(&channel));
                tokio::join!(here.send_text(&leave), gone.send_text(&join));
                receive_event(&mut gone, SUCCEEDED).await;
                let event = format!("event-{hand_over}");
                backend.trigger(&channel, &event, "{}").await;
                let received = gone.receive_json().await;
                assert_eq!(received["event"], event, "the first thing behind the answer");
                std::mem::swap(&mut here, &mut gone);
            }
        });
    }
    while let Some(pair) = pairs.join_next().await {
        pair.unwrap();
        bystander.is_served().await;
    }
    is_empty_but_for_bystander(&mut server.backend()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_socket_of_a_thousand_channels_leaves_no_ghosts() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut backend = server.backend();
    for _ in 0..3 {
        let mut socket = server.connect().await;
        for number in 0..1000 {
            socket.send_text(&subscribe(&format!("ghost-{number}"))).await;
        }
        assert_eq!(socket.receive_all().await.len(), 1000);
        drop(socket);
        is_empty_but_for_bystander(&mut backend).await;
        let counts =
            backend.get("/channels/ghost-7", &[("info", "subscription_count")]).await.json();
        assert_eq!(
            (&counts["occupied"], &counts["subscription_count"]),
            (&json!(false), &json!(0))
        );
        assert_eq!(server.metric("resound_connections"), 1.0);
        bystander.is_served().await;
    }
}
