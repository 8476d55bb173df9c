//! Sockets on every node of a cluster, and the assertions that the nodes work together.

use serde_json::Value;

use crate::harness::{TestCluster, TestServer, TestSocket, eventually};

/// A subscriber of one public channel on every node.
pub(crate) async fn subscribers(cluster: &TestCluster, channel: &str) -> Vec<TestSocket> {
    let mut sockets = Vec::new();
    for node in &cluster.nodes {
        let mut socket = node.connect().await;
        socket.subscribe(channel).await;
        sockets.push(socket);
    }
    cluster.settle().await;
    sockets
}

/// A member of a presence channel on every node; their events of each other are read already.
pub(crate) async fn members(cluster: &TestCluster, channel: &str) -> Vec<TestSocket> {
    let mut sockets = Vec::new();
    for (at, node) in cluster.nodes.iter().enumerate() {
        let mut socket = node.connect().await;
        let data = format!(r#"{{"user_id":"{at}","user_info":{{}}}}"#);
        socket.subscribe_signed(channel, Some(&data)).await;
        sockets.push(socket);
    }
    cluster.settle().await;
    for socket in &mut sockets {
        socket.receive_all().await;
    }
    sockets
}

/// Asserts that an event of each node reaches all of these sockets once, as their next message.
pub(crate) async fn assert_events_flow(
    cluster: &TestCluster,
    sockets: &mut [TestSocket],
    channel: &str,
) {
    for (at, node) in cluster.nodes.iter().enumerate() {
        let data = format!("from node {at}");
        node.backend().trigger(channel, "news", &data).await;
        for socket in &mut *sockets {
            let received = socket.receive_json().await;
            assert_eq!(
                (received["event"].as_str(), received["data"].as_str()),
                (Some("news"), Some(&*data))
            );
        }
    }
}

/// Waits until all nodes are linked to Redis, or none is.
pub(crate) async fn linked(cluster: &TestCluster, is_so: bool) {
    let wanted = f64::from(u8::from(is_so));
    eventually(if is_so { "all links" } else { "no link" }, async || {
        cluster.nodes.iter().all(|node| node.metric("resound_cluster_connected") == wanted)
    })
    .await;
}

/// Waits until this path of the HTTP API has this answer.
pub(crate) async fn answers(
    node: &TestServer,
    path: &str,
    parameters: &[(&str, &str)],
    answer: &Value,
) {
    let mut backend = node.backend();
    let what = format!("{path} to be {answer}");
    eventually(&what, async || backend.get(path, parameters).await.json() == *answer).await;
}

/// One socket of each node in all of these presence channels, as the user of its node's number.
pub(crate) async fn in_channels(cluster: &TestCluster, names: &[String]) -> Vec<TestSocket> {
    let mut sockets = Vec::new();
    for (at, node) in cluster.nodes.iter().enumerate() {
        let mut socket = node.connect().await;
        for name in names {
            let data = format!(r#"{{"user_id":"{at}"}}"#);
            socket.subscribe_signed(name, Some(&data)).await;
        }
        sockets.push(socket);
    }
    sockets
}
