//! Verdicts on two nodes: they are about the sockets of both, whichever node is asked.

use serde_json::{Value, json};

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestServer, TestSocket, eventually};

async fn cluster(redis: &TestRedis) -> TestCluster {
    let toml = format!("internal.listen = [\"127.0.0.1:0\"]\n{REVERB_APP}");
    TestCluster::with(redis, 2, &toml).await
}

/// The verdict of a node on an event.
async fn verdict(node: &TestServer, channel: &str, except: Option<&str>) -> Value {
    let mut body = json!({ "name": "news", "channels": [channel], "data": "{}" });
    if let Some(socket) = except {
        body["socket_id"] = socket.into();
    }
    node.backend().explained("/events", &body.to_string()).await.remove(0)
}

/// What a node has to say about a channel.
async fn explanation(node: &TestServer, channel: &str) -> Value {
    let target = format!("/internal/v1/apps/123456/explain?channel={channel}");
    node.internal(&target).await.json()
}

async fn subscribed(node: &TestServer, channel: &str) -> TestSocket {
    let mut socket = node.connect().await;
    socket.subscribe_signed(channel, None).await;
    socket
}

#[tokio::test]
async fn a_verdict_counts_the_sockets_of_all_nodes() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = cluster(&redis).await;
    let name = "private-organization.1.capacity";
    let (one, other) = (&cluster.nodes[0], &cluster.nodes[1]);
    let here = subscribed(one, name).await;
    let there = [subscribed(other, name).await, subscribed(other, name).await];
    let delivered = verdict(one, name, None).await;
    assert_eq!((&delivered["sockets"], &delivered["nodes"]), (&json!(3), &json!(2)));
    let sentence = delivered["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("delivered to 3 sockets on 2 nodes, no socket excluded"),
        "{sentence}"
    );
    let without = verdict(one, name, Some(&here.id)).await;
    assert_eq!((&without["sockets"], &without["excluded"]), (&json!(2), &json!(true)));
    let without = verdict(one, name, Some(&there[0].id)).await;
    assert_eq!((&without["sockets"], &without["excluded"]), (&json!(3), &Value::Null));
    drop(here);
    eventually("two sockets on one node", async || {
        let delivered = verdict(one, name, None).await;
        (&delivered["sockets"], &delivered["nodes"]) == (&json!(2), &json!(1))
    })
    .await;
    let missed = verdict(one, "organization.1.capacity", None).await;
    assert_eq!(missed["verdict"], "near_miss");
    assert_eq!(
        missed["sentence"],
        "0 on `organization.1.capacity`; 2 sockets on `private-organization.1.capacity`: publish on `PrivateChannel`"
    );
}

#[tokio::test]
async fn the_past_of_a_channel_is_that_of_all_nodes() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = cluster(&redis).await;
    let (one, other) = (&cluster.nodes[0], &cluster.nodes[1]);
    // Published at one node before a socket of the other subscribes.
    let missed = verdict(one, "orders", None).await;
    assert_eq!((&missed["verdict"], &missed["sockets"]), (&json!("no_subscriber"), &json!(0)));
    let mut socket = other.connect().await;
    socket.subscribe("orders").await;
    let explained = explanation(one, "orders").await;
    assert_eq!(explained["past"][0]["trigger"], missed["trigger"]);
    let sentence = explained["past"][0]["sentence"].as_str().unwrap();
    let start = "no socket received `news`: it was published ";
    let end = "before the first subscription to `orders`";
    assert!(sentence.starts_with(start) && sentence.ends_with(end), "{sentence}");
    // The last socket leaves the other node.
    socket.send_text(r#"{"event":"pusher:unsubscribe","data":{"channel":"orders"}}"#).await;
    socket.receive_all().await;
    cluster.settle().await;
    let left = verdict(one, "orders", None).await;
    assert_eq!(left["verdict"], "last_socket_left");
    let sentence = left["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("0 on `orders`; a socket, its last subscriber, left ")
            && sentence.ends_with(" before"),
        "{sentence}"
    );
}

/// Redis is away: the verdict says that other nodes are not reached, whatever they have.
#[tokio::test]
async fn without_redis_a_verdict_is_about_this_node() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let toml = format!("internal.listen = [\"127.0.0.1:0\"]\n{REVERB_APP}");
    let cluster = TestCluster::hasty(&redis, 2, &toml).await;
    let (one, other) = (&cluster.nodes[0], &cluster.nodes[1]);
    let (_here, _there) = (subscribed(one, "orders").await, subscribed(other, "orders").await);
    assert_eq!(verdict(one, "orders", None).await["sockets"], 2);
    redis.kill();
    let away = "resound_condition{condition=\"redis_away\"}";
    eventually("the condition", async || one.metric(away) == 1.0).await;
    let alone = verdict(one, "orders", None).await;
    let sentence = "Redis is away: delivered to 1 socket of this node only, no socket excluded; a page receives `news` with `.listen('.news')`, with the dot in front";
    assert_eq!(
        (&alone["verdict"], &alone["sentence"], &alone["sockets"], &alone["nodes"]),
        (&json!("delivered_on_this_node"), &json!(sentence), &json!(1), &json!(1))
    );
    let asked = explanation(one, "orders").await;
    assert_eq!(asked["now"]["verdict"], "delivered_on_this_node");
    redis.restart().await;
    eventually("both nodes", async || verdict(one, "orders", None).await["sockets"] == 2).await;
}
