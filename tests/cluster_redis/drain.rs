//! A node of several that stops: what it still does for the others, and what it does not wait for.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::wire::{Wire, handshake};
use crate::harness::{Program, TestCluster, TestServer, eventually, within};
use crate::relay::{Passage, Relay};

const READY: &str = "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n";

fn with_a_drain_of(seconds: u32) -> String {
    REVERB_APP.replace("port = 0", &format!("port = 0\ndrain_seconds = {seconds}"))
}

/// Stops the server; the drain has begun when this resolves.
async fn stop(node: &mut TestServer) {
    node.stop();
    eventually("the node not to be ready", async || {
        let mut wire = Wire::open(node.address).await;
        wire.send(READY).await;
        wire.reply().await.status == 503
    })
    .await;
}

#[tokio::test]
async fn a_publish_on_a_node_that_drains_reaches_the_others() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let mut cluster = TestCluster::with(&redis, 2, &with_a_drain_of(20)).await;
    let mut subscriber = cluster.nodes[1].connect().await;
    subscriber.subscribe("orders").await;
    cluster.settle().await;
    let mut draining = cluster.nodes.remove(0);
    // It does not answer its close frame, so the drain goes on for a second.
    let _silent = Wire::socket(draining.address).await;
    stop(&mut draining).await;
    let mut backend = draining.backend();
    backend.trigger("orders", "shipped", "last").await;
    assert_eq!(subscriber.receive_json().await["data"], "last");
    let answer = backend.get("/channels/orders", &[("info", "subscription_count")]).await;
    assert_eq!(answer.json()["subscription_count"], 1, "{answer:?}");
    draining.ended().await;
}

/// Redis answers nothing: neither a connection permit, nor a publish, nor the leave of the node.
#[tokio::test]
async fn a_redis_that_stands_still_does_not_decide_how_long_the_drain_lasts() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let app = format!("{}max_connections = 100\n", with_a_drain_of(20));
    let mut cluster = TestCluster::with(&redis, 2, &app).await;
    let draining = cluster.nodes.remove(0);
    redis.stop();
    let mut asking = Wire::open(draining.address).await;
    asking.send(handshake()).await;
    let mut backend = draining.backend();
    let event = r#"{"name":"e","channels":["orders"],"data":"{}"}"#;
    let publish = tokio::spawn(async move { backend.post("/events", event).await });
    let begin = Instant::now();
    let ended = tokio::spawn(draining.ended());
    assert_eq!(asking.reply().await.status, 101);
    assert_eq!(asking.farewell().await.code, Some(4100), "it is refused like a newcomer");
    drop(asking);
    ended.await.unwrap();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(18), "the drain took {took:?}");
    publish.abort();
    redis.go_on();
}

/// A node behind the relay, which waits long before it gives Redis up. It is stopped, within this time, while the answer of
/// Redis to a join is under way. And the endpoint of its webhooks.
async fn stops_with_a_join_under_way(
    relay: &Relay,
    passage: Passage,
    drain_seconds: u32,
) -> (TestServer, TcpListener) {
    let endpoint = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", endpoint.local_addr().unwrap());
    let patient = "cluster.lease_seconds = 60\ncluster.timeout_ms = 20000\n";
    let app = with_a_drain_of(drain_seconds);
    let app = format!("{patient}{app}[[apps.webhooks]]\nurl = \"{url}\"\n");
    let mut cluster = TestCluster::empty();
    cluster.join(&relay.url(), &app).await;
    let mut socket = cluster.nodes[0].connect().await;
    cluster.settle().await;
    let mut draining = cluster.nodes.remove(0);
    relay.set(passage);
    socket.send_text(r#"{"event":"pusher:subscribe","data":{"channel":"orders"}}"#).await;
    socket.send_text(r#"{"event":"pusher:ping","data":{}}"#).await;
    // The join is under way, and not decided.
    assert_eq!(socket.receive_json().await["event"], "pusher:pong");
    draining.stop();
    (draining, endpoint)
}

async fn occupation_is_reported_before_the_end(node: TestServer, endpoint: &TcpListener) {
    let ended = tokio::spawn(node.ended());
    let (mut call, _) = within("the call of the webhook", endpoint.accept()).await.unwrap();
    let mut text = Vec::new();
    within("its body", async {
        while !String::from_utf8_lossy(&text).contains("channel_occupied") {
            assert!(call.read_buf(&mut text).await.unwrap() > 0, "no such event");
        }
    })
    .await;
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    within("the end of the node", ended).await.unwrap();
}

/// What Redis answers to the last joins has webhook events. They were lost without a count: nothing was taken from the queue of
/// an app any more when they came, and other nodes took the members for reported.
#[tokio::test]
async fn a_join_whose_answer_comes_after_the_last_connection_is_reported() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let relay = Relay::before(redis.port).await;
    // Redis has the join at once, and its answer comes when the last connection has ended.
    let late = Passage::Delayed(Duration::from_millis(400));
    let (node, endpoint) = stops_with_a_join_under_way(&relay, late, 20).await;
    occupation_is_reported_before_the_end(node, &endpoint).await;
}

/// A node waits for a second until Redis confirms that it leaves, and longer for webhooks. Two and a half seconds are more than
/// both the end of the sockets and that second.
#[tokio::test]
async fn a_join_whose_answer_takes_longer_than_a_leave_is_reported_within_the_drain() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let relay = Relay::before(redis.port).await;
    let late = Passage::Delayed(Duration::from_millis(1_250));
    let (node, endpoint) = stops_with_a_join_under_way(&relay, late, 30).await;
    let metrics = node.metrics.clone();
    occupation_is_reported_before_the_end(node, &endpoint).await;
    assert_eq!(metrics.cluster.webhook_answers_lost.get(), 0);
}

/// The webhook events of an answer that never comes cannot be sent. That there may have been some is counted.
#[tokio::test]
async fn answers_that_do_not_come_before_the_end_are_counted() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let relay = Relay::before(redis.port).await;
    let (node, _endpoint) = stops_with_a_join_under_way(&relay, Passage::Held, 3).await;
    let metrics = node.metrics.clone();
    within("the end of the node", node.ended()).await;
    assert!(metrics.cluster.webhook_answers_lost.get() > 0);
}

/// A node that has not joined yet waits for Redis, and has accepted nothing.
#[tokio::test]
async fn a_node_that_is_stopped_while_it_joins_ends_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let mut program = Program::start(&[
        ("RESOUND_CLUSTER_ENABLED", "true"),
        ("RESOUND_CLUSTER_URL", &url),
        ("RESOUND_CLUSTER_LEASE_SECONDS", "120"),
        ("RESOUND_CLUSTER_TIMEOUT_MS", "60000"),
    ])
    .await;
    let _unanswered = silent.accept().await.unwrap();
    program.terminate();
    program.log_line("stopped").await;
    assert_eq!(program.exit_code().await, Some(0));
}
