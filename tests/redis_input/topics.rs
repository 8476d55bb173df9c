//! Which topics a node subscribes to, and when.

use serde_json::json;

use crate::fixture::{PREFIX, assert_event, laravel_server, laravel_toml, message, publish};
use crate::harness::redis::is_left_out;
use crate::harness::{TestRedis, TestServer, eventually, within};

async fn topics(redis: &TestRedis) -> Vec<String> {
    let mut all: Vec<String> = redis.ask(&["PUBSUB", "CHANNELS"]).await;
    all.sort();
    all
}

#[tokio::test]
async fn only_channels_with_sockets_of_this_node_are_subscribed_to() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    assert_eq!(topics(&redis).await, Vec::<String>::new());
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.subscribe("orders").await;
    two.subscribe("orders").await;
    two.subscribe_signed("presence-room", Some(r#"{"user_id":"1"}"#)).await;
    let both = [format!("{PREFIX}orders"), format!("{PREFIX}presence-room")];
    assert_eq!(topics(&redis).await, both);
    assert_eq!(redis.ask::<u32>(&["PUBSUB", "NUMPAT"]).await, 0);
    eventually("the gauge", async || {
        server.metric("resound_redis_input_topics{input=\"laravel\"}") == 2.0
    })
    .await;
    drop(two);
    eventually("the end of one topic", async || topics(&redis).await == both[..1]).await;
    one.send_text(r#"{"event":"pusher:unsubscribe","data":{"channel":"orders"}}"#).await;
    eventually("the end of both", async || topics(&redis).await.is_empty()).await;
    one.subscribe("orders").await;
    publish(&redis, "orders", &message("again", &json!({ "n": 1 }), None)).await;
    assert_event(&mut one, "orders", "again", r#"{"n":1}"#).await;
}

#[tokio::test]
async fn a_server_without_an_input_subscribes_to_nothing() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    assert_eq!(topics(&redis).await, Vec::<String>::new());
    assert_eq!(server.metric("resound_redis_input_links"), 0.0);
    assert_eq!(redis.ask::<u32>(&["PUBSUB", "NUMPAT"]).await, 0);
}

/// A Redis that stands still delays the first subscription of a channel, and no later one.
#[tokio::test]
async fn joins_wait_for_the_topic_in_order_and_keep_their_client_events() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let (mut ann, mut bob, mut gone) =
        (server.connect().await, server.connect().await, server.connect().await);
    ann.subscribe_signed("presence-old", Some(r#"{"user_id":"ann"}"#)).await;
    redis.stop();
    bob.subscribe_signed("presence-old", Some(r#"{"user_id":"bob"}"#)).await;
    assert_eq!(ann.receive_json().await["event"], "pusher_internal:member_added");
    let subscribe = |auth: String| {
        json!({ "event": "pusher:subscribe", "data": { "channel": "private-new", "auth": auth } })
            .to_string()
    };
    for socket in [&mut ann, &mut bob, &mut gone] {
        let text = subscribe(socket.auth("private-new", None));
        socket.send_text(&text).await;
        assert_eq!(socket.receive_all().await, Vec::<String>::new(), "not answered yet");
    }
    ann.send_text(r#"{"event":"client-hello","channel":"private-new","data":{"n":1}}"#).await;
    assert_eq!(ann.receive_all().await, Vec::<String>::new());
    drop(gone);
    let open = "resound_connections{app=\"123456\"}";
    eventually("the end of a socket", async || server.metric(open) == 2.0).await;
    redis.go_on();
    ann.receive_answer("private-new").await;
    bob.receive_answer("private-new").await;
    // Ann's event was published when she joined, before Bob did.
    assert_eq!(bob.receive_all().await, Vec::<String>::new());
    let counts =
        server.backend().get("/channels/private-new", &[("info", "subscription_count")]).await;
    assert_eq!(counts.body, r#"{"occupied":true,"subscription_count":2}"#);
    publish(&redis, "private-new", &message("new", &json!({ "n": 2 }), None)).await;
    assert_event(&mut ann, "private-new", "new", r#"{"n":2}"#).await;
    assert_event(&mut bob, "private-new", "new", r#"{"n":2}"#).await;
}

/// 2 000 sockets, each with a channel of its own, are one batch after the other, and none is forgotten.
#[tokio::test]
async fn many_channels_are_subscribed_to_at_once() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let toml = laravel_toml(&redis.url, "max_subscriptions = 3000");
    let server = TestServer::with(&toml).await;
    let mut socket = server.connect().await;
    for number in 0..2000 {
        let text =
            json!({ "event": "pusher:subscribe", "data": { "channel": format!("c{number}") } });
        socket.send_text(&text.to_string()).await;
    }
    for number in 0..2000 {
        socket.receive_answer(&format!("c{number}")).await;
    }
    assert_eq!(topics(&redis).await.len(), 2000);
    drop(socket);
    within("the end of all topics", async {
        eventually("none", async || topics(&redis).await.is_empty()).await;
    })
    .await;
}
