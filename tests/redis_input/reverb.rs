//! Beside Reverb's servers: a program that publishes and receives on the scaling channel as they do.

use futures_util::StreamExt;
use redis::aio::PubSub;
use serde_json::{Value, json};

use crate::harness::redis::is_left_out;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestRedis, TestServer, eventually, within};

/// As Reverb 1.10 serialises its app.
const APPLICATION: &str = "O:26:\"Laravel\\Reverb\\Application\":11:{s:5:\"\0*\0id\";s:6:\"123456\";s:6:\"\0*\0key\";s:10:\"reverb-key\";s:9:\"\0*\0secret\";s:13:\"reverb-secret\";s:15:\"\0*\0pingInterval\";i:60;s:18:\"\0*\0activityTimeout\";i:30;s:17:\"\0*\0allowedOrigins\";a:1:{i:0;s:1:\"*\";}s:17:\"\0*\0maxMessageSize\";i:10000;s:17:\"\0*\0maxConnections\";N;s:25:\"\0*\0acceptClientEventsFrom\";s:7:\"members\";s:15:\"\0*\0rateLimiting\";N;s:10:\"\0*\0options\";a:0:{}}";

fn toml(redis: &TestRedis) -> String {
    format!("beside_reverb.url = \"{}\"\n{REVERB_APP}", redis.url)
}

/// The message of an event without an excluded socket.
pub(crate) fn event_of_reverb(payload: &Value) -> Value {
    json!({ "type": "message", "application": APPLICATION, "payload": payload })
}

/// A server of Reverb: what it receives, and what it publishes.
struct Reverb<'a> {
    redis: &'a TestRedis,
    received: PubSub,
}

impl<'a> Reverb<'a> {
    async fn start(redis: &'a TestRedis) -> Self {
        let client = redis::Client::open(&*redis.url).unwrap();
        let mut received = client.get_async_pubsub().await.unwrap();
        received.subscribe("reverb").await.unwrap();
        Self { redis, received }
    }

    async fn publish(&self, message: &Value) -> u32 {
        self.redis.publish("reverb", message.to_string().as_bytes()).await
    }

    async fn event(&self, payload: Value, socket_id: Option<&str>) {
        let mut message = event_of_reverb(&payload);
        if let Some(socket_id) = socket_id {
            message["socket_id"] = socket_id.into();
        }
        self.publish(&message).await;
    }

    /// The next message that it did not publish itself.
    async fn receive(&mut self) -> Value {
        loop {
            let message = within("a message", self.received.on_message().next()).await.unwrap();
            let message: Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
            if message.get("resound").is_some() {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn events_of_reverb_reach_the_sockets_of_this_node_once() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&toml(&redis)).await;
    let reverb = Reverb::start(&redis).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.subscribe("orders").await;
    two.subscribe("orders").await;
    let payload =
        json!({ "event": "App\\Events\\New", "channels": ["orders", "none"], "data": "{\"n\":1}" });
    let id = one.id.clone();
    reverb.event(payload.clone(), Some(&id)).await;
    reverb.event(payload, None).await;
    let frame = r#"{"event":"App\\Events\\New","data":"{\"n\":1}","channel":"orders"}"#;
    assert_eq!(two.receive().await, frame);
    assert_eq!(two.receive().await, frame);
    assert_eq!(one.receive().await, frame);
    assert_eq!(one.receive_all().await, Vec::<String>::new());
    assert_eq!(two.receive_all().await, Vec::<String>::new());
    let whisper = json!({ "event": "client-typing", "channel": "orders", "data": { "a": 1 }, "user_id": "7" });
    reverb.event(whisper, None).await;
    let expected =
        r#"{"event":"client-typing","data":"{\"a\":1}","channel":"orders","user_id":"7"}"#;
    assert_eq!(two.receive().await, expected);
}

#[tokio::test]
async fn what_is_published_here_reaches_reverb_and_does_not_come_back() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&toml(&redis)).await;
    let mut reverb = Reverb::start(&redis).await;
    let mut socket = server.connect().await;
    let mut other = server.connect().await;
    for socket in [&mut socket, &mut other] {
        socket.subscribe_signed("presence-room", Some(r#"{"user_id":"7"}"#)).await;
    }
    server.backend().trigger_except("presence-room", "news", "{\"n\":1}", Some("1.2")).await;
    let message = reverb.receive().await;
    assert_eq!(message["type"], "message");
    assert_eq!(
        message["payload"],
        json!({ "event": "news", "channel": "presence-room", "data": "{\"n\":1}" })
    );
    assert_eq!(message["socket_id"], "1.2");
    let application = message["application"].as_str().unwrap();
    assert!(
        application.starts_with(
            "O:26:\"Laravel\\Reverb\\Application\":7:{s:5:\"\0*\0id\";s:6:\"123456\";"
        )
    );
    assert!(!application.contains("reverb-secret"), "no secret in Redis");
    socket
        .send_text(r#"{"event":"client-typing","channel":"presence-room","data":{"a":[1]}}"#)
        .await;
    let message = reverb.receive().await;
    let whisper = json!({ "event": "client-typing", "channel": "presence-room", "data": { "a": [1] }, "user_id": "7" });
    assert_eq!((&message["payload"], &message["socket_id"]), (&whisper, &json!(socket.id)));
    // Redis may have the whisper before a shard has delivered it.
    let received = [other.receive().await, other.receive().await];
    assert!(
        received[0].contains("\"news\"") && received[1].contains("client-typing"),
        "{received:?}"
    );
    assert_eq!(other.receive_all().await, Vec::<String>::new(), "each once");
    server.backend().post("/users/9/terminate_connections", "{}").await;
    let message = reverb.receive().await;
    assert_eq!(
        (&message["type"], &message["payload"]),
        (&json!("terminate"), &json!({ "user_id": "9" }))
    );
    // Its own messages have come back by now.
    let messages = "resound_redis_input_messages_total{input=\"reverb\"}";
    eventually("three messages", async || server.metric(messages) == 3.0).await;
    assert_eq!(other.receive_all().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_user_that_reverb_terminates_is_closed_here() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&toml(&redis)).await;
    let reverb = Reverb::start(&redis).await;
    let mut socket = server.connect().await;
    socket.sign_in(r#"{"id":"7"}"#).await;
    let message =
        json!({ "type": "terminate", "application": APPLICATION, "payload": { "user_id": "7" } });
    reverb.publish(&message).await;
    let (_, close) = socket.receive_close().await;
    assert_eq!(u16::from(close.unwrap().code), 4009);
}

/// A server that asks waits ten seconds for a subscriber that does not answer.
#[tokio::test]
async fn look_ups_of_every_version_of_reverb_are_answered() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&toml(&redis)).await;
    let mut reverb = Reverb::start(&redis).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    socket.subscribe_signed("presence-room", Some(r#"{"user_id":"7"}"#)).await;
    let early = |kind: &str, options: Value| {
        let payload = json!({ "type": kind, "options": options });
        json!({ "type": "metrics", "key": "k1", "application": APPLICATION, "payload": payload })
    };
    let text = |text: &str| format!("s:{}:\"{text}\";", text.len());
    let metric = |case: &str, options: &str| {
        let case = format!("Laravel\\Reverb\\Protocols\\Pusher\\MetricType:{case}");
        let class = "Laravel\\Reverb\\Protocols\\Pusher\\PendingMetric";
        let payload = format!(
            "O:{}:\"{class}\":6:{{{}{}{}{APPLICATION}{}E:{}:\"{case}\";{}{options}{}N;{}a:0:{{}}}}",
            class.len(),
            text("\0*\0key"),
            text("k2"),
            text("\0*\0application"),
            text("\0*\0type"),
            case.len(),
            text("\0*\0options"),
            text("\0*\0subscribers"),
            text("\0*\0data"),
        );
        json!({ "type": "metrics", "payload": payload })
    };
    let info =
        "a:2:{s:7:\"channel\";s:6:\"orders\";s:4:\"info\";s:27:\"occupied,subscription_count\";}";
    for (request, found) in [
        (early("connections", json!([])), json!([0])),
        (
            early("channels", json!({ "filter": "presence-", "info": "user_count" })),
            json!({ "presence-room": { "user_count": 1 } }),
        ),
        (early("channel_users", json!({ "channel": "presence-room" })), json!([{ "id": "7" }])),
        (early("other", json!([])), json!([])),
        (metric("CONNECTIONS", "a:0:{}"), json!([0])),
        (metric("CHANNEL", info), json!({ "occupied": true, "subscription_count": 1 })),
        (
            metric("CHANNELS", "a:1:{s:8:\"channels\";a:1:{i:0;s:6:\"orders\";}}"),
            json!({ "orders": {} }),
        ),
        (metric("CHANNEL_USERS", "a:1:{s:7:\"channel\";s:4:\"none\";}"), json!([])),
    ] {
        assert_eq!(reverb.publish(&request).await, 2);
        let answer = reverb.receive().await;
        assert_eq!(answer["payload"], found, "{request}");
        match request.get("key") {
            Some(key) => {
                assert_eq!((&answer["type"], &answer["key"]), (&json!("metrics-retrieved"), key));
                assert_eq!(answer["application"], APPLICATION);
            }
            None => assert_eq!(answer["type"], "k2"),
        }
    }
}

#[tokio::test]
async fn what_is_no_message_of_reverb_is_dropped_and_counted() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let server = TestServer::with(&toml(&redis)).await;
    let mut socket = server.connect().await;
    socket.subscribe("orders").await;
    let other_app = APPLICATION.replace("123456", "999999");
    let payload = json!({ "event": "e", "channel": "orders", "data": "{}" });
    let deep = format!("{}{}", "a:1:{i:0;".repeat(100_000), "}".repeat(100_000));
    let event = |application: &str, payload: &Value| {
        json!({ "type": "message", "application": application, "payload": payload }).to_string()
    };
    for (text, reason) in [
        ("not json".to_owned(), "malformed"),
        ("[]".to_owned(), "malformed"),
        (json!({ "type": "message", "payload": payload }).to_string(), "malformed"),
        (event("O:1:\"A\":0:{}", &payload), "malformed"),
        (event(&deep, &payload), "malformed"),
        (event(APPLICATION, &json!({ "channel": "orders" })), "malformed"),
        (event(&other_app, &payload), "unknown_app"),
        (
            event(
                APPLICATION,
                &json!({ "event": "pusher:error", "channel": "orders", "data": "{}" }),
            ),
            "event",
        ),
        (event(APPLICATION, &json!({ "event": "e", "channel": "a b", "data": "{}" })), "event"),
    ] {
        let refused = format!(
            "resound_redis_input_messages_refused_total{{input=\"reverb\",reason=\"{reason}\"}}"
        );
        let before = server.metric(&refused);
        redis.publish("reverb", text.as_bytes()).await;
        eventually(&text[..text.len().min(80)], async || server.metric(&refused) == before + 1.0)
            .await;
    }
    assert_eq!(socket.receive_all().await, Vec::<String>::new());
}

#[tokio::test]
async fn nodes_of_a_cluster_and_reverb_have_each_event_once() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = TestCluster::with(&redis, 2, &toml(&redis)).await;
    let mut reverb = Reverb::start(&redis).await;
    let mut sockets = Vec::new();
    for node in &cluster.nodes {
        let mut socket = node.connect().await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    cluster.settle().await;
    cluster.nodes[0].backend().trigger("orders", "here", "{}").await;
    assert_eq!(reverb.receive().await["payload"]["event"], "here");
    reverb.event(json!({ "event": "there", "channels": ["orders"], "data": "{}" }), None).await;
    for (socket, node) in sockets.iter_mut().zip(&cluster.nodes) {
        assert!(socket.receive().await.contains("here"));
        assert!(socket.receive().await.contains("there"));
        let messages = "resound_redis_input_messages_total{input=\"reverb\"}";
        eventually("both messages", async || node.metric(messages) == 2.0).await;
        assert_eq!(socket.receive_all().await, Vec::<String>::new());
    }
}
