//! Answers that wait for Redis have a bound too: a socket that requests more than it takes is read no
//! further, and gets every answer once it reads.

use serde_json::json;

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::wire::{Wire, join};
use crate::harness::{TestCluster, TestSocket};

const ROOM: &str = "presence-room";

/// How often the client requests the roster: some 40 MB of answers, of which the kernel takes some.
const ASKED: usize = 600;

/// Members whose info makes a roster of some 60 KB.
async fn members(cluster: &TestCluster) -> Vec<TestSocket> {
    let mut members = Vec::new();
    for user in 0..7 {
        let mut member = cluster.nodes[0].connect().await;
        let data = json!({ "user_id": format!("{user}"), "user_info": "i".repeat(9000) });
        member.subscribe_signed(ROOM, Some(&data.to_string())).await;
        members.push(member);
    }
    members
}

#[tokio::test]
async fn a_socket_that_requests_without_reading_is_read_no_further() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::start(&redis, 2).await;
    let _members = members(&cluster).await;
    let server = &cluster.nodes[1];
    let mut wire = Wire::narrow_socket(server.address).await;
    wire.send(wire.join_as(ROOM, "asker").repeat(ASKED)).await;
    let (mut before, mut now) = (f64::NAN, 0.0);
    while now != before {
        for _ in 0..20 {
            cluster.settle().await;
        }
        (before, now) = (now, server.metric("resound_messages_received_total"));
    }
    assert!(now < ASKED as f64, "{now} messages were read");
    for _ in 0..ASKED {
        let answer = wire.text().await;
        assert!(
            answer.contains("subscription_succeeded") && answer.len() > 60_000,
            "{answer:.200}"
        );
    }
    assert_eq!(server.metric("resound_slow_readers_closed_total"), 0.0);
}

#[tokio::test]
async fn a_page_that_joins_many_channels_at_once_gets_every_answer() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::start(&redis, 1).await;
    let mut wire = Wire::socket(cluster.nodes[0].address).await;
    let channel = |number: usize| json!({ "channel": format!("cache-{number}") });
    let joins: Vec<u8> = (0..200).flat_map(|number| join(&channel(number))).collect();
    wire.send(joins).await;
    for number in 0..200 {
        let name = format!("\"cache-{number}\"");
        for event in ["subscription_succeeded", "cache_miss"] {
            let text = wire.text().await;
            assert!(text.contains(event) && text.contains(&name), "{text}");
        }
    }
}
