//! `cluster.urls` whose Redis differ: one with TLS beside a plain one, a Redis Cluster beside a single Redis; and what
//! the log names where one of the list cannot be used.

use std::time::Instant;

use serde_json::json;

use crate::faults::fault;
use crate::fixture::{assert_events_flow, linked};
use crate::harness::redis::{TestRedis, free_port, is_left_out};
use crate::harness::redis_access::{
    NAMES, certificates, certificates_of_days, redis_with, tls_redis,
};
use crate::harness::{TestCluster, TestRedisCluster, TestSocket, eventually};
use crate::urls::{CHANNELS, assert_receives, in_all, names, on, toml};

/// Two nodes with one list, and a socket of each in all channels.
async fn two_nodes(toml: &str) -> (TestCluster, Vec<TestSocket>) {
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join("", toml).await;
    }
    linked(&cluster, true).await;
    let sockets = in_all(&cluster).await;
    (cluster, sockets)
}

/// Asserts that each event reaches all sockets, whatever they have received before, and that no member has left.
async fn assert_whole(cluster: &TestCluster, sockets: &mut [TestSocket]) {
    for name in names() {
        for (at, node) in cluster.nodes.iter().enumerate() {
            let data = format!("{name} from {at}");
            node.backend().trigger(&name, "news", &data).await;
            for socket in &mut *sockets {
                assert_receives(socket, &data).await;
            }
        }
    }
}

#[tokio::test]
async fn one_with_an_authority_of_its_own_is_beside_one_without_tls() {
    if is_left_out() {
        return;
    }
    let (plain, (mut secure, authority)) = (TestRedis::start().await, tls_redis().await);
    secure.url = format!("rediss://localhost:{}", secure.port);
    secure.authority = Some(std::fs::read(&authority).unwrap());
    let ca = format!("cluster.ca_file = {authority:?}\n");
    let list = |urls: &[&str]| format!("{ca}{}", toml(urls, 4));
    let (cluster, mut sockets) = two_nodes(&list(&[&plain.url, &secure.url])).await;
    let placed = (on(&plain, &cluster).await, on(&secure, &cluster).await);
    assert!(!placed.0.is_empty() && !placed.1.is_empty(), "{placed:?}");
    assert_eq!(placed.0.len() + placed.1.len(), CHANNELS, "{placed:?}");
    for name in names() {
        assert_events_flow(&cluster, &mut sockets, &name).await;
    }

    secure.kill();
    linked(&cluster, false).await;
    let away = json!([{"address": secure.url, "partitions": [2, 3]}]);
    for node in &cluster.nodes {
        eventually("both partitions to be away", async || {
            node.backend().send("GET", "/ready", "").await.json()["redis_away"] == away
        })
        .await;
    }
    for name in &placed.0 {
        assert_events_flow(&cluster, &mut sockets, name).await;
    }
    secure.restart().await;
    linked(&cluster, true).await;
    assert_whole(&cluster, &mut sockets).await;
}

/// The channels of a partition whose master dies are those of its replica.
#[tokio::test]
async fn a_redis_cluster_is_beside_a_single_redis() {
    if is_left_out() {
        return;
    }
    let (single, mut several) = (TestRedis::start().await, TestRedisCluster::start().await);
    let list = toml(&[&single.url, &several.url()], 4);
    // A failover must not look like the end of a node.
    let (cluster, mut sockets) =
        two_nodes(&format!("cluster.lease_seconds = 60\ncluster.transport = \"streams\"\n{list}"))
            .await;
    let on_single = on(&single, &cluster).await;
    let mut of_masters = Vec::new();
    for master in &several.nodes[..3] {
        of_masters.push(on(master, &cluster).await);
    }
    let on_several: usize = of_masters.iter().map(Vec::len).sum();
    assert!(!on_single.is_empty() && on_several > 0, "{on_single:?} {of_masters:?}");
    assert_eq!(on_single.len() + on_several, CHANNELS, "{on_single:?} {of_masters:?}");
    for name in names() {
        assert_events_flow(&cluster, &mut sockets, &name).await;
    }

    let master = of_masters.iter().position(|names| !names.is_empty()).unwrap();
    several.nodes[master].kill();
    let since = Instant::now();
    eventually("a link to be lost", async || {
        cluster.nodes.iter().all(|node| node.metric("resound_cluster_connected") == 0.0)
    })
    .await;
    for name in &on_single {
        assert_events_flow(&cluster, &mut sockets, name).await;
    }
    several.is_master(TestRedisCluster::replica_of(master)).await;
    linked(&cluster, true).await;
    println!("whole {:.1} s after the end of a master", since.elapsed().as_secs_f64());
    assert_whole(&cluster, &mut sockets).await;
    let view = cluster.nodes[0].internal("/internal/v1/cluster").await.json();
    let links = view["nodes"][0]["links"].as_array().unwrap();
    let places: Vec<_> = links.iter().map(|link| link["url"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 0, 1, 1]);
}

/// The line in which a node logs why the second of its two Redis is away.
async fn fault_of_second(first: &TestRedis, second: &str, authority: &str) -> String {
    let urls = format!("{},{second}", first.url);
    let all = [
        ("RESOUND_CLUSTER_URLS", &*urls),
        ("RESOUND_CLUSTER_CA_FILE", authority),
        ("RESOUND_CLUSTER_PARTITIONS", "2"),
    ];
    let line = fault(&all).await;
    assert!(!line.contains(&format!(":{}", first.port)), "{line}");
    let others = ["cluster.url ", "cluster.url,", "cluster.host", "cluster.port", "REDIS_", "[0]"];
    for other in others {
        assert!(!line.contains(other), "{second}: {line} has {other}");
    }
    line
}

#[tokio::test]
async fn what_to_change_is_the_url_of_the_list() {
    if is_left_out() {
        return;
    }
    let open = TestRedis::start().await;
    let guarded = TestRedis::with(&["--requirepass", "right"]).await;
    let (secure, authority) = tls_redis().await;
    let (other_name, other_ca) = redis_with(certificates("DNS:redis.example"), "redis", "no").await;
    let (late, late_ca) = redis_with(certificates_of_days(NAMES, -1), "redis", "no").await;
    let local = |scheme: &str, port: u16| format!("{scheme}://localhost:{port}");
    let cases = [
        (local("redis", free_port()), "", "start Redis, or correct cluster.urls[1]"),
        (local("redis", guarded.port), "", "set the password in cluster.urls[1], or"),
        (
            format!("redis://:wrong@localhost:{}", guarded.port),
            "",
            "correct the user and the password in cluster.urls[1], or",
        ),
        (format!("{}/99", guarded.url.replace("//", "//:right@")), "", "set the database of"),
        (local("redis", secure.port), "", "begin cluster.urls[1] with rediss://"),
        (local("rediss", guarded.port), &*authority, "begin cluster.urls[1] with redis://"),
        (local("rediss", secure.port), "", "set cluster.ca_file to"),
        (local("rediss", other_name.port), &*other_ca, "write one of them in cluster.urls[1]"),
        (local("rediss", late.port), &*late_ca, "renew it"),
    ];
    for (second, authority, remedy) in &cases {
        let line = fault_of_second(&open, second, authority).await;
        assert!(line.contains(remedy), "{second}: {line} lacks {remedy}");
    }
}
