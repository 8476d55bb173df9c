//! Servers that a node cannot use as its Redis, and the error for each.

use crate::harness::redis::{TestRedis, free_port, is_left_out};
use crate::harness::server::{REVERB_APP, config};
use crate::harness::{Backend, Program, TestCluster, TestSocket, within};

/// Why a node with this Redis, which it requires, does not start.
async fn refusal(url: &str) -> String {
    let toml = TestCluster::empty().toml(url, &format!("cluster.required = true\n{REVERB_APP}"));
    let ended = async {
        let server = resound::server::Server::bind(&config(&toml)).await?;
        server.run(std::future::pending()).await
    };
    within("the refusal", ended).await.expect_err("it starts without Redis").to_string()
}

#[tokio::test]
async fn a_node_that_requires_redis_does_not_start_without() {
    let refusal = refusal(&format!("redis://127.0.0.1:{}", free_port())).await;
    for named in ["Redis", "cluster.required", "cluster.url"] {
        assert!(refusal.contains(named), "{refusal}");
    }
}

/// Nor does one that requires it and finds a Redis Cluster without slots.
#[tokio::test]
async fn a_redis_cluster_without_slots_is_not_what_is_required() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--cluster-enabled", "yes"]).await;
    let refusal = refusal(&redis.url).await;
    assert!(refusal.contains("cluster.required"), "{refusal}");
}

#[tokio::test]
async fn a_redis_cluster_without_slots_is_named_in_the_log_and_the_node_serves_alone() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--cluster-enabled", "yes"]).await;
    let variables =
        [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URL", redis.url.as_str())];
    let mut program = Program::start(&variables).await;
    let line = program.log_line("Redis is away").await;
    for part in ["CLUSTERDOWN", "slots of the Redis Cluster", "redis-cli --cluster check"] {
        assert!(line.contains(part), "{line}");
    }
    let path = "/app/reverb-key?protocol=7";
    let mut socket = TestSocket::greeted(program.address, path).await;
    socket.subscribe("orders").await;
    let mut backend = Backend::new(program.address, "123456", "reverb-key", "reverb-secret");
    backend.trigger("orders", "news", "alone").await;
    assert_eq!(socket.receive_json().await["data"], "alone");
}
