//! Several nodes: each receives what Laravel publishes, and delivers it to its own sockets.

use serde_json::json;

use crate::fixture::{PREFIX, assert_event, laravel_toml, message, publish};
use crate::harness::redis::is_left_out;
use crate::harness::{TestCluster, TestRedis};

async fn cluster(redis: &TestRedis) -> TestCluster {
    TestCluster::with(redis, 2, &laravel_toml(&redis.url, "")).await
}

#[tokio::test]
async fn an_event_reaches_each_socket_of_each_node_once_and_the_causing_one_never() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = cluster(&redis).await;
    let mut sockets = Vec::new();
    for node in [0, 0, 1, 1] {
        let mut socket = cluster.nodes[node].connect().await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    cluster.settle().await;
    for cause in 0..4 {
        let id = sockets[cause].id.clone();
        let text = message("moved", &json!({ "by": cause }), Some(&id));
        assert_eq!(publish(&redis, "orders", &text).await, 2, "one subscription a node");
        cluster.nodes[0].backend().trigger("orders", "http", "{}").await;
        for (at, socket) in sockets.iter_mut().enumerate() {
            if at != cause {
                // Two ways have no order between them.
                let mut both = [socket.receive().await, socket.receive().await];
                both.sort();
                assert!(both[0].contains("http"), "{both:?}");
                assert!(both[1].contains("moved"), "{both:?}");
            } else {
                assert!(socket.receive().await.contains("http"));
            }
        }
    }
    for socket in &mut sockets {
        assert_eq!(socket.receive_all().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_node_without_sockets_of_a_channel_does_not_receive_it() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = cluster(&redis).await;
    let mut socket = cluster.nodes[1].connect().await;
    socket.subscribe("orders").await;
    assert_eq!(publish(&redis, "orders", &message("new", &json!({ "n": 1 }), None)).await, 1);
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
    let topic = format!("{PREFIX}orders");
    let (_, count): (String, u32) = redis.ask(&["PUBSUB", "NUMSUB", &topic]).await;
    assert_eq!(count, 1);
    assert_eq!(cluster.nodes[0].metric("resound_redis_input_messages_total"), 0.0);
}

#[tokio::test]
async fn a_cached_event_of_laravel_is_found_on_every_node() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = cluster(&redis).await;
    let mut first = cluster.nodes[0].connect().await;
    first.subscribe("cache-prices").await;
    assert_eq!(first.receive_json().await["event"], "pusher:cache_miss");
    publish(&redis, "cache-prices", &message("price", &json!({ "n": 1 }), None)).await;
    assert_event(&mut first, "cache-prices", "price", r#"{"n":1}"#).await;
    cluster.settle().await;
    let mut other = cluster.nodes[1].connect().await;
    other.subscribe("cache-prices").await;
    assert_event(&mut other, "cache-prices", "price", r#"{"n":1}"#).await;
    let found =
        cluster.nodes[1].backend().get("/channels/cache-prices", &[("info", "cache")]).await;
    assert_eq!(found.json()["cache"]["data"], r#"{"n":1}"#);
}

#[tokio::test]
async fn rosters_of_a_cluster_are_the_same_with_an_input() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = cluster(&redis).await;
    let (mut ann, mut bob) = (cluster.nodes[0].connect().await, cluster.nodes[1].connect().await);
    ann.subscribe_signed("presence-room", Some(r#"{"user_id":"ann"}"#)).await;
    cluster.settle().await;
    let answer = bob.subscribe_signed("presence-room", Some(r#"{"user_id":"bob"}"#)).await;
    let roster = r#"{"presence":{"count":2,"ids":["ann","bob"],"hash":{"ann":null,"bob":null}}}"#;
    assert_eq!(answer["data"], roster);
    assert_eq!(ann.receive_json().await["event"], "pusher_internal:member_added");
    drop(bob);
    assert_eq!(ann.receive_json().await["event"], "pusher_internal:member_removed");
    publish(&redis, "presence-room", &message("news", &json!({ "n": 1 }), None)).await;
    assert_event(&mut ann, "presence-room", "news", r#"{"n":1}"#).await;
}
