//! Many channels after the link to Redis was cut: each is subscribed again once, and what arrives meanwhile.

use crate::fixture::linked;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, eventually};

/// Several times what is sent at once; the unit tests of the queue play ten thousand.
const CHANNELS: usize = 2_000;
const CHANNELS_OF_A_SOCKET: usize = 1_000;

/// Calls of a command since the figures were reset.
async fn calls(redis: &TestRedis, command: &str) -> u64 {
    let stats: String = redis.ask(&["INFO", "commandstats"]).await;
    let name = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&*name)).unwrap_or("0");
    line.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn channels_are_subscribed_again_while_events_go_on() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = TestCluster::hasty(&redis, 1, REVERB_APP).await;
    let node = &cluster.nodes[0];
    let mut sockets = Vec::new();
    for _ in 0..CHANNELS / CHANNELS_OF_A_SOCKET {
        let mut socket = node.connect().await;
        let first = sockets.len() * CHANNELS_OF_A_SOCKET;
        for number in first..first + CHANNELS_OF_A_SOCKET {
            let text =
                format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"orders.{number}"}}}}"#);
            socket.send_text(&text).await;
            if number % 500 == 499 {
                cluster.settle().await;
                socket.receive_all().await;
            }
        }
        sockets.push(socket);
    }
    let topics = async || -> usize {
        let topics: Vec<String> = redis.ask(&["PUBSUB", "CHANNELS", "*orders*"]).await;
        topics.len()
    };
    eventually("all topics", async || topics().await == CHANNELS).await;
    cluster.settle().await;
    sockets[0].receive_all().await;
    let lost = "resound_cluster_links_lost_total";
    let _: () = redis.ask(&["CONFIG", "RESETSTAT"]).await;
    let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    eventually("the link to be lost", async || node.metric(lost) == 1.0).await;
    linked(&cluster, true).await;
    // An event does not wait for the channels: it is in the next batch.
    node.backend().trigger("orders.0", "news", "meanwhile").await;
    let received = sockets[0].receive_json().await;
    assert_eq!(received["data"], "meanwhile", "{received}");
    eventually("all topics again", async || topics().await == CHANNELS).await;
    cluster.settle().await;
    // And the topics of the node and of all nodes.
    assert_eq!(calls(&redis, "subscribe").await, CHANNELS as u64 + 2);
}
