//! No command of a node holds what would let a reader of Redis into an app.

use futures_util::StreamExt;

use crate::fixture::members;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::{TestCluster, within};

/// The last command that is looked at; the text of no script contains it.
const LAST: &str = "last-command-of-the-test";

#[tokio::test]
async fn neither_keys_nor_secrets_nor_signatures_reach_redis() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let client = redis::Client::open(&*redis.url).unwrap();
    let monitor = client.get_async_monitor().await.unwrap();
    let cluster = TestCluster::start(&redis, 2).await;

    let members = members(&cluster, "presence-cache-room").await;
    let mut socket = cluster.nodes[0].connect().await;
    socket.subscribe_signed("private-chat", None).await;
    let client_event = r#"{"event":"client-typing","channel":"private-chat","data":{}}"#;
    socket.send_text(client_event).await;
    socket.sign_in(r#"{"id":"ann","watchlist":["bob"]}"#).await;
    let mut backend = cluster.nodes[1].backend();
    backend.trigger("presence-cache-room", "news", "{}").await;
    backend.get("/channels", &[]).await;
    backend.post("/users/ann/terminate_connections", "{}").await;
    socket.receive_close().await;
    drop(members);
    cluster.settle().await;
    let _: String = redis.ask(&["ECHO", LAST]).await;

    let mut commands = monitor.into_on_message::<String>();
    let mut all = Vec::new();
    let up_to_the_last = async {
        while let Some(line) = commands.next().await {
            if line.contains(LAST) {
                return;
            }
            all.push(line);
        }
    };
    within("the last command", up_to_the_last).await;
    for expected in ["presence-cache-room", "private-chat", "client-typing", "server-to-user-ann"] {
        assert!(all.iter().any(|line| line.contains(expected)), "no command names {expected}");
    }
    for secret in ["reverb-key", "reverb-secret"] {
        let leaks: Vec<_> = all.iter().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}
