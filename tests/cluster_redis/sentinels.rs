//! Sentinels that do not answer everyone, and what the log names then.

use crate::faults::fault;
use crate::fixture::{assert_events_flow, linked, subscribers};
use crate::harness::redis::{Process, TestRedis, is_left_out};
use crate::harness::redis_access::sentinel;
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, TestCluster};

/// A Redis with the password "pw", and a Sentinel with further lines; with its port.
async fn guarded(lines: &str) -> (TestRedis, Folder, Process, u16) {
    let mut redis = TestRedis::with(&["--requirepass", "pw"]).await;
    redis.url = format!("redis://:pw@127.0.0.1:{}", redis.port);
    let folder = Folder::new();
    let lines = format!("sentinel auth-pass main pw\n{lines}");
    let (process, port) = sentinel(&folder, redis.port, &lines).await;
    (redis, folder, process, port)
}

async fn assert_works(url: &str, keys: &str) {
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join(url, &format!("{keys}{REVERB_APP}")).await;
    }
    linked(&cluster, true).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    assert_events_flow(&cluster, &mut sockets, "orders").await;
}

async fn check(url: &str, parts: &[&str]) {
    let line = fault(&[("RESOUND_CLUSTER_URL", url)]).await;
    for part in parts {
        assert!(line.contains(part), "{url}: {line} lacks {part}");
    }
}

#[tokio::test]
async fn a_sentinel_with_a_password_gets_its_own() {
    if is_left_out() {
        return;
    }
    let (_redis, _folder, _sentinel, port) = guarded("requirepass guard\n").await;
    let url = format!("redis+sentinel://:pw@127.0.0.1:{port}/main");
    assert_works(&format!("{url}?sentinel_pass=guard"), "").await;
    assert_works(&url, "cluster.sentinel_password = \"guard\"\n").await;
    let named = format!("sentinel 127.0.0.1:{port}: ");
    check(&url, &[&named, "WRONGPASS", "cluster.sentinel_password"]).await;
    let neither = format!("redis+sentinel://127.0.0.1:{port}/main");
    check(&neither, &[&named, "NOAUTH", "REDIS_SENTINEL_PASSWORD"]).await;
    let only_this = format!("{neither}?sentinel_pass=guard");
    let of_redis = format!("which sentinel 127.0.0.1:{port} names: ");
    check(&only_this, &[&of_redis, "NOAUTH", "set cluster.password (REDIS_PASSWORD)"]).await;
}

#[tokio::test]
async fn one_password_for_redis_and_its_sentinels_is_enough() {
    if is_left_out() {
        return;
    }
    let (_redis, _folder, _sentinel, port) = guarded("requirepass pw\n").await;
    assert_works(&format!("redis+sentinel://:pw@127.0.0.1:{port}/main"), "").await;
}

/// The rights that the documentation of Redis recommends for clients of Sentinel.
#[tokio::test]
async fn a_user_at_the_sentinel_needs_few_rights() {
    if is_left_out() {
        return;
    }
    let rights = "+auth +client|setname +hello +ping +role +sentinel|get-master-addr-by-name";
    let lines = format!("user default off\nuser node on >guard -@all {rights}\n");
    let (_redis, _folder, _sentinel, port) = guarded(&lines).await;
    let url = format!("redis+sentinel://:pw@127.0.0.1:{port}/main");
    assert_works(
        &url,
        "cluster.sentinel_username = \"node\"\ncluster.sentinel_password = \"guard\"\n",
    )
    .await;
}

#[tokio::test]
async fn servers_that_are_no_sentinel_or_lack_the_primary_are_named() {
    if is_left_out() {
        return;
    }
    let (redis, _folder, _sentinel, port) = guarded("").await;
    let other = format!("redis+sentinel://:pw@127.0.0.1:{port}/other");
    check(&other, &["has no primary", "other", "sentinel monitor"]).await;
    let redis = format!("redis+sentinel://:pw@127.0.0.1:{}/main", redis.port);
    check(&redis, &["this is no sentinel", "26379"]).await;
    let direct = format!("redis://127.0.0.1:{port}");
    check(&direct, &["this is a sentinel", "redis+sentinel://host:port/name"]).await;
    let half = format!("redis+sentinel://:pw@127.0.0.1:1,127.0.0.1:{port}/main");
    assert_works(&half, "").await;
}
