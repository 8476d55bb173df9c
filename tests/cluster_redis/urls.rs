//! Several independent Redis (`cluster.urls`): what each has, one that is away, one that is added.

use serde_json::{Value, json};

use crate::fixture::{assert_events_flow, in_channels, linked};
use crate::harness::redis::{Process, TestRedis, is_left_out};
use crate::harness::redis_access::sentinel;
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, Program, TestCluster, TestServer, TestSocket, eventually};

/// Enough that each partition has some.
pub(crate) const CHANNELS: usize = 24;

pub(crate) fn names() -> Vec<String> {
    (0..CHANNELS).map(|number| format!("presence-{number:02}")).collect()
}

pub(crate) fn toml(urls: &[&str], partitions: usize) -> String {
    format!(
        "cluster.urls = {urls:?}\ncluster.partitions = {partitions}\ninternal.listen = [\"127.0.0.1:0\"]\n{REVERB_APP}"
    )
}

/// One socket of each node in all channels, which has read the joins of the others.
pub(crate) async fn in_all(cluster: &TestCluster) -> Vec<TestSocket> {
    let mut sockets = in_channels(cluster, &names()).await;
    let nodes = cluster.nodes.len();
    for name in names() {
        for node in &cluster.nodes {
            members(node, &name, nodes).await;
        }
    }
    cluster.settle().await;
    for socket in &mut sockets {
        socket.receive_all().await;
    }
    sockets
}

/// Waits until a channel has so many members at a node.
async fn members(node: &TestServer, name: &str, count: usize) {
    let path = format!("/channels/{name}");
    let mut backend = node.backend();
    eventually("the members", async || {
        let answer = backend.get(&path, &[("info", "user_count")]).await.json();
        answer["user_count"] == json!(count)
    })
    .await;
}

/// The channels whose keys a Redis has.
pub(crate) async fn on(redis: &TestRedis, cluster: &TestCluster) -> Vec<String> {
    let keys: Vec<String> = redis.ask(&["KEYS", &format!("{}:*:members", cluster.prefix)]).await;
    let has = |name: &String| keys.iter().any(|key| key.contains(&**name));
    names().into_iter().filter(has).collect()
}

async fn ready(node: &TestServer) -> Value {
    node.backend().send("GET", "/ready", "").await.json()
}

/// Waits for an event on the way to a socket; what else arrives is no leave.
pub(crate) async fn assert_receives(socket: &mut TestSocket, data: &str) {
    loop {
        let received = socket.receive_json().await;
        assert_ne!(received["event"], "pusher_internal:member_removed", "{received}");
        if received["data"] == data {
            return;
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_away_takes_only_its_own_partitions() {
    if is_left_out() {
        return;
    }
    let mut all = [TestRedis::start().await, TestRedis::start().await, TestRedis::start().await];
    let urls: Vec<&str> = all.iter().map(|redis| &*redis.url).collect();
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join("", &toml(&urls, 6)).await;
    }
    linked(&cluster, true).await;
    let mut sockets = in_all(&cluster).await;
    let mut placed = Vec::new();
    for redis in &all {
        placed.push(on(redis, &cluster).await);
        assert!(!placed.last().unwrap().is_empty(), "{placed:?}");
    }
    assert_eq!(placed.iter().map(Vec::len).sum::<usize>(), CHANNELS, "{placed:?}");

    let address = format!("redis://127.0.0.1:{}", all[1].port);
    all[1].kill();
    for node in &cluster.nodes {
        let away = json!([{"address": address, "partitions": [3, 4]}]);
        eventually("the partitions to be away", async || {
            let ready = ready(node).await;
            ready["redis_away"] == away && ready["nodes"] == 2
        })
        .await;
        let ready = ready(node).await;
        assert_eq!(ready["partitions_away"], json!([3, 4]), "{ready}");
        assert_eq!(ready["cluster"], "degraded");
        for partition in 0..6 {
            let metric =
                format!("resound_cluster_partition_connected{{partition=\"{partition}\"}}");
            let is_up = !(3..5).contains(&partition);
            assert_eq!(node.metric(&metric), f64::from(u8::from(is_up)), "{metric}");
        }
        eventually("the nodes that the others count", async || {
            node.metric("resound_cluster_nodes") == 2.0
        })
        .await;
    }
    for name in placed[0].iter().chain(&placed[2]) {
        assert_events_flow(&cluster, &mut sockets, name).await;
    }
    let name = &placed[1][0];
    let mut backend = cluster.nodes[0].backend();
    backend.trigger(name, "news", "served here").await;
    assert_receives(&mut sockets[0], "served here").await;
    let path = format!("/internal/v1/apps/123456/explain?channel={name}");
    let explained = cluster.nodes[0].internal(&path).await.json();
    let sentence = explained["now"]["sentence"].as_str().unwrap_or_default();
    let where_to = format!(" at {address}) is away: delivered to 1 socket of this node only");
    assert!(
        sentence.starts_with("Redis (partition ") && sentence.contains(&where_to),
        "{explained}"
    );

    all[1].restart().await;
    linked(&cluster, true).await;
    for name in names() {
        for (at, node) in cluster.nodes.iter().enumerate() {
            let data = format!("{name} from {at}");
            node.backend().trigger(&name, "news", &data).await;
            for socket in &mut sockets {
                assert_receives(socket, &data).await;
            }
        }
    }
    assert_losses_are_by_partition(&cluster).await;
}

/// The losses of the partitions whose Redis ended are theirs.
async fn assert_losses_are_by_partition(cluster: &TestCluster) {
    let view = cluster.nodes[0].internal("/internal/v1/cluster").await.json();
    for shown in view["nodes"].as_array().unwrap() {
        let lost = |link: &Value| link["losses"]["links_lost"].as_u64().unwrap();
        let lost: Vec<u64> = shown["links"].as_array().unwrap().iter().map(lost).collect();
        assert!(lost[3] > 0 && lost[4] > 0, "{shown}");
        assert_eq!(shown["losses"]["links_lost"], lost.iter().sum::<u64>(), "{shown}");
    }
    // A busy machine may cut other links, but none as surely as those of the Redis that ended.
    let lost = "resound_cluster_partition_links_lost_total{partition=\"3\"}";
    assert!(cluster.nodes.iter().all(|node| node.metric(lost) >= 1.0));
}

/// What a node needs at its start is the Redis of a partition for this partition, and nothing for the others.
#[tokio::test]
async fn a_redis_that_is_away_at_the_start_keeps_no_other_partition_back() {
    if is_left_out() {
        return;
    }
    let mut all = [TestRedis::start().await, TestRedis::start().await];
    let urls = [all[0].url.clone(), all[1].url.clone()];
    let urls: Vec<&str> = urls.iter().map(|url| &**url).collect();
    all[0].kill();
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join("", &toml(&urls, 2)).await;
    }
    for node in &cluster.nodes {
        eventually("the second partition", async || {
            node.metric("resound_cluster_partition_connected{partition=\"1\"}") == 1.0
        })
        .await;
        let away =
            json!([{"address": format!("redis://127.0.0.1:{}", all[0].port), "partitions": [0]}]);
        eventually("the first one to be away", async || ready(node).await["redis_away"] == away)
            .await;
    }
    all[0].restart().await;
    linked(&cluster, true).await;
    in_all(&cluster).await;
}

/// Two nodes with one Redis are replaced by two with a second one; the partitions move when the last old node is gone.
#[tokio::test]
async fn a_redis_is_added_while_nodes_run() {
    if is_left_out() {
        return;
    }
    let all = [TestRedis::start().await, TestRedis::start().await];
    let urls: Vec<&str> = all.iter().map(|redis| &*redis.url).collect();
    let hasty = |urls: &[&str]| format!("cluster.lease_seconds = 2\n{}", toml(urls, 4));
    let mut old = TestCluster::empty();
    old.join("", &hasty(&urls[..1])).await;
    linked(&old, true).await;
    let mut cluster = TestCluster::empty();
    cluster.prefix = old.prefix.clone();
    for _ in 0..2 {
        cluster.join("", &hasty(&urls)).await;
    }
    linked(&cluster, true).await;
    let mut sockets = in_all(&cluster).await;
    assert!(on(&all[1], &cluster).await.is_empty(), "an old node runs");
    let mut socket = old.nodes[0].connect().await;
    socket.subscribe("presence").await;
    cluster.nodes[0].backend().trigger("presence", "news", "both lists").await;
    assert_receives(&mut socket, "both lists").await;
    let mut node = old.nodes.pop().unwrap();
    node.stop();
    node.ended().await;
    eventually("the channels of the second Redis", async || {
        on(&all[1], &cluster).await.len() >= CHANNELS / 4
    })
    .await;
    linked(&cluster, true).await;
    for name in names() {
        for node in &cluster.nodes {
            members(node, &name, 2).await;
        }
        for (at, node) in cluster.nodes.iter().enumerate() {
            let data = format!("{name} from {at}");
            node.backend().trigger(&name, "news", &data).await;
            for socket in &mut sockets {
                assert_receives(socket, &data).await;
            }
        }
    }
    let view = cluster.nodes[0].internal("/internal/v1/cluster").await.json();
    assert_eq!(view["nodes"][0]["used_urls"], 2);
    let links = view["nodes"][0]["links"].as_array().unwrap();
    let places: Vec<_> = links.iter().map(|link| link["url"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 0, 1, 1]);

    // A node that has fewer is not let in.
    let variables = variables(&cluster.prefix, urls[0]);
    let mut program = Program::start(&variables).await;
    let line = program.log_line("Redis is away").await;
    assert!(line.contains("use 2 Redis of cluster.urls, and this one has 1"), "{line}");
}

fn variables<'a>(prefix: &'a str, urls: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("RESOUND_CLUSTER_ENABLED", "true"),
        ("RESOUND_CLUSTER_URLS", urls),
        ("RESOUND_CLUSTER_PREFIX", prefix),
        ("RESOUND_CLUSTER_PARTITIONS", "4"),
    ]
}

/// The claim of the number is one step of Redis, so one of two is the first.
#[tokio::test]
async fn of_nodes_that_differ_and_start_at_the_same_time_one_is_refused() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    for counts in [["1", "4"], ["2", "8"]] {
        let prefix = format!("test-{:016x}", rand::random::<u64>());
        let start = |count: &'static str| {
            let variables = [
                ("RESOUND_CLUSTER_ENABLED", "true".to_owned()),
                ("RESOUND_CLUSTER_URL", redis.url.clone()),
                ("RESOUND_CLUSTER_PREFIX", prefix.clone()),
                ("RESOUND_CLUSTER_PARTITIONS", count.to_owned()),
            ];
            async move {
                let variables: Vec<_> =
                    variables.iter().map(|(name, value)| (*name, &**value)).collect();
                Program::start(&variables).await
            }
        };
        let (mut one, mut other) = tokio::join!(start(counts[0]), start(counts[1]));
        let part = "run with cluster.partitions = ";
        let line = tokio::select! {
            line = one.log_line(part) => line,
            line = other.log_line(part) => line,
        };
        assert!(line.contains("stop all nodes for 15 seconds"), "{line}");
    }
}

#[tokio::test]
async fn a_url_with_a_wrong_password_is_named() {
    if is_left_out() {
        return;
    }
    let open = TestRedis::start().await;
    let guarded = TestRedis::with(&["--requirepass", "right"]).await;
    let urls = format!("{},redis://:wrong@127.0.0.1:{}", open.url, guarded.port);
    let prefix = format!("test-{:016x}", rand::random::<u64>());
    let mut program = Program::start(&variables(&prefix, &urls)).await;
    let line = program.log_line("Redis is away").await;
    for part in [&*format!("127.0.0.1:{}", guarded.port), "WRONGPASS"] {
        assert!(line.contains(part), "{line} lacks {part}");
    }
    assert!(!line.contains("wrong@") && !line.contains(&open.port.to_string()), "{line}");
}

#[tokio::test]
async fn one_of_them_may_be_named_by_sentinels() {
    if is_left_out() {
        return;
    }
    let (plain, primary) = (TestRedis::start().await, TestRedis::start().await);
    let folder = Folder::new();
    let (_process, port): (Process, u16) = sentinel(&folder, primary.port, "").await;
    let named = format!("redis+sentinel://127.0.0.1:{port}/main");
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join("", &toml(&[&plain.url, &named], 2)).await;
    }
    linked(&cluster, true).await;
    let mut sockets = in_all(&cluster).await;
    for name in names() {
        assert_events_flow(&cluster, &mut sockets, &name).await;
    }
    for redis in [&plain, &primary] {
        assert!(!on(redis, &cluster).await.is_empty());
    }
}
