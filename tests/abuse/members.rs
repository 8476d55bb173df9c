//! Floods of members of a presence channel.

use std::net::SocketAddr;

use serde_json::json;
use tokio::task::JoinSet;

use crate::canary::Canary;
use crate::harness::{Backend, Program, eventually};
use crate::wire::{TEXT, Wire, frame};

const ROOM: &str = "presence-room";

fn leave() -> Vec<u8> {
    frame(TEXT, json!({ "event": "pusher:unsubscribe", "data": { "channel": ROOM } }).to_string())
}

async fn joins(address: SocketAddr, user: String) -> (Wire, bool) {
    let mut wire = Wire::socket(address).await;
    wire.send(wire.join_as(ROOM, &user)).await;
    loop {
        let answer = wire.text().await;
        if answer.contains("subscription_succeeded") {
            return (wire, true);
        }
        if answer.contains("subscription_error") {
            return (wire, false);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_channel_refuses_a_flood_of_members() {
    const MOST: usize = 100;
    let program = Program::start(&[("RESOUND_APP_MAX_PRESENCE_MEMBERS", "100")]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let flood = async move {
        let mut joining = JoinSet::new();
        for number in 0..500 {
            joining.spawn(joins(address, format!("user-{number}")));
        }
        joining.join_all().await
    };
    let key = "app.max_presence_members = 100";
    let members = canary.beside("500 members of a channel for 100", key, flood).await;
    assert_eq!(members.iter().filter(|(_, is_in)| *is_in).count(), MOST);
    let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
    let users = backend.get(&format!("/channels/{ROOM}/users"), &[]).await.json();
    assert_eq!(users["users"].as_array().unwrap().len(), MOST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_join_and_leave_without_end_are_no_burden_for_others() {
    const MEMBERS: usize = 30;
    const ROUNDS: usize = 100;
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut canary = Canary::at(address).await;
    let before = program.resident();
    let flood = async move {
        let mut members = JoinSet::new();
        for number in 0..MEMBERS {
            members.spawn(async move {
                let mut wire = Wire::socket(address).await;
                let user = format!("user-{number}");
                let turn = [wire.join_as(ROOM, &user), leave()].concat();
                let mut answers = 0;
                for _ in 0..ROUNDS {
                    wire.send(&turn).await;
                    // Each is answered; what it sees of the others in between is as it comes.
                    while !wire.text().await.contains("subscription_succeeded") {}
                    answers += 1;
                }
                answers
            });
        }
        members.join_all().await.into_iter().sum::<usize>()
    };
    let key = "websocket.outbox_bytes = 1048576";
    let answers = canary.beside("3 000 joins and leaves of 30 members", key, flood).await;
    assert_eq!(answers, MEMBERS * ROUNDS);
    let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");
    eventually("the channel to be empty", async || {
        backend.get("/channels", &[("filter_by_prefix", ROOM)]).await.body == r#"{"channels":{}}"#
    })
    .await;
    let grown = program.resident().saturating_sub(before);
    println!("after it {} KiB more resident", grown >> 10);
    assert!(grown < 48 << 20, "{grown} bytes");
}
