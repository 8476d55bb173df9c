//! Installations that share a Redis without being one cluster, and nodes of one cluster that are
//! configured differently.

use crate::fixture::{assert_events_flow, members, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestServer, eventually};

/// What `/ready` of a node has behind the number of nodes.
async fn ready(node: &TestServer) -> String {
    node.backend().send("GET", "/ready", "").await.body
}

/// A copied `.env` in which only `REDIS_DB` differs.
#[tokio::test]
async fn installations_with_another_database_are_apart() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let one = TestCluster::start(&redis, 1).await;
    let mut other = TestCluster::empty();
    other.prefix.clone_from(&one.prefix);
    other.join(&format!("{}/1", redis.url.trim_end_matches('/')), REVERB_APP).await;
    let mut ours = subscribers(&one, "orders").await;
    let mut theirs = subscribers(&other, "orders").await;
    let mut our_members = members(&one, "presence-room").await;
    let mut their_members = members(&other, "presence-room").await;
    for _ in 0..8 {
        other.nodes[0].backend().trigger("orders", "theirs", "{}").await;
        assert!(theirs[0].receive().await.contains("theirs"));
    }
    // None of theirs comes first, and none of ours is taken for one of theirs.
    for _ in 0..10 {
        assert_events_flow(&one, &mut ours, "orders").await;
    }
    for socket in ours.iter_mut().chain(&mut our_members).chain(&mut their_members) {
        assert_eq!(socket.receive_all().await, [""; 0]);
    }
    for node in one.nodes.iter().chain(&other.nodes) {
        assert_eq!(ready(node).await, r#"{"ready":true,"cluster":"connected","nodes":1}"#);
    }
}

#[tokio::test]
async fn nodes_that_are_configured_differently_name_it() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut cluster = TestCluster::start(&redis, 1).await;
    cluster.join(&redis.url, &REVERB_APP.replace("reverb-secret", "another-secret")).await;
    let both = async || {
        let mut texts = Vec::new();
        for node in &cluster.nodes {
            texts.push(ready(node).await);
        }
        texts
    };
    // The running node notices the new one, too.
    eventually("both to name it", async || {
        let named = r#""nodes":2,"disagreements":[{"about":"secret","app":"123456","nodes":["#;
        both().await.iter().all(|text| text.contains(named))
    })
    .await;
    for node in &cluster.nodes {
        assert_eq!(node.metric("resound_cluster_disagreements"), 1.0);
    }
    let gone = cluster.nodes.pop().unwrap();
    gone.ended().await;
    eventually("the one that is left to be content", async || {
        ready(&cluster.nodes[0]).await == r#"{"ready":true,"cluster":"connected","nodes":1}"#
    })
    .await;
}
