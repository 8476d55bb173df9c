//! Sentinel makes a replica the primary, and the nodes go with it.

use std::time::Instant;

use crate::fixture::{assert_events_flow, linked, members, subscribers};
use crate::harness::redis::is_left_out;
use crate::harness::redis_access::Watched;
use crate::harness::server::REVERB_APP;
use crate::harness::{TestCluster, eventually};

#[tokio::test]
async fn nodes_follow_sentinel_to_another_redis() {
    if is_left_out() {
        return;
    }
    let mut redis = Watched::start().await;
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join(&redis.url, REVERB_APP).await;
    }
    linked(&cluster, true).await;
    let mut orders = subscribers(&cluster, "orders").await;
    let mut room = members(&cluster, "presence-room").await;
    assert_events_flow(&cluster, &mut orders, "orders").await;

    redis.fail_over().await;
    let since = Instant::now();
    eventually("every node to have a link", async || {
        cluster.nodes.iter().all(|node| {
            node.metric("resound_cluster_links_lost_total") >= 1.0
                && node.metric("resound_cluster_connected") == 1.0
        })
    })
    .await;
    println!("linked {:?} after the failover of Sentinel", since.elapsed());
    cluster.settle().await;
    assert_events_flow(&cluster, &mut orders, "orders").await;
    for socket in &mut room {
        assert_eq!(socket.receive_all().await, Vec::<String>::new(), "no member left");
    }
    let keys: i64 = redis.replica.ask(&["DBSIZE"]).await;
    assert!(keys > 0, "the replica is what is used now");
}
