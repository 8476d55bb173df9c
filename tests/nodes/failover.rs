//! Sentinel makes a replica the primary, and the nodes go with it.

use crate::harness::redis::{Process, TestRedis, free_port, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, Program, TestCluster, eventually};
use crate::stage::{assert_events_flow, linked, members, subscribers};

/// One Sentinel that decides alone, and soon; with the port it answers on. `more` are further lines of
/// its configuration.
async fn sentinel(folder: &Folder, primary: u16, more: &str) -> (Process, u16) {
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
    replica.says("<-> REPLICA sync: Finished with success").await;
    let (mut sentinel, port) = sentinel(&folder, primary.port, "").await;
    sentinel.says("+slave").await;

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
    sentinel.says("+switch-master").await;
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
        assert_eq!(socket.hear_all().await, Vec::<String>::new(), "nobody left");
    }
    let keys: i64 = replica.ask(&["DBSIZE"]).await;
    assert!(keys > 0, "the replica is what is used now");
}

/// Half of an address has credentials: those of the sentinels, of Redis, or both.
#[tokio::test]
async fn sentinels_may_ask_for_a_password() {
    if is_left_out() {
        return;
    }
    let folder = Folder::new();
    let open = TestRedis::start().await;
    let (_sentinel, port) = sentinel(&folder, open.port, "requirepass of-sentinels\n").await;
    let url = format!("redis+sentinel://127.0.0.1:{port}/main");
    let mut cluster = TestCluster::empty();
    let toml = format!("cluster.sentinel_password = \"of-sentinels\"\n{REVERB_APP}");
    cluster.join(&url, &toml).await;
    linked(&cluster, true).await;

    // Without it, and with a wrong one, the log names who refuses and what to set.
    for password in ["", "wrong"] {
        let mut program = Program::start(&[
            ("RESOUND_CLUSTER_ENABLED", "true"),
            ("RESOUND_CLUSTER_URL", &url),
            ("RESOUND_CLUSTER_SENTINEL_PASSWORD", password),
        ])
        .await;
        let line = program.says("Redis is away").await;
        let named = format!("the sentinel 127.0.0.1:{port} refuses to answer");
        assert!(line.contains(&named) && line.contains("cluster.sentinel_password"), "{line}");
    }

    // One password for all, as it stands in the URL.
    let shut = TestRedis::with(&["--requirepass", "of-all"]).await;
    let more = "requirepass of-all\nsentinel auth-pass main of-all\n";
    let (_sentinel, port) = sentinel(&folder, shut.port, more).await;
    let mut cluster = TestCluster::empty();
    let url = format!("redis+sentinel://:of-all@127.0.0.1:{port}/main");
    cluster.join(&url, REVERB_APP).await;
    linked(&cluster, true).await;
}
