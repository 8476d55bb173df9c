//! Addresses, logins and certificates of a Redis Cluster, and what the log names where one is wrong.

use super::TOML;
use crate::access::{cluster_rights, everything};
use crate::faults::{check, fault};
use crate::fixture::{assert_events_flow, linked, subscribers};
use crate::harness::fake_redis::{FakeRedis, HELLO};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::redis_access::{NAMES, certificates};
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, TestRedisCluster};

/// Of no machine: TEST-NET-1.
const NOWHERE: &str = "192.0.2.1";

async fn assert_works(url: &str, keys: &str) -> TestCluster {
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join(url, &format!("{TOML}{keys}{REVERB_APP}")).await;
    }
    linked(&cluster, true).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    assert_events_flow(&cluster, &mut sockets, "orders").await;
    cluster
}

#[tokio::test]
async fn any_node_leads_to_the_owner_and_others_may_be_gone() {
    if is_left_out() {
        return;
    }
    let redis = TestRedisCluster::shared().await;
    for node in &redis.nodes {
        assert_works(&format!("redis://127.0.0.1:{}", node.port), "").await;
    }
    let port = redis.nodes[0].port;
    assert_works(&format!("redis://127.0.0.1:1,127.0.0.1:{port}"), "").await;
    assert_works(&format!("redis+cluster://127.0.0.1:{port}"), "").await;
}

/// All nodes announce addresses that lead nowhere from here; then names, and their nodes listen on IPv6.
#[tokio::test]
async fn nodes_that_announce_other_addresses_are_found_by_a_list_or_by_names() {
    if is_left_out() {
        return;
    }
    let redis = TestRedisCluster::with(&["--bind", "127.0.0.1", "::1"]).await;
    let set = async |key: &str, value: &str| {
        for node in &redis.nodes {
            let _: String = node.ask(&["CONFIG", "SET", key, value]).await;
        }
    };
    let seed = &redis.nodes[(redis.owner("").await + 1) % 3];
    let url = format!("redis://127.0.0.1:{}", seed.port);
    set("cluster-announce-hostname", NOWHERE).await;
    set("cluster-preferred-endpoint-type", "hostname").await;
    redis.is_announced(NOWHERE).await;
    assert_works(&url, &format!("cluster.node_addresses = [\"{NOWHERE}=::1\"]\n")).await;

    set("cluster-announce-hostname", "localhost").await;
    redis.is_announced("localhost").await;
    assert_works(&url, "").await;

    // The host of the node that is asked stands for one that is not known.
    set("cluster-preferred-endpoint-type", "unknown-endpoint").await;
    assert_works(&url.replace("127.0.0.1", "[::1]"), "").await;
}

#[tokio::test]
async fn a_certificate_and_a_user_with_few_rights_are_enough() {
    if is_left_out() {
        return;
    }
    let authority = certificates(NAMES);
    let files = ["redis.pem", "redis.key", "ca.pem"].map(|name| authority.path(name));
    let options = [
        ["--port", "0"],
        ["--tls-port", "$port"],
        ["--tls-cert-file", &files[0]],
        ["--tls-key-file", &files[1]],
        ["--tls-ca-cert-file", &files[2]],
        ["--tls-auth-clients", "no"],
        ["--tls-cluster", "yes"],
        ["--tls-replication", "yes"],
    ];
    let redis = TestRedisCluster::over_tls(options.as_flattened(), &files[2]).await;
    for transport in ["pubsub", "streams"] {
        let mut cluster = TestCluster::empty();
        let rights = cluster_rights(&cluster.prefix, &redis.nodes[0]).await;
        for node in &redis.nodes {
            let user = ["ACL", "SETUSER", "node", "reset", "on", ">opens"];
            let words: Vec<&str> = user.into_iter().chain(rights.split(' ')).collect();
            let _: String = node.ask(&words).await;
        }
        let url = redis.url().replace("redis://", "rediss://node:opens@");
        let keys =
            format!("cluster.transport = \"{transport}\"\ncluster.ca_file = {:?}\n", files[2]);
        for _ in 0..2 {
            cluster.join(&url, &format!("{keys}{REVERB_APP}")).await;
        }
        everything(&mut cluster).await;
        for node in &redis.nodes {
            let log: Vec<redis::Value> = node.ask(&["ACL", "LOG"]).await;
            assert!(log.is_empty(), "{transport}: {log:?}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_named_with_what_to_change() {
    if is_left_out() {
        return;
    }
    let redis = TestRedisCluster::shared().await;
    let database = format!("redis://127.0.0.1:{}/1", redis.nodes[0].port);
    check(&database, &["cluster mode", "set cluster.database (REDIS_DB) to 0"]).await;
    let (one, other) = (TestRedis::start().await, TestRedis::start().await);
    let both = format!("redis://127.0.0.1:{},127.0.0.1:{}", one.port, other.port);
    check(&both, &["is no node of a Redis Cluster", "name one Redis, its sentinels"]).await;
    check("redis://127.0.0.1:1,127.0.0.1:2", &["127.0.0.1:1: nothing listens", " | "]).await;
    let old = FakeRedis::start(version_6_2).await;
    check(&old.url(), &["6.2.14", "7.0 is the oldest", "Valkey"]).await;
    let lost = FakeRedis::start(elsewhere).await;
    let line = fault(&[("RESOUND_CLUSTER_URL", &lost.url())]).await;
    for part in ["127.0.0.1:9, which", "as the owner of slot 7", "cluster.node_addresses"] {
        assert!(line.contains(part), "{line} lacks {part}");
    }
    let moving = FakeRedis::start(moving).await;
    check(&moving.url(), &["slot 7", "is being moved", "redis-cli --cluster fix"]).await;
}

/// Of a Redis Cluster, as far as a node asks it.
fn answer(name: &str, version: &str, of_get: &str) -> String {
    let info = format!("# Server\r\nredis_version:{version}\r\nredis_mode:cluster\r\n");
    match name {
        "HELLO 3" => HELLO.to_owned(),
        "INFO SERVER" => format!("${}\r\n{info}\r\n", info.len()),
        "CLIENT ID" => ":7\r\n".to_owned(),
        name if name.starts_with("GET ") => of_get.to_owned(),
        _ => "+OK\r\n".to_owned(),
    }
}

fn version_6_2(name: &str) -> String {
    answer(name, "6.2.14", "_\r\n")
}

fn elsewhere(name: &str) -> String {
    answer(name, "7.0.15", "-MOVED 7 127.0.0.1:9\r\n")
}

fn moving(name: &str) -> String {
    answer(name, "7.0.15", "-ASK 7 127.0.0.1:9\r\n")
}
