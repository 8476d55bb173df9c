//! The trace of a trigger shows how long Redis took.

use crate::harness::TestCluster;
use crate::harness::collector::{Collector, attribute};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;

#[tokio::test]
async fn the_wait_for_redis_is_a_span_of_its_own() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let mut collector = Collector::start().await;
    let mut cluster = TestCluster::empty();
    let telemetry = format!("[telemetry]\nendpoint = \"http://{}\"\n", collector.address);
    cluster.join(&redis.url, &format!("{REVERB_APP}{telemetry}")).await;
    cluster.settle().await;
    cluster.nodes[0].backend().trigger("orders", "news", "{}").await;
    let (_, _, spans) = collector.call().await;
    assert_eq!(spans.len(), 3, "{spans:?}");
    let span = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap();
    let publish = span("publish to cluster");
    assert_eq!(publish["kind"], 3);
    assert_eq!(publish["parentSpanId"], span("POST /apps/{app_id}/events")["spanId"]);
    assert_eq!(attribute(publish, "db.system.name")["stringValue"], "redis");
    assert_eq!(publish.get("status"), None);
}
