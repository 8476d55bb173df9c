//! What Laravel publishes, as text, and what subscribers get.

use serde_json::json;

use crate::fixture::{PREFIX, assert_event, laravel_server, laravel_toml, message, publish};
use crate::harness::redis::is_left_out;
use crate::harness::{TestRedis, TestServer, eventually};

/// Recorded of Laravel 12.67: topic, message, event and data.
const RECORDED: [(&str, &str, &str, &str); 3] = [
    (
        "hello",
        r#"{"event":"App\\Events\\OrderShipped","data":{"text":"one","\u00e4":"\u2603 \"q\" \\ <\/script>","pad":"","socket":null},"socket":null}"#,
        r"App\Events\OrderShipped",
        r#"{"text":"one","\u00e4":"\u2603 \"q\" \\ <\/script>","pad":""}"#,
    ),
    (
        "hello",
        r#"{"event":"Anon","data":{"text":"anon","n":1.5,"nul":null,"u":"\u00e9\/\u2603","socket":"123.456"},"socket":"123.456"}"#,
        "Anon",
        r#"{"text":"anon","n":1.5,"nul":null,"u":"\u00e9\/\u2603"}"#,
    ),
    ("hello", r#"{"event":"Empty","data":{"socket":null},"socket":null}"#, "Empty", "[]"),
];

#[tokio::test]
async fn recorded_events_reach_subscribers_byte_for_byte_as_over_http() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let mut socket = server.connect().await;
    socket.subscribe("hello").await;
    for (channel, text, event, data) in RECORDED {
        assert_eq!(publish(&redis, channel, text).await, 1);
        assert_event(&mut socket, channel, event, data).await;
        server.backend().trigger(channel, event, data).await;
        assert_event(&mut socket, channel, event, data).await;
    }
    assert_eq!(socket.receive_all().await, Vec::<String>::new(), "each once");
    assert_eq!(server.metric("resound_redis_input_messages_total{input=\"laravel\"}"), 3.0);
    assert_eq!(server.metric("resound_events_triggered_total"), 3.0, "those of the HTTP API");
}

#[tokio::test]
async fn the_socket_that_caused_an_event_is_left_out_and_a_malformed_one_leaves_none_out() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    let channel = "private-orders.1";
    one.subscribe_signed(channel, None).await;
    two.subscribe_signed(channel, None).await;
    let id = one.id.clone();
    publish(&redis, channel, &message("moved", &json!({ "n": 1 }), Some(&id))).await;
    publish(&redis, channel, &message("moved", &json!({ "n": 2 }), Some("undefined"))).await;
    assert_event(&mut two, channel, "moved", r#"{"n":1}"#).await;
    assert_event(&mut two, channel, "moved", r#"{"n":2}"#).await;
    assert_event(&mut one, channel, "moved", r#"{"n":2}"#).await;
}

/// The answer to the first subscription of a channel comes when Redis has confirmed the topic.
#[tokio::test]
async fn an_event_that_is_published_after_the_answer_arrives() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let mut socket = server.connect().await;
    for round in 0..100 {
        let channel = format!("orders.{round}");
        socket.subscribe(&channel).await;
        let text = message("new", &json!({ "round": round }), None);
        assert_eq!(publish(&redis, &channel, &text).await, 1, "{channel} is subscribed to");
        assert_event(&mut socket, &channel, "new", &format!("{{\"round\":{round}}}")).await;
    }
}

#[tokio::test]
async fn the_events_of_a_channel_arrive_in_order() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = server.connect().await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let mut pipeline = redis::pipe();
    for number in 0..2000 {
        let text = message("new", &json!({ "n": number }), None);
        pipeline.cmd("PUBLISH").arg(format!("{PREFIX}orders")).arg(text).ignore();
    }
    let () = pipeline.query_async(&mut redis.connection().await).await.unwrap();
    for socket in &mut sockets {
        for number in 0..2000 {
            assert_event(socket, "orders", "new", &format!("{{\"n\":{number}}}")).await;
        }
    }
}

#[tokio::test]
async fn what_may_not_reach_clients_is_counted_by_reason() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&laravel_toml(&redis.url, "max_event_data_bytes = 100")).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let secret = "private-encrypted-secret.1";
    socket.subscribe_signed(secret, None).await;
    let large = json!({ "text": "x".repeat(100) });
    for (channel, text, reason) in [
        (secret, message("plain", &json!({ "text": "plain" }), None), "encrypted"),
        ("orders", message("pusher:error", &json!({}), None), "event_name"),
        ("orders", message("pusher_internal:member_added", &json!({}), None), "event_name"),
        ("orders", message(&"x".repeat(201), &json!({}), None), "event_name"),
        ("orders", message("large", &large, None), "too_large"),
        ("orders", "not json".to_owned(), "malformed"),
        ("orders", "{}".to_owned(), "malformed"),
    ] {
        let refused = format!(
            "resound_redis_input_messages_refused_total{{input=\"laravel\",reason=\"{reason}\"}}"
        );
        let before = server.metric(&refused);
        assert_eq!(publish(&redis, channel, &text).await, 1);
        eventually(reason, async || server.metric(&refused) == before + 1.0).await;
    }
    assert_eq!(socket.receive_all().await, Vec::<String>::new());
    publish(&redis, "orders", &message("small", &json!({ "n": 1 }), None)).await;
    assert_event(&mut socket, "orders", "small", r#"{"n":1}"#).await;
}

#[tokio::test]
async fn a_cache_channel_keeps_the_last_event_that_laravel_published() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = laravel_server(&redis).await;
    let mut socket = server.connect().await;
    socket.subscribe("cache-prices").await;
    assert_eq!(socket.receive_json().await["event"], "pusher:cache_miss");
    publish(&redis, "cache-prices", &message("price", &json!({ "n": 1 }), None)).await;
    assert_event(&mut socket, "cache-prices", "price", r#"{"n":1}"#).await;
    let mut later = server.connect().await;
    later.subscribe("cache-prices").await;
    assert_event(&mut later, "cache-prices", "price", r#"{"n":1}"#).await;
}

#[tokio::test]
async fn a_roster_and_its_bound_are_the_same_with_an_input() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&laravel_toml(&redis.url, "max_presence_members = 1")).await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    let answer = ann.subscribe_signed("presence-room", Some(r#"{"user_id":"ann"}"#)).await;
    let roster = r#"{"presence":{"count":1,"ids":["ann"],"hash":{"ann":null}}}"#;
    assert_eq!(answer["data"], roster);
    let data = r#"{"user_id":"bob"}"#;
    let auth = bob.auth("presence-room", Some(data));
    let subscribe = json!({ "channel": "presence-room", "auth": auth, "channel_data": data });
    bob.send_text(&json!({ "event": "pusher:subscribe", "data": subscribe }).to_string()).await;
    assert_eq!(bob.receive_json().await["event"], "pusher:subscription_error");
    assert_eq!(bob.receive_json().await["event"], "pusher:error");
    drop(bob);
    publish(&redis, "presence-room", &message("news", &json!({ "n": 1 }), None)).await;
    assert_event(&mut ann, "presence-room", "news", r#"{"n":1}"#).await;
}

#[tokio::test]
async fn two_apps_have_an_input_each() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let url = &redis.url;
    let other = "[[apps]]\nid = \"2\"\nkey = \"other\"\nsecret = \"s\"\n";
    let inputs = format!(
        "[[laravel_redis]]\napp = 2\nprefix = \"\"\nurl = \"{url}\"\n[[laravel_redis]]\napp = \"123456\"\nprefix = \"shop_\"\nurl = \"{url}\"\n[[laravel_redis]]\napp = \"123456\"\nprefix = \"crm_\"\nurl = \"{url}\"\n"
    );
    let server =
        TestServer::with(&format!("{}{other}{inputs}", crate::harness::server::REVERB_APP)).await;
    let mut ours = server.connect().await;
    let mut theirs =
        crate::harness::TestSocket::greeted(server.address, "/app/other?protocol=7").await;
    ours.subscribe("orders").await;
    theirs.subscribe("orders").await;
    for topic in ["orders", "shop_orders", "crm_orders", "other_orders"] {
        let text = message("from", &json!({ "topic": topic }), None);
        let nodes = redis.publish(topic, text.as_bytes()).await;
        assert_eq!(nodes, u32::from(topic != "other_orders"), "{topic}");
        match topic {
            "orders" => assert_event(&mut theirs, "orders", "from", r#"{"topic":"orders"}"#).await,
            "other_orders" => {}
            _ => {
                let data = format!("{{\"topic\":\"{topic}\"}}");
                assert_event(&mut ours, "orders", "from", &data).await;
            }
        }
    }
    assert_eq!(ours.receive_all().await, Vec::<String>::new());
    assert_eq!(theirs.receive_all().await, Vec::<String>::new());
}

/// Each node of a Redis Cluster gets what is published on any; phpredis puts the prefix before the topic there too.
#[tokio::test]
async fn a_node_of_a_redis_cluster_is_an_input_too() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::with(&["--cluster-enabled", "yes"]).await;
    let server = laravel_server(&redis).await;
    redis.url = format!("redis://127.0.0.1:1,127.0.0.1:{}", redis.port);
    let by_list = laravel_server(&redis).await;
    redis.url = format!("redis://127.0.0.1:{}", redis.port);
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    publish(&redis, "orders", &message("new", &json!({ "n": 1 }), None)).await;
    assert_event(&mut socket, "orders", "new", r#"{"n":1}"#).await;
    let mut other = by_list.connect().await;
    other.subscribe("orders").await;
    publish(&redis, "orders", &message("new", &json!({ "n": 2 }), None)).await;
    assert_event(&mut other, "orders", "new", r#"{"n":2}"#).await;
}
