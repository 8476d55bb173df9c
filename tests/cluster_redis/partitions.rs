//! Channels that are spread over several partitions: on one Redis, and on a Redis Cluster.

use serde_json::json;

use crate::fixture::{answers, assert_events_flow, in_channels, linked, members, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Program, TestCluster, TestRedisCluster, TestSocket, eventually};

const COUNT: usize = 4;

/// Enough that each partition has some.
const CHANNELS: usize = 24;

fn toml() -> String {
    format!("cluster.partitions = {COUNT}\n{REVERB_APP}max_connections = 30\n")
}

fn names() -> Vec<String> {
    (0..CHANNELS).map(|number| format!("presence-{number:02}")).collect()
}

/// Everything that a cluster promises, with channels of all partitions.
async fn assert_works(url: &str) -> TestCluster {
    let cluster = TestCluster::at(url, 2, &toml()).await;
    linked(&cluster, true).await;
    for name in names() {
        let mut sockets = members(&cluster, &name).await;
        assert_events_flow(&cluster, &mut sockets, &name).await;
        let count = json!({ "occupied": true, "user_count": 2 });
        let path = format!("/channels/{name}");
        answers(&cluster.nodes[1], &path, &[("info", "user_count")], &count).await;
    }
    cluster
}

/// One socket of each node in all channels.
async fn in_all(cluster: &TestCluster) -> Vec<TestSocket> {
    let sockets = in_channels(cluster, &names()).await;
    cluster.settle().await;
    sockets
}

#[tokio::test]
async fn channels_of_all_partitions_are_one_app() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = assert_works(&redis.url).await;
    let sockets = in_all(&cluster).await;
    let all: serde_json::Map<_, _> = names().into_iter().map(|name| (name, json!({}))).collect();
    let prefix = [("filter_by_prefix", "presence-")];
    answers(&cluster.nodes[0], "/channels", &prefix, &json!({ "channels": all })).await;
    answers(&cluster.nodes[1], "/connections", &[], &json!({ "connections": 2 })).await;
    drop(sockets);
    // What belongs to a user is where the app is.
    let mut watcher = cluster.nodes[0].connect().await;
    watcher.sign_in(r#"{"id":"7","watchlist":["8"]}"#).await;
    cluster.settle().await;
    watcher.receive_all().await;
    let mut friend = cluster.nodes[1].connect().await;
    friend.sign_in(r#"{"id":"8"}"#).await;
    assert!(watcher.receive().await.contains(r#"\"online\",\"user_ids\":[\"8\"]"#));
    let mut backend = cluster.nodes[0].backend();
    assert_eq!(backend.post("/users/8/terminate_connections", "{}").await.status, 200);
    friend.receive_close().await;
    let keys: Vec<String> =
        redis.ask(&["KEYS", &format!("{}:{COUNT}:*:nodes", cluster.prefix)]).await;
    let of_nodes = keys.iter().filter(|key| !key.contains("{123456:"));
    assert_eq!(of_nodes.count(), COUNT, "{keys:?}");
}

/// Each partition has a slot of its own there.
#[tokio::test]
async fn partitions_are_spread_over_the_masters_of_a_redis_cluster() {
    if is_left_out() {
        return;
    }
    let redis = TestRedisCluster::shared().await;
    let cluster = assert_works(&redis.url()).await;
    let mut owners = 0;
    for node in &redis.nodes[..3] {
        let keys: Vec<String> = node.ask(&["KEYS", &format!("{}:*", cluster.prefix)]).await;
        owners += usize::from(!keys.is_empty());
    }
    assert_eq!(owners, 3, "masters with keys");
}

/// The directory of one partition is gone with its master, and those of the others serve all nodes.
#[tokio::test]
async fn a_master_that_dies_takes_no_other_partition_with_it() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedisCluster::start().await;
    let cluster = TestCluster::at(&redis.url(), 2, &toml()).await;
    linked(&cluster, true).await;
    let mut sockets = in_all(&cluster).await;
    let lost = |cluster: &TestCluster| -> f64 {
        cluster.nodes.iter().map(|node| node.metric("resound_cluster_links_lost_total")).sum()
    };
    redis.nodes[1].kill();
    eventually("both nodes to lose links", async || lost(&cluster) >= 2.0).await;
    let mut backend = cluster.nodes[0].backend();
    let ready = backend.send("GET", "/ready", "").await.json();
    if ready["cluster"] == "degraded" {
        let away = ready["partitions_away"].as_array().unwrap();
        assert!((1..COUNT).contains(&away.len()), "{ready}");
    }
    assert!(lost(&cluster) < 2.0 * COUNT as f64, "{} links were lost", lost(&cluster));
    linked(&cluster, true).await;
    cluster.settle().await;
    for socket in &mut sockets {
        let received = socket.receive_all().await;
        let left = received.iter().filter(|text| text.contains("member_removed"));
        assert_eq!(left.count(), 0, "no member left: {received:?}");
    }
    for name in names() {
        assert_events_flow(&cluster, &mut sockets, &name).await;
    }
}

#[tokio::test]
async fn nodes_with_another_number_are_refused_with_words() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    for (running, other) in [(1, 4), (4, 1), (4, 8)] {
        let mut cluster = TestCluster::empty();
        let toml = format!("cluster.partitions = {running}\n{REVERB_APP}");
        cluster.join(&redis.url, &toml).await;
        linked(&cluster, true).await;
        let mut sockets = subscribers(&cluster, "orders").await;
        let other = other.to_string();
        let variables = [
            ("RESOUND_CLUSTER_ENABLED", "true"),
            ("RESOUND_CLUSTER_URL", &*redis.url),
            ("RESOUND_CLUSTER_PREFIX", &*cluster.prefix),
            ("RESOUND_CLUSTER_PARTITIONS", &*other),
        ];
        let mut program = Program::start(&variables).await;
        let line = program.log_line("Redis is away").await;
        for part in [
            format!("run with cluster.partitions = {running}, and this one has {other}"),
            "set the same number, or stop all nodes for 15 seconds".to_owned(),
        ] {
            assert!(line.contains(&part), "{line} lacks {part}");
        }
        assert_events_flow(&cluster, &mut sockets, "orders").await;
    }
}

/// The number is forgotten when no node renews it.
#[tokio::test]
async fn the_number_may_change_while_no_node_runs() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let mut cluster = TestCluster::empty();
    cluster.join(&redis.url, &toml()).await;
    linked(&cluster, true).await;
    let key = format!("{}:{{0}}:partitions", cluster.prefix);
    let left: i64 = redis.ask(&["PTTL", &key]).await;
    assert!((1..=15_000).contains(&left), "{left}");
    let mut node = cluster.nodes.pop().unwrap();
    node.stop();
    node.ended().await;
    let _: i64 = redis.ask(&["DEL", &key]).await;
    let mut fewer = TestCluster::empty();
    fewer.prefix = cluster.prefix.clone();
    fewer.join(&redis.url, &format!("cluster.partitions = 2\n{REVERB_APP}")).await;
    linked(&fewer, true).await;
}
