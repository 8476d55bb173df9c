//! Sentinel makes a replica the primary, and the nodes go with it.

use crate::fixture::{assert_events_flow, linked, members, subscribers};
use crate::harness::redis::{Process, TestRedis, free_port, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, TestCluster, eventually};

/// One Sentinel that decides alone, and soon; with the port it answers on. `more` are further lines of
/// its configuration.
pub(crate) async fn sentinel(folder: &Folder, primary: u16, more: &str) -> (Process, u16) {
    for _ in 0..20 {
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {folder}\n\
             sentinel monitor main 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\n{more}"
        );
        let file = folder.write(&format!("sentinel-{port}.conf"), &text);
        let arguments = [file, "--sentinel".to_owned()];
        if let Some(process) = Process::start(&arguments, "+monitor master").await {
            return (process, port);
        }
    }
    panic!("no Sentinel starts");
}

#[tokio::test]
async fn nodes_follow_sentinel_to_another_redis() {
    if is_left_out() {
        return;
    }
    let folder = Folder::new();
    let mut primary = TestRedis::start().await;
    let port = primary.port.to_string();
    let mut replica =
        TestRedis::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"])
            .await;
    replica.log_line("<-> REPLICA sync: Finished with success").await;
    let (mut sentinel, port) = sentinel(&folder, primary.port, "").await;
    sentinel.log_line("+slave").await;

    let mut cluster = TestCluster::empty();
    let url = format!("redis+sentinel://127.0.0.1:{port}/main");
    for _ in 0..2 {
        cluster.join(&url, REVERB_APP).await;
    }
    linked(&cluster, true).await;
    let mut orders = subscribers(&cluster, "orders").await;
    let mut room = members(&cluster, "presence-room").await;
    assert_events_flow(&cluster, &mut orders, "orders").await;

    primary.kill();
    sentinel.log_line("+switch-master").await;
    eventually("nobody to be without a link", async || {
        cluster.nodes.iter().all(|node| {
            node.metric("resound_cluster_links_lost_total") >= 1.0
                && node.metric("resound_cluster_connected") == 1.0
        })
    })
    .await;
    cluster.settle().await;
    assert_events_flow(&cluster, &mut orders, "orders").await;
    for socket in &mut room {
        assert_eq!(socket.receive_all().await, Vec::<String>::new(), "nobody left");
    }
    let keys: i64 = replica.ask(&["DBSIZE"]).await;
    assert!(keys > 0, "the replica is what is used now");
}
