//! Channels whose events have a pace, on several nodes: each node paces what it delivers.

use crate::fixture::subscribers;
use crate::harness::TestCluster;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;

#[tokio::test]
async fn each_node_delivers_the_first_and_the_last_event_and_misses_none() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let entry = "[[apps.pacing]]\nchannels = \"orders\"\nlatest_within_ms = 2000\n";
    let cluster = TestCluster::with(&redis, 2, &format!("{REVERB_APP}{entry}")).await;
    let mut sockets = subscribers(&cluster, "orders").await;
    let mut backend = cluster.nodes[0].backend();
    for number in 0..20 {
        backend.trigger("orders", "changed", &number.to_string()).await;
    }
    for socket in &mut sockets {
        for expected in ["0", "19"] {
            assert_eq!(socket.receive_json().await["data"], expected);
        }
    }
    cluster.settle().await;
    for node in &cluster.nodes {
        assert_eq!(node.metric("resound_pacing_events_conflated_total"), 18.0);
        assert_eq!(node.metric("resound_cluster_events_missed_total"), 0.0);
        assert_eq!(node.metric("resound_cluster_possible_gaps_total"), 0.0);
    }
}
