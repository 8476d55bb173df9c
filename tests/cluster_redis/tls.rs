//! A Redis over TLS, with a certificate of a private authority.

use crate::faults::fault;
use crate::fixture::{assert_events_flow, linked, subscribers};
use crate::harness::TestCluster;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::redis_access::{
    NAMES, certificates, certificates_of_days, redis_with, tls_redis,
};
use crate::harness::server::REVERB_APP;

#[tokio::test]
async fn an_authority_of_ones_own_is_enough() {
    if is_left_out() {
        return;
    }
    let (redis, authority) = tls_redis().await;
    let port = redis.port;
    let laravels = format!("cluster.host = \"tls://127.0.0.1\"\ncluster.port = {port}\n");
    for (url, more) in [(format!("rediss://localhost:{port}"), ""), (String::new(), &*laravels)] {
        let mut cluster = TestCluster::empty();
        let toml = format!("{more}cluster.ca_file = \"{authority}\"\n{REVERB_APP}");
        for _ in 0..2 {
            cluster.join(&url, &toml).await;
        }
        linked(&cluster, true).await;
        let mut sockets = subscribers(&cluster, "orders").await;
        assert_events_flow(&cluster, &mut sockets, "orders").await;
    }
}

/// Names, in the log of a node with this address, the cause and what to change.
async fn check(url: &str, authority: &str, parts: &[&str]) {
    let line = fault(&[("RESOUND_CLUSTER_URL", url), ("RESOUND_CLUSTER_CA_FILE", authority)]).await;
    for part in parts {
        assert!(line.contains(part), "{url}: {line} lacks {part}");
    }
}

#[tokio::test]
async fn a_redis_without_tls_and_one_with_nothing_else_are_recognized() {
    if is_left_out() {
        return;
    }
    let (secure, authority) = tls_redis().await;
    let plain = TestRedis::start().await;
    let url = format!("redis://localhost:{}", secure.port);
    check(&url, "", &["closed the connection", "begin cluster.url with rediss://"]).await;
    let url = format!("rediss://localhost:{}", plain.port);
    // It may answer nothing at all.
    let soon = ("RESOUND_CLUSTER_TIMEOUT_MS", "1000");
    let line =
        fault(&[("RESOUND_CLUSTER_URL", &url), ("RESOUND_CLUSTER_CA_FILE", &authority), soon])
            .await;
    assert!(line.contains("begin cluster.url with redis://"), "{line}");
}

#[tokio::test]
async fn a_certificate_that_is_refused_names_why_and_what_to_change() {
    if is_left_out() {
        return;
    }
    let (redis, _) = tls_redis().await;
    let url = |redis: &TestRedis| format!("rediss://localhost:{}", redis.port);
    check(&url(&redis), "", &["an authority that is not trusted", "set cluster.ca_file"]).await;

    let folder = certificates("DNS:redis.example");
    let (other, ca) = redis_with(folder, "redis", "no").await;
    check(&url(&other), &ca, &["for other host names", "cluster.host or cluster.url"]).await;

    let (own, ca) = redis_with(certificates(NAMES), "ca", "no").await;
    check(&url(&own), &ca, &["self-signed as that of an authority", "make an authority"]).await;

    let (late, ca) = redis_with(certificates_of_days(NAMES, -1), "redis", "no").await;
    check(&url(&late), &ca, &["expired", "renew it, or set the clock"]).await;

    let (strict, ca) = redis_with(certificates(NAMES), "redis", "yes").await;
    check(&url(&strict), &ca, &["tls-auth-clients no"]).await;
}
