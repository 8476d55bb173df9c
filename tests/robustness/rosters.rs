//! Presence under load: the events of every observer add up to the roster, in any order of joins and leaves.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bystander::Bystander;
use crate::harness::TestServer;
use crate::races::{SUCCEEDED, is_empty_but_for_bystander, unsubscribe};

/// The members in the view of one tab.
#[derive(Default)]
struct Room {
    users: BTreeSet<String>,
    answers: usize,
}

impl Room {
    fn receive(&mut self, text: &str) {
        let received: Value = serde_json::from_str(text).unwrap();
        let data: Value = serde_json::from_str(received["data"].as_str().unwrap()).unwrap();
        let user = || data["user_id"].as_str().unwrap().to_owned();
        match received["event"].as_str().unwrap() {
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
    seen.receive(&joined.to_string());
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
                socket.send_text(if inside { &join } else { &leave }).await;
                // Now and then it looks what came of it, before others go on.
                if random.random_range(0..4) == 0 {
                    socket.receive_all().await.iter().for_each(|text| room.receive(text));
                    assert_eq!(room.answers, joins, "each is answered once");
                    assert!(!inside || room.users.contains(&user), "who is in sees itself");
                }
            }
            socket.receive_all().await.iter().for_each(|text| room.receive(text));
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
        socket.receive_all().await.iter().for_each(|text| room.receive(text));
        assert_eq!(room.users, expected);
    }
    observer.receive_all().await.iter().for_each(|text| seen.receive(text));
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
        seen.receive(&observer.receive().await);
    }
    assert_eq!(observer.receive_all().await, [""; 0]);
    drop(observer);
    is_empty_but_for_bystander(&mut backend).await;
}
