//! What the doctor says of a cluster with several Redis: each finding names the url of the list.

use serde_json::Value;

use crate::catalogue::is_listed;
use crate::harness::redis::{free_port, is_left_out};
use crate::harness::redis_access::sentinel;
use crate::harness::{Folder, TestRedis};
use crate::network::{Diagnosed, Served, diagnosed};
use crate::nginx::Nginx;

/// The findings of the check of Redis.
fn found(diagnosed: &Diagnosed) -> Vec<Value> {
    let report: Value = serde_json::from_str(&diagnosed.text).unwrap();
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["id"] == "R054").unwrap();
    check["findings"].as_array().unwrap().clone()
}

async fn of_list(urls: &[&str], more: &str) -> Diagnosed {
    let lines = format!("[cluster]\nenabled = true\nurls = {urls:?}\n{more}\n");
    let served = Served::with(&lines).await;
    diagnosed(&["--config", &served.file]).await
}

/// This finding is about the url at `place`: in its sentence or its evidence, and in what to change.
fn assert_names(finding: &Value, place: usize, says: &str, change: &str) {
    let key = format!("cluster.urls[{place}]");
    let text = finding.to_string();
    let said = finding["says"].as_str().unwrap();
    assert!(said.contains(says) && is_listed("R054", said), "{text} lacks {says:?}");
    assert!(finding["change"].to_string().contains(change), "{text} lacks {change:?}");
    assert!(finding["seen"].to_string().contains(&format!("{key}, redis")), "{text} lacks {key}");
    let rest = text.replace(&key, "");
    for other in ["cluster.url", "cluster.host", "cluster.port", "REDIS_", "secret-of-redis"] {
        assert!(!rest.contains(other), "{text} has {other}");
    }
}

#[tokio::test]
async fn each_finding_names_the_url_of_the_list_that_it_is_about() {
    if is_left_out() {
        return;
    }
    let open = TestRedis::start().await;
    let guarded = TestRedis::with(&["--requirepass", "right"]).await;
    let closed = TestRedis::with(&["--requirepass", "right"]).await;
    let forgetful =
        TestRedis::with(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let web = Nginx::start("listen $listen; return 200;").await;
    let away = format!("redis://127.0.0.1:{}", free_port());
    let wrong = format!("redis://:secret-of-redis@127.0.0.1:{}", guarded.port);
    let other = format!("redis://127.0.0.1:{}", web.port);
    let urls = [&*open.url, &away, &wrong, &other, &closed.url, &forgetful.url];
    let diagnosed = of_list(&urls, "").await;
    let findings = found(&diagnosed);
    assert_eq!(findings.len(), 5, "{}", diagnosed.text);
    let unusable = |place| format!("The Redis of cluster.urls[{place}] cannot be used: ");
    let expected = [
        (1, unusable(1), "start Redis, or correct cluster.urls[1]"),
        (2, unusable(2), "correct the user and the password in cluster.urls[2], or"),
        (3, unusable(3), "another server listens there: correct cluster.urls[3]"),
        (4, unusable(4), "set the password in cluster.urls[4], or cluster.password for all"),
        (5, "Redis forgets keys".to_owned(), "maxmemory-policy noeviction"),
    ];
    for (finding, (place, says, change)) in findings.iter().zip(&expected) {
        assert_names(finding, *place, says, change);
    }
    assert_eq!(diagnosed.code, Some(1));

    // The login that all urls without one have: the key beside the list.
    let urls = [&*closed.url, &wrong];
    let diagnosed = of_list(&urls, "password = \"right\"").await;
    let findings = found(&diagnosed);
    assert_eq!(findings.len(), 1, "{}", diagnosed.text);
    assert_names(&findings[0], 1, &unusable(1), "in cluster.urls[1], or");
}

#[tokio::test]
async fn a_list_of_which_each_redis_can_be_used_is_healthy() {
    if is_left_out() {
        return;
    }
    let (one, other) = (TestRedis::start().await, TestRedis::start().await);
    of_list(&[&one.url, &other.url], "").await.is_healthy();
}

/// What a node refuses, the doctor finds: a sentinel in the place of a Redis, and two Redis that are no Redis Cluster.
#[tokio::test]
async fn servers_that_a_node_refuses_are_found_by_their_url() {
    if is_left_out() {
        return;
    }
    let (one, other) = (TestRedis::start().await, TestRedis::start().await);
    let folder = Folder::new();
    let (_process, port) = sentinel(&folder, one.port, "").await;
    let (two, of_sentinel) = (
        format!("redis://127.0.0.1:{},127.0.0.1:{}", one.port, other.port),
        format!("redis://127.0.0.1:{port}"),
    );
    let diagnosed = of_list(&[&two, &of_sentinel], "").await;
    let findings = found(&diagnosed);
    assert_eq!(findings.len(), 2, "{}", diagnosed.text);
    assert_names(&findings[0], 0, "is no node of a Redis Cluster, and cluster.urls[0] names", "");
    assert_names(&findings[1], 1, "this is a sentinel and no Redis", "");
    assert!(findings[1].to_string().contains("/name in cluster.urls[1]"), "{}", findings[1]);
}

/// The same two checks for one url, which is no list.
#[tokio::test]
async fn two_redis_in_one_url_that_are_no_redis_cluster_are_found() {
    if is_left_out() {
        return;
    }
    let (one, other) = (TestRedis::start().await, TestRedis::start().await);
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", one.port, other.port);
    let served = Served::with(&format!("[cluster]\nenabled = true\nurl = \"{url}\"")).await;
    let diagnosed = diagnosed(&["--config", &served.file]).await;
    let findings = found(&diagnosed);
    assert_eq!(findings.len(), 1, "{}", diagnosed.text);
    let says = findings[0]["says"].as_str().unwrap();
    assert!(
        says.contains("is no node of a Redis Cluster, and cluster.url names several"),
        "{says}"
    );
}
