//! Redis is killed: the process stays, serves its sockets, and reports it in the log, in `/ready` and in the
//! metrics, until Redis is back.

use std::net::{Ipv4Addr, SocketAddr};

use crate::harness::redis::{TestRedis, free_port, is_left_out};
use crate::harness::unwatched::get;
use crate::harness::{Backend, Program, TestSocket, eventually};

#[tokio::test]
async fn a_node_whose_redis_is_killed_serves_on_and_reports_it() {
    if is_left_out() {
        return;
    }
    let mut redis = TestRedis::start().await;
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut program = Program::start(&[
        ("RESOUND_CLUSTER_ENABLED", "true"),
        ("RESOUND_CLUSTER_URL", &redis.url),
        ("RESOUND_METRICS_LISTEN", &metrics.to_string()),
    ])
    .await;
    program.log_line("connected to Redis").await;
    let address = program.address;
    let mut socket = TestSocket::greeted(address, "/app/reverb-key?protocol=7").await;
    socket.subscribe("orders").await;
    let mut backend = Backend::new(address, "123456", "reverb-key", "reverb-secret");

    redis.kill();
    let line = program.log_line("Redis is away").await;
    assert!(
        line.contains(" ERROR ") && line.contains("this node serves its own sockets"),
        "{line}"
    );
    let away = r#""condition":"redis_away","severity":"degraded""#;
    eventually("the condition", async || get(address, "/ready").await.contains(away)).await;
    let figures = get(metrics, "/metrics").await;
    for series in
        ["resound_condition{condition=\"redis_away\"} 1\n", "resound_cluster_connected 0\n"]
    {
        assert!(figures.contains(series), "{series} in {figures}");
    }
    backend.trigger("orders", "news", "alone").await;
    assert_eq!(socket.receive_json().await["data"], "alone");

    redis.restart().await;
    program.log_line("connected to Redis").await;
    eventually("the end of it", async || !get(address, "/ready").await.contains(away)).await;
    backend.trigger("orders", "news", "again").await;
    assert_eq!(socket.receive_json().await["data"], "again");
}
