//! The topics on Redis: their subscribers, their lifetime and their size.

use futures_util::StreamExt;

use crate::fixture::{assert_events_flow, members, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, within};

#[tokio::test]
async fn two_clusters_on_one_redis_receive_no_event_of_each_other() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let one = TestCluster::start(&redis, 2).await;
    let mut other = TestCluster::empty();
    // The longer prefix begins with the shorter one.
    other.prefix = format!("{}:b", one.prefix);
    for _ in 0..2 {
        other.join(&redis.url, REVERB_APP).await;
    }
    let mut ours = subscribers(&one, "orders").await;
    let mut theirs = subscribers(&other, "orders").await;
    let _members = members(&one, "presence-room").await;
    assert_events_flow(&one, &mut ours, "orders").await;
    other.settle().await;
    for socket in &mut theirs {
        assert_eq!(socket.receive_all().await, Vec::<String>::new());
    }
    let mut backend = other.nodes[0].backend();
    assert_eq!(backend.get("/connections", &[]).await.body, r#"{"connections":2}"#);
    assert_eq!(backend.get("/channels", &[]).await.body, r#"{"channels":{"orders":{}}}"#);
    let alive = other.nodes[0].metric("resound_cluster_nodes");
    assert!(alive <= 2.0, "{alive} nodes");
    backend.post("/users/0/terminate_connections", "{}").await;
    one.settle().await;
    let mut backend = one.nodes[0].backend();
    assert_eq!(backend.get("/connections", &[]).await.body, r#"{"connections":4}"#);
}

/// A topic is received by the nodes that have sockets there, and some seconds longer.
#[tokio::test]
async fn a_node_receives_only_the_channels_it_serves() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = TestCluster::start(&redis, 3).await;
    let pattern = format!("{}*", cluster.prefix);
    let all: Vec<String> = redis.ask(&["PUBSUB", "CHANNELS", &pattern]).await;
    assert_eq!(all.len(), 4, "a topic for each node and one for all: {all:?}");
    let topic = format!("{}{{123456:orders}}", cluster.prefix);
    let hearing = async || {
        let (_, count): (String, u32) = redis.ask(&["PUBSUB", "NUMSUB", &topic]).await;
        count
    };
    assert_eq!(hearing().await, 0);
    let mut sockets = Vec::new();
    for (at, node) in cluster.nodes.iter().take(2).enumerate() {
        let mut socket = node.connect().await;
        socket.subscribe("orders").await;
        sockets.push(socket);
        assert_eq!(hearing().await, at as u32 + 1);
    }
    let client = redis::Client::open(&*redis.url).unwrap();
    let monitor = client.get_async_monitor().await.unwrap();
    let mut commands = monitor.into_on_message::<String>();
    drop(sockets);
    for _ in 0..2 {
        let unsubscribed = async {
            while !commands.next().await.expect("Redis goes on").contains("\"UNSUBSCRIBE\"") {}
        };
        within("nobody to listen any more", unsubscribed).await;
    }
    assert_eq!(hearing().await, 0);
}

/// What travels is the client's message and a short head, stored or not.
#[tokio::test]
async fn an_event_costs_its_message_and_a_hundred_bytes_at_most() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    for wire in ["pubsub", "streams"] {
        let toml = format!("cluster.transport = \"{wire}\"\n{REVERB_APP}");
        let cluster = TestCluster::with(&redis, 2, &toml).await;
        for channel in ["orders", "cache-orders"] {
            let mut socket = cluster.nodes[0].connect().await;
            socket.subscribe(channel).await;
            socket.receive_all().await;
            let topic = format!("{}{{123456:{channel}}}", cluster.prefix);
            let client = redis::Client::open(&*redis.url).unwrap();
            let mut topics = client.get_async_pubsub().await.unwrap();
            topics.subscribe(&*topic).await.unwrap();
            for data in ["", "x", &"ä\"\\".repeat(1000)] {
                cluster.nodes[1].backend().trigger(channel, "news", data).await;
                let text = socket.receive().await;
                let message = within("the message", topics.on_message().next()).await.unwrap();
                let message = message.get_payload_bytes();
                assert!(message.ends_with(text.as_bytes()));
                let extra = message.len() - text.len();
                assert!(extra <= 100, "{extra} bytes more than the client gets");
            }
        }
    }
}
