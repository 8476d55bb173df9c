//! Nothing a node says to Redis would let a reader in.

use futures_util::StreamExt;

use crate::fixture::members;
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::{TestCluster, within};

/// Everything that is said to this Redis up to a word of the test's own.
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
    let whisper = r#"{"event":"client-typing","channel":"private-chat","data":{}}"#;
    socket.send_text(whisper).await;
    socket.sign_in(r#"{"id":"ann","watchlist":["bob"]}"#).await;
    let mut backend = cluster.nodes[1].backend();
    backend.trigger("presence-cache-room", "news", "{}").await;
    backend.get("/channels", &[]).await;
    backend.post("/users/ann/terminate_connections", "{}").await;
    socket.receive_close().await;
    drop(members);
    cluster.settle().await;
    let _: String = redis.ask(&["ECHO", "the end"]).await;

    let mut said = monitor.into_on_message::<String>();
    let mut all = Vec::new();
    let until_the_end = async {
        while let Some(line) = said.next().await {
            if line.contains("the end") {
                return;
            }
            all.push(line);
        }
    };
    within("the end", until_the_end).await;
    for what in ["presence-cache-room", "private-chat", "client-typing", "server-to-user-ann"] {
        assert!(all.iter().any(|line| line.contains(what)), "{what} was not said at all");
    }
    for secret in ["reverb-key", "reverb-secret"] {
        let told: Vec<_> = all.iter().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{told:#?}");
    }
}
