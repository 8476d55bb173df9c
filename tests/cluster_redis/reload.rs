//! Nodes whose configuration changes while they run.

use crate::fixture::{assert_events_flow, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, TestCluster, TestServer, TestSocket, eventually, within};

/// A second app.
const SECOND: &str = "[[apps]]\nid = \"8\"\nkey = \"second\"\nsecret = \"s8\"\n";

impl TestCluster {
    /// Changes the configuration of one node.
    fn reload(&self, redis: &TestRedis, node: usize, toml: &str) {
        self.nodes[node].reload(&self.toml(&redis.url, toml));
    }
}

fn second(node: &TestServer) -> Backend {
    Backend::new(node.address, "8", "second", "s8")
}

async fn ready(node: &TestServer) -> String {
    node.backend().send("GET", "/ready", "").await.body
}

#[tokio::test]
async fn an_app_that_is_added_on_both_nodes_has_its_events_across() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = TestCluster::start(&redis, 2).await;
    let mut first = subscribers(&cluster, "orders").await;
    for node in 0..2 {
        cluster.reload(&redis, node, &format!("{REVERB_APP}{SECOND}"));
    }
    let mut sockets = Vec::new();
    for node in &cluster.nodes {
        let mut socket = TestSocket::greeted(node.address, "/app/second?protocol=7").await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    cluster.settle().await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        second(node).trigger("orders", &format!("event-{number}"), "{}").await;
        for socket in &mut sockets {
            let message = socket.receive().await;
            assert!(message.contains(&format!("event-{number}")), "{message}");
        }
    }
    // The first app noticed nothing, and gets none of these events.
    assert_events_flow(&cluster, &mut first, "orders").await;
    // Removed on one node: its sockets there are closed, the other node goes on.
    cluster.reload(&redis, 0, REVERB_APP);
    let (_, close) = sockets[0].receive_close().await;
    assert_eq!(close.map(|close| u16::from(close.code)), Some(4001));
    second(&cluster.nodes[1]).trigger("orders", "alone", "{}").await;
    assert!(sockets[1].receive().await.contains("alone"));
    // It comes back under its id, and finds the channel.
    cluster.reload(&redis, 0, &format!("{REVERB_APP}{SECOND}"));
    let mut again = TestSocket::greeted(cluster.nodes[0].address, "/app/second?protocol=7").await;
    again.subscribe("orders").await;
    cluster.settle().await;
    second(&cluster.nodes[1]).trigger("orders", "again", "{}").await;
    assert!(again.receive().await.contains("again"));
}

#[tokio::test]
async fn a_rotation_is_no_disagreement_and_a_node_left_behind_is() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = TestCluster::start(&redis, 2).await;
    let content = r#"{"ready":true,"cluster":"connected","nodes":2}"#;
    let with = |keys: &str| REVERB_APP.replace("secret = \"reverb-secret\"", keys);
    let both = with("secret = \"new\"\nprevious_secret = \"reverb-secret\"");
    cluster.reload(&redis, 0, &both);
    let mut new = Backend::new(cluster.nodes[0].address, "123456", "reverb-key", "new");
    new.trigger("orders", "a", "{}").await;
    cluster.nodes[0].backend().trigger("orders", "b", "{}").await;
    // Without the old secret this node accepts nothing that the other one does.
    cluster.reload(&redis, 0, &with("secret = \"new\""));
    eventually("both to name the difference", async || {
        let named = r#""disagreements":[{"about":"secret","app":"123456""#;
        ready(&cluster.nodes[0]).await.contains(named)
            && ready(&cluster.nodes[1]).await.contains(named)
    })
    .await;
    cluster.reload(&redis, 0, &both);
    eventually("both to agree again", async || {
        ready(&cluster.nodes[0]).await == content && ready(&cluster.nodes[1]).await == content
    })
    .await;
}

#[tokio::test]
async fn webhooks_that_are_added_report_a_channel_that_is_occupied_already() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let endpoint = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", endpoint.local_addr().unwrap());
    let cluster = TestCluster::start(&redis, 1).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    cluster.settle().await;
    let webhook = format!("[[apps.webhooks]]\nurl = \"{url}\"\nevents = [\"channel_vacated\"]\n");
    cluster.reload(&redis, 0, &format!("{REVERB_APP}{webhook}"));
    cluster.settle().await;
    sockets[0].send_text(r#"{"event":"pusher:unsubscribe","data":{"channel":"orders"}}"#).await;
    let (mut call, _) = within("the call of the webhook", endpoint.accept()).await.unwrap();
    let mut text = Vec::new();
    within("its body", async {
        while !String::from_utf8_lossy(&text).contains("channel_vacated") {
            let read = tokio::io::AsyncReadExt::read_buf(&mut call, &mut text).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        }
    })
    .await;
}
