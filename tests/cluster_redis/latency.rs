//! The time from a trigger to the last write of its event, on several nodes.

use crate::fixture::subscribers;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::{TestCluster, eventually, within};

const COUNT: &str = "resound_trigger_to_write_seconds_count";

/// The clocks of two machines differ by more than the delay is.
#[tokio::test]
async fn the_delay_of_an_event_is_measured_at_the_node_that_was_triggered() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::shared().await;
    let cluster = TestCluster::start(&redis, 2).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    cluster.nodes[0].backend().trigger("orders", "news", "{}").await;
    for socket in &mut sockets {
        within("the event", async { while !socket.receive().await.contains("news") {} }).await;
    }
    eventually("the delay", async || cluster.nodes[0].metric(COUNT) == 1.0).await;
    assert_eq!(cluster.nodes[1].metric(COUNT), 0.0);
}
