//! A Redis that starts late, loses its data, stops or dies: nodes serve what they have, find each other
//! again, and report no member as gone that is still connected.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::{answers, assert_events_flow, linked, members, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestSocket, eventually};

/// Nodes that notice a loss soon.
const HASTY: &str = "cluster.lease_seconds = 2\ncluster.timeout_ms = 300\n";

/// Nodes with a subscriber of `orders` and a member of `presence-room` each.
struct OccupiedCluster {
    cluster: TestCluster,
    orders: Vec<TestSocket>,
    room: Vec<TestSocket>,
}

impl OccupiedCluster {
    async fn start(redis: &TestRedis, nodes: usize, transport: &str) -> Self {
        Self::paced(redis, nodes, transport, HASTY).await
    }

    async fn paced(redis: &TestRedis, nodes: usize, transport: &str, pace: &str) -> Self {
        let toml = format!("{pace}cluster.transport = \"{transport}\"\n{REVERB_APP}");
        let cluster = TestCluster::hasty(redis, nodes, &toml).await;
        let orders = subscribers(&cluster, "orders").await;
        let room = members(&cluster, "presence-room").await;
        Self { cluster, orders, room }
    }

    /// Waits until every node has lost its link and has another one.
    async fn is_relinked(&self) {
        eventually("every link to be lost", async || {
            let lost = "resound_cluster_links_lost_total";
            self.cluster.nodes.iter().all(|node| node.metric(lost) >= 1.0)
        })
        .await;
        linked(&self.cluster, true).await;
    }

    /// Waits until counts and members are those of all nodes.
    async fn is_whole(&self) {
        let all = self.cluster.nodes.len();
        let ids: Vec<_> = (0..all).map(|id| json!({ "id": id.to_string() })).collect();
        for node in &self.cluster.nodes {
            let count = json!({ "occupied": true, "subscription_count": all });
            answers(node, "/channels/orders", &[("info", "subscription_count")], &count).await;
            let mut backend = node.backend();
            eventually("all members", async || {
                let users = backend.get("/channels/presence-room/users", &[]).await.json();
                let found = users["users"].as_array().unwrap();
                found.len() == all && ids.iter().all(|id| found.contains(id))
            })
            .await;
            let users = json!({ "occupied": true, "user_count": all });
            answers(node, "/channels/presence-room", &[("info", "user_count")], &users).await;
        }
        self.cluster.settle().await;
    }

    /// Asserts that no socket has received anything meanwhile, and that events and members reach all
    /// nodes.
    async fn assert_unharmed(&mut self) {
        for socket in self.orders.iter_mut().chain(&mut self.room) {
            assert_eq!(socket.receive_all().await, Vec::<String>::new());
        }
        assert_events_flow(&self.cluster, &mut self.orders, "orders").await;
        assert_events_flow(&self.cluster, &mut self.room, "presence-room").await;
        drop(self.room.remove(0));
        for socket in &mut self.room {
            let left = socket.receive_json().await;
            assert_eq!(left["event"], "pusher_internal:member_removed");
            assert_eq!(left["data"], r#"{"user_id":"0"}"#);
        }
    }
}

#[tokio::test]
async fn nodes_that_started_before_redis_become_one_cluster() {
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
    assert_eq!(orders[0].receive_json().await["data"], "early");
    assert_eq!(orders[1].receive_all().await, Vec::<String>::new());
    let count = json!({ "occupied": true, "subscription_count": 1 });
    let parameters = [("info", "subscription_count")];
    answers(&cluster.nodes[1], "/channels/orders", &parameters, &count).await;

    redis.restart().await;
    linked(&cluster, true).await;
    let count = json!({ "occupied": true, "subscription_count": 2 });
    answers(&cluster.nodes[1], "/channels/orders", &parameters, &count).await;
    cluster.settle().await;
    // An event published without Redis is queued for it, and is not delivered twice.
    assert_eq!(orders[0].receive_all().await, Vec::<String>::new());
    orders[1].receive_all().await;
    assert_events_flow(&cluster, &mut orders, "orders").await;
}

#[tokio::test]
async fn data_that_redis_loses_is_written_again_within_the_lease() {
    const LEASE_SECONDS: u64 = 8;
    if is_left_out() {
        return;
    }
    for transport in ["pubsub", "streams"] {
        let redis = TestRedis::start().await;
        let pace = format!("cluster.lease_seconds = {LEASE_SECONDS}\n");
        let mut occupied = OccupiedCluster::paced(&redis, 3, transport, &pace).await;
        let _: String = redis.ask(&["FLUSHALL"]).await;
        let since = Instant::now();
        occupied.is_whole().await;
        let took = since.elapsed();
        assert!(
            took < Duration::from_secs(LEASE_SECONDS),
            "whole again after {took:?}, not within the lease"
        );
        occupied.assert_unharmed().await;
        let nodes = &occupied.cluster.nodes;
        assert!(nodes.iter().all(|node| node.metric("resound_cluster_links_lost_total") == 0.0));
    }
}

#[tokio::test]
async fn scripts_that_redis_loses_are_loaded_again() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut occupied = OccupiedCluster::start(&redis, 2, "pubsub").await;
    let _: String = redis.ask(&["SCRIPT", "FLUSH"]).await;
    occupied.is_relinked().await;
    occupied.is_whole().await;
    occupied.assert_unharmed().await;
}

#[tokio::test]
async fn links_that_are_cut_are_made_again() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut occupied = OccupiedCluster::start(&redis, 3, "pubsub").await;
    let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    occupied.is_relinked().await;
    occupied.is_whole().await;
    occupied.assert_unharmed().await;
}

#[tokio::test]
async fn nodes_serve_their_sockets_while_redis_is_stopped() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut occupied = OccupiedCluster::start(&redis, 2, "pubsub").await;
    redis.stop();
    linked(&occupied.cluster, false).await;
    for (node, socket) in occupied.cluster.nodes.iter().zip(&mut occupied.orders) {
        let mut new_socket = node.connect().await;
        new_socket.subscribe("orders").await;
        node.backend().trigger("orders", "news", "alone").await;
        for socket in [socket, &mut new_socket] {
            assert_eq!(socket.receive_json().await["data"], "alone");
        }
    }
    redis.go_on();
    linked(&occupied.cluster, true).await;
    occupied.is_whole().await;
    for socket in &mut occupied.orders {
        // The event of the other node, which was queued meanwhile.
        socket.receive_all().await;
    }
    occupied.assert_unharmed().await;
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_filled_again() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    assert_unharmed_by_a_restart(&mut redis, "pubsub").await;
}

#[tokio::test]
async fn a_redis_that_comes_back_with_its_data_is_compared() {
    if is_left_out() {
        return;
    }
    for transport in ["pubsub", "streams"] {
        let mut redis = TestRedis::persistent().await;
        assert_unharmed_by_a_restart(&mut redis, transport).await;
    }
}

async fn assert_unharmed_by_a_restart(redis: &mut TestRedis, transport: &str) {
    let mut occupied = OccupiedCluster::start(redis, 3, transport).await;
    redis.kill();
    linked(&occupied.cluster, false).await;
    redis.restart().await;
    linked(&occupied.cluster, true).await;
    occupied.is_whole().await;
    occupied.assert_unharmed().await;
}
