//! Many at once on the same channels: nothing is lost, doubled or out of order, and nothing is
//! left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bystander::Bystander;
use crate::harness::{Backend, TestServer, TestSocket, eventually};

const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";

fn unsubscribe(channel: &str) -> String {
    json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } }).to_string()
}

fn subscribe(channel: &str) -> String {
    json!({ "event": "pusher:subscribe", "data": { "channel": channel } }).to_string()
}

/// Hears until an event of this name; what comes before is dropped.
async fn hear_event(socket: &mut TestSocket, event: &str) -> Value {
    loop {
        let heard = socket.hear_json().await;
        if heard["event"] == event {
            return heard;
        }
    }
}

/// Nobody is in any channel any more but the bystander.
async fn is_empty_but_for_bystander(backend: &mut Backend) {
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
                    socket.say(&subscribe(&channel)).await;
                    asked.push(channel.clone());
                    subscribed.insert(channel);
                } else {
                    socket.say(&unsubscribe(&channel)).await;
                    subscribed.remove(&channel);
                }
            }
            let heard = socket.hear_all().await;
            let heard = heard.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
            // Those who are through their storm already publish.
            let answers: Vec<Value> = heard
                .filter(|heard| !heard["event"].as_str().unwrap().starts_with("for-"))
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
            let heard: BTreeSet<String> = socket
                .hear_all()
                .await
                .iter()
                .filter_map(|text| {
                    let heard: Value = serde_json::from_str(text).unwrap();
                    (heard["event"] == own).then(|| heard["channel"].as_str().unwrap().to_owned())
                })
                .collect();
            assert_eq!(heard, subscribed);
        });
    }
    while let Some(storm) = storms.join_next().await {
        storm.unwrap();
        bystander.is_served().await;
    }
    is_empty_but_for_bystander(&mut server.backend()).await;
}

/// Two sockets hand a channel to each other: the join of one meets the last leave of the other.
/// Whoever was told that it is subscribed hears the next event.
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
                tokio::join!(here.say(&leave), gone.say(&join));
                hear_event(&mut gone, SUCCEEDED).await;
                let event = format!("event-{hand_over}");
                backend.trigger(&channel, &event, "{}").await;
                let heard = gone.hear_json().await;
                assert_eq!(heard["event"], event, "the first thing behind the answer");
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
                let heard = socket.hear_json().await;
                let channel = usize::from(heard["channel"] == "small");
                assert_eq!(heard["data"], next[channel].to_string(), "on {}", heard["channel"]);
                next[channel] += 1;
            }
            assert_eq!(socket.hear_all().await, [""; 0], "nothing twice");
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
                // Checks that the next thing heard is the answer.
                socket.subscribe(channel).await;
                assert_ne!(socket.hear_json().await["event"], SUCCEEDED);
                socket.say(&unsubscribe(channel)).await;
                socket.hear_all().await;
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

/// Who is present, as one tab was told.
#[derive(Default)]
struct Room {
    users: BTreeSet<String>,
    answers: usize,
}

impl Room {
    fn hear(&mut self, text: &str) {
        let heard: Value = serde_json::from_str(text).unwrap();
        let data: Value = serde_json::from_str(heard["data"].as_str().unwrap()).unwrap();
        let user = || data["user_id"].as_str().unwrap().to_owned();
        match heard["event"].as_str().unwrap() {
            SUCCEEDED => {
                let ids = data["presence"]["ids"].as_array().unwrap();
                self.users = ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
                assert_eq!(self.users.len(), data["presence"]["count"], "{text}");
                self.answers += 1;
            }
            "pusher_internal:member_added" => assert!(self.users.insert(user()), "twice: {text}"),
            "pusher_internal:member_removed" => {
                assert!(self.users.remove(&user()), "not there: {text}")
            }
            other => panic!("unexpected: {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rosters_add_up_whoever_joins_and_leaves() {
    const ROOM: &str = "presence-room";
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut observer = server.connect().await;
    let mut seen = Room::default();
    let joined = observer.subscribe_signed(ROOM, Some(r#"{"user_id":"observer"}"#)).await;
    seen.hear(&joined.to_string());
    let mut tabs = JoinSet::new();
    for tab in 0..9 {
        let mut socket = server.connect().await;
        tabs.spawn(async move {
            let mut random = StdRng::seed_from_u64(tab);
            let user = format!("user-{}", tab % 3);
            let member = json!({ "user_id": user, "user_info": { "tab": tab } }).to_string();
            let auth = socket.auth(ROOM, Some(&member));
            let data = json!({ "channel": ROOM, "auth": auth, "channel_data": member });
            let join = json!({ "event": "pusher:subscribe", "data": data }).to_string();
            let leave = unsubscribe(ROOM);
            let (mut room, mut inside, mut joins) = (Room::default(), false, 0);
            for _ in 0..150 {
                inside = random.random();
                joins += usize::from(inside);
                socket.say(if inside { &join } else { &leave }).await;
                // Now and then it looks what came of it, before others go on.
                if random.random_range(0..4) == 0 {
                    socket.hear_all().await.iter().for_each(|text| room.hear(text));
                    assert_eq!(room.answers, joins, "each is answered once");
                    assert!(!inside || room.users.contains(&user), "who is in sees itself");
                }
            }
            socket.hear_all().await.iter().for_each(|text| room.hear(text));
            assert_eq!(room.answers, joins);
            (socket, room, inside, user)
        });
    }
    let mut tabs_left = Vec::new();
    while let Some(tab) = tabs.join_next().await {
        tabs_left.push(tab.unwrap());
        bystander.is_served().await;
    }
    let inside = tabs_left.iter().filter(|(_, _, inside, _)| *inside);
    let mut expected: BTreeSet<String> = inside.map(|(.., user)| user.clone()).collect();
    expected.insert("observer".to_owned());
    for (socket, room, ..) in tabs_left.iter_mut().filter(|(_, _, inside, _)| *inside) {
        socket.hear_all().await.iter().for_each(|text| room.hear(text));
        assert_eq!(room.users, expected);
    }
    observer.hear_all().await.iter().for_each(|text| seen.hear(text));
    assert_eq!(seen.users, expected);
    let mut backend = server.backend();
    let users = backend.get(&format!("/channels/{ROOM}/users"), &[]).await.json();
    let users = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["id"].as_str().unwrap().to_owned());
    assert_eq!(users.collect::<BTreeSet<_>>(), expected);
    // All tabs at once, without a word: each user's last one is announced, once.
    drop(tabs_left);
    while seen.users.len() > 1 {
        seen.hear(&observer.hear().await);
    }
    assert_eq!(observer.hear_all().await, [""; 0]);
    drop(observer);
    is_empty_but_for_bystander(&mut backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_socket_of_a_thousand_channels_leaves_no_ghosts() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut backend = server.backend();
    for _ in 0..3 {
        let mut socket = server.connect().await;
        for number in 0..1000 {
            socket.say(&subscribe(&format!("ghost-{number}"))).await;
        }
        assert_eq!(socket.hear_all().await.len(), 1000);
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
