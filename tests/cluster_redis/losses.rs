//! Redis comes late, forgets, stands still or dies: nodes serve what they have and find each other
//! again, and nobody is said to have left who has not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestSocket};
use crate::stage::{answers, assert_events_flow, linked, members, subscribers};

/// Nodes that notice soon.
const HASTY: &str = "cluster.lease_seconds = 2\ncluster.timeout_ms = 300\n";

async fn hasty(redis: &TestRedis, nodes: usize, wire: &str) -> TestCluster {
    let toml = format!("{HASTY}cluster.transport = \"{wire}\"\n{REVERB_APP}");
    TestCluster::hasty(redis, nodes, &toml).await
}

/// Counts and members are those of all nodes.
async fn whole_again(cluster: &TestCluster) {
    let all = cluster.nodes.len();
    let ids: Vec<_> = (0..all).map(|id| json!({ "id": id.to_string() })).collect();
    for node in &cluster.nodes {
        let count = json!({ "occupied": true, "subscription_count": all });
        answers(node, "/channels/orders", &[("info", "subscription_count")], &count).await;
        let mut backend = node.backend();
        crate::harness::eventually("all members", async || {
            let users = backend.get("/channels/presence-room/users", &[]).await.json();
            let found = users["users"].as_array().unwrap();
            found.len() == all && ids.iter().all(|id| found.contains(id))
        })
        .await;
        let users = json!({ "occupied": true, "user_count": all });
        answers(node, "/channels/presence-room", &[("info", "user_count")], &users).await;
    }
    cluster.settle().await;
}

/// Events and members come and go on all nodes, and none has been told anything else meanwhile.
async fn assert_unharmed(
    cluster: &TestCluster,
    orders: &mut [TestSocket],
    mut room: Vec<TestSocket>,
) {
    for socket in orders.iter_mut().chain(&mut room) {
        assert_eq!(socket.hear_all().await, Vec::<String>::new());
    }
    assert_events_flow(cluster, orders, "orders").await;
    assert_events_flow(cluster, &mut room, "presence-room").await;
    drop(room.remove(0));
    for socket in &mut room {
        let left = socket.hear_json().await;
        assert_eq!(left["event"], "pusher_internal:member_removed");
        assert_eq!(left["data"], r#"{"user_id":"0"}"#);
    }
}

#[tokio::test]
async fn a_redis_that_comes_late_joins_them() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    redis.kill();
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join(&redis.url, REVERB_APP).await;
    }
    let mut orders = Vec::new();
    for node in &cluster.nodes {
        let mut socket = node.connect().await;
        socket.subscribe("orders").await;
        orders.push(socket);
    }
    cluster.nodes[0].backend().trigger("orders", "news", "early").await;
    assert_eq!(orders[0].hear_json().await["data"], "early");
    assert_eq!(orders[1].hear_all().await, Vec::<String>::new());
    let count = json!({ "occupied": true, "subscription_count": 1 });
    let parameters = [("info", "subscription_count")];
    answers(&cluster.nodes[1], "/channels/orders", &parameters, &count).await;

    redis.restart().await;
    linked(&cluster, true).await;
    let count = json!({ "occupied": true, "subscription_count": 2 });
    answers(&cluster.nodes[1], "/channels/orders", &parameters, &count).await;
    cluster.settle().await;
    // What was published without Redis waits for it, and is not said twice to who had it.
    assert_eq!(orders[0].hear_all().await, Vec::<String>::new());
    orders[1].hear_all().await;
    assert_events_flow(&cluster, &mut orders, "orders").await;
}

#[tokio::test]
async fn what_redis_forgets_is_told_again_within_the_lease() {
    if is_left_out() {
        return;
    }
    for wire in ["pubsub", "streams"] {
        let redis = TestRedis::start().await;
        let cluster = hasty(&redis, 3, wire).await;
        let mut orders = subscribers(&cluster, "orders").await;
        let room = members(&cluster, "presence-room").await;
        let _: String = redis.ask(&["FLUSHALL"]).await;
        let since = Instant::now();
        whole_again(&cluster).await;
        let took = since.elapsed();
        assert!(took < Duration::from_secs(2), "whole again after {took:?}, not within the lease");
        assert_unharmed(&cluster, &mut orders, room).await;
        assert!(cluster.nodes.iter().all(|n| n.metric("resound_cluster_links_lost_total") == 0.0));
    }
}

#[tokio::test]
async fn scripts_that_redis_forgets_are_loaded_again() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = hasty(&redis, 2, "pubsub").await;
    let mut orders = subscribers(&cluster, "orders").await;
    let room = members(&cluster, "presence-room").await;
    let _: String = redis.ask(&["SCRIPT", "FLUSH"]).await;
    lost_and_linked(&cluster).await;
    whole_again(&cluster).await;
    assert_unharmed(&cluster, &mut orders, room).await;
}

#[tokio::test]
async fn links_that_are_cut_are_made_again() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = hasty(&redis, 3, "pubsub").await;
    let mut orders = subscribers(&cluster, "orders").await;
    let room = members(&cluster, "presence-room").await;
    let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    lost_and_linked(&cluster).await;
    whole_again(&cluster).await;
    assert_unharmed(&cluster, &mut orders, room).await;
}

#[tokio::test]
async fn a_redis_that_stands_still_is_waited_for() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = hasty(&redis, 2, "pubsub").await;
    let mut orders = subscribers(&cluster, "orders").await;
    let room = members(&cluster, "presence-room").await;
    redis.stop();
    linked(&cluster, false).await;
    for (node, socket) in cluster.nodes.iter().zip(&mut orders) {
        let mut newcomer = node.connect().await;
        newcomer.subscribe("orders").await;
        node.backend().trigger("orders", "news", "alone").await;
        for socket in [socket, &mut newcomer] {
            assert_eq!(socket.hear_json().await["data"], "alone");
        }
    }
    redis.go_on();
    linked(&cluster, true).await;
    whole_again(&cluster).await;
    for socket in &mut orders {
        // Of the other node's event, which was kept meanwhile.
        socket.hear_all().await;
    }
    assert_unharmed(&cluster, &mut orders, room).await;
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_filled_again() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    dies_and_comes_back(&mut redis, "pubsub").await;
}

#[tokio::test]
async fn a_redis_that_comes_back_with_its_data_is_compared() {
    if is_left_out() {
        return;
    }
    for wire in ["pubsub", "streams"] {
        let mut redis = TestRedis::persistent().await;
        dies_and_comes_back(&mut redis, wire).await;
    }
}

async fn dies_and_comes_back(redis: &mut TestRedis, wire: &str) {
    let cluster = hasty(redis, 3, wire).await;
    let mut orders = subscribers(&cluster, "orders").await;
    let room = members(&cluster, "presence-room").await;
    redis.kill();
    linked(&cluster, false).await;
    redis.restart().await;
    linked(&cluster, true).await;
    whole_again(&cluster).await;
    assert_unharmed(&cluster, &mut orders, room).await;
}

/// Waits until every node has lost its link and has another one.
async fn lost_and_linked(cluster: &TestCluster) {
    crate::harness::eventually("every link to be lost", async || {
        cluster.nodes.iter().all(|node| node.metric("resound_cluster_links_lost_total") >= 1.0)
    })
    .await;
    linked(cluster, true).await;
}
