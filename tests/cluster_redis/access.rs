//! Addresses and credentials of a Redis that requires them.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;

use crate::fixture::{assert_events_flow, linked, members, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, Folder, TestCluster, TestServer};

/// The guide that lists what the user of a node must be allowed, and nothing else.
const GUIDE: &str = include_str!("../../config/README.md");

/// The rights of the guide's line for Redis: keys and topics that begin with its prefix, and commands.
fn documented_rights() -> &'static str {
    let line = GUIDE.lines().find_map(|line| line.strip_prefix("user resound on >PASSWORD "));
    line.expect("config/README.md has the line of an ACL file")
}

/// The same in a Redis Cluster, for this prefix.
pub(crate) async fn cluster_rights(prefix: &str, redis: &TestRedis) -> String {
    let line =
        GUIDE.lines().find_map(|line| line.strip_prefix("In a Redis Cluster it also needs `"));
    let more = line.and_then(|line| line.split_once('`')).expect("the rights there").0;
    let mut rights = documented_rights().to_owned();
    if is_unknown("client|setinfo", redis).await {
        rights = rights.replace("+client|setinfo ", "");
    }
    let rights = rights.replace("~resound", &format!("~{prefix}"));
    format!("{} {more}", rights.replace("&resound", &format!("&{prefix}")))
}

/// Settings with which nodes send Redis more than with the defaults; the webhook has no receiver.
const EVERYTHING: &str = "subscription_count_events = true\nmax_connections = 50\n\
                          [[apps.webhooks]]\nurl = \"http://127.0.0.1:9/\"\n";

/// Two nodes that reach Redis this way share events and rosters.
async fn assert_works(redis_url: &str, toml: &str) -> TestCluster {
    let mut cluster = TestCluster::empty();
    for _ in 0..2 {
        cluster.join(redis_url, &format!("{toml}{REVERB_APP}")).await;
    }
    assert_cluster_works(&cluster).await;
    cluster
}

async fn assert_cluster_works(cluster: &TestCluster) {
    linked(cluster, true).await;
    cluster.settle().await;
    let mut sockets = subscribers(cluster, "orders").await;
    assert_events_flow(cluster, &mut sockets, "orders").await;
    let _members = members(cluster, "presence-room").await;
    let mut backend = cluster.nodes[0].backend();
    let users = backend.get("/channels/presence-room/users", &[]).await;
    assert_eq!(users.body, r#"{"users":[{"id":"0"},{"id":"1"}]}"#);
}

#[tokio::test]
async fn a_password_opens_it() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--requirepass", "opens@it"]).await;
    let url = format!("redis://127.0.0.1:{}", redis.port);
    assert_works(&format!("redis://:opens%40it@127.0.0.1:{}", redis.port), "").await;
    assert_works(&url, "cluster.password = \"opens@it\"\n").await;
}

#[tokio::test]
async fn a_wrong_password_leaves_each_node_alone() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--requirepass", "right"]).await;
    let mut cluster = TestCluster::empty();
    let url = format!("redis://:wrong@127.0.0.1:{}", redis.port);
    cluster.join(&url, REVERB_APP).await;
    let mut socket = cluster.nodes[0].connect().await;
    socket.subscribe("orders").await;
    cluster.nodes[0].backend().trigger("orders", "news", "{}").await;
    assert_eq!(socket.receive_json().await["event"], "news");
    assert_eq!(cluster.nodes[0].metric("resound_cluster_connected"), 0.0);
}

#[tokio::test]
async fn a_database_has_a_number() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let cluster = assert_works(&format!("{}/3", redis.url), "").await;
    let keys = async |database: &str| {
        let mut connection = redis.connection().await;
        let mut select = redis::cmd("SELECT");
        select.arg(database).exec_async(&mut connection).await.unwrap();
        let all: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        all
    };
    assert_eq!(keys("0").await, Vec::<String>::new());
    assert!(keys("3").await.iter().any(|key| key.starts_with(&cluster.prefix)));
}

#[tokio::test]
async fn a_unix_socket_is_a_way_too() {
    if is_left_out() {
        return;
    }
    let folder = Folder::new();
    let socket = folder.path("redis.sock");
    let options = ["--port", "0", "--unixsocket", "$folder/redis.sock", "--requirepass", "pw"];
    let _redis = TestRedis::within_folder(folder, &options).await;
    assert_works(&format!("unix://{socket}"), "cluster.password = \"pw\"\n").await;
    assert_works("", &format!("cluster.host = \"{socket}\"\ncluster.password = \"pw\"\n")).await;
}

/// Everything a cluster does, by a user who may do nothing else.
#[tokio::test]
async fn a_user_needs_no_more_than_the_prefix_and_these_commands() {
    if is_left_out() {
        return;
    }
    for wire in ["pubsub", "streams"] {
        let redis = TestRedis::start().await;
        let mut cluster = TestCluster::empty();
        let pattern = |kind: &str| format!("{kind}{}", cluster.prefix);
        let rights = documented_rights()
            .replace("~resound", &pattern("~"))
            .replace("&resound", &pattern("&"));
        let mut words = vec!["ACL", "SETUSER", "node", "on", ">opens"];
        words.extend(rights.split(' '));
        if is_unknown("client|setinfo", &redis).await {
            words.retain(|word| *word != "+client|setinfo");
        }
        let _: String = redis.ask(&words).await;
        let url = format!("redis://node:opens@127.0.0.1:{}", redis.port);
        let toml = format!("cluster.transport = \"{wire}\"\n{REVERB_APP}{EVERYTHING}");
        for _ in 0..2 {
            cluster.join(&url, &toml).await;
        }
        // What Redis refuses is reported before what was waited for in vain.
        let served = AssertUnwindSafe(everything(&mut cluster)).catch_unwind().await;
        let log: Vec<redis::Value> = redis.ask(&["ACL", "LOG"]).await;
        assert!(log.is_empty(), "refused over {wire}: {log:?}");
        served.unwrap_or_else(|panic| resume_unwind(panic));
        assert_eq!(cluster.nodes.iter().map(lost).sum::<f64>(), 0.0);
    }
}

/// Whether rights to it are refused. Redis 7.0 refuses those of a command it does not have, and
/// does not have the one with which connections name their library.
async fn is_unknown(command: &str, redis: &TestRedis) -> bool {
    let mut allow = redis::cmd("ACL");
    allow.arg("SETUSER").arg("nobody").arg(format!("+{command}"));
    let mut connection = redis.connection().await;
    let allowed: Result<String, _> = allow.query_async(&mut connection).await;
    allowed.is_err()
}

fn lost(node: &TestServer) -> f64 {
    node.metric("resound_cluster_links_lost_total")
}

/// Every kind of request to Redis.
pub(crate) async fn everything(cluster: &mut TestCluster) {
    linked(cluster, true).await;
    cluster.settle().await;
    let members = members(cluster, "presence-cache-room").await;
    let mut sockets = Vec::new();
    for node in &cluster.nodes {
        let mut socket = node.connect().await;
        socket.subscribe_signed("private-cache-x", None).await;
        socket.receive_all().await;
        let data = r#"{"id":"7","watchlist":["8"]}"#;
        socket.sign_in(data).await;
        sockets.push(socket);
    }
    let mut backend: Backend = cluster.nodes[1].backend();
    backend.trigger("private-cache-x", "news", "{}").await;
    for path in ["/channels", "/channels/private-cache-x", "/channels/presence-cache-room/users"] {
        assert_eq!(backend.get(path, &[]).await.status, 200);
    }
    assert_eq!(backend.post("/users/7/terminate_connections", "{}").await.status, 200);
    for mut socket in sockets {
        socket.receive_close().await;
    }
    drop(members);
    let mut leaver = cluster.nodes.pop().unwrap();
    leaver.stop();
    leaver.ended().await;
}

/// The test above comes through few lines of the scripts; a command of any of them is in the list.
#[test]
fn the_commands_of_the_scripts_are_allowed() {
    let mut calls = 0;
    for script in std::fs::read_dir("src/cluster/redis/lua").unwrap() {
        let path = script.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for called in text.split("redis.call('").skip(1) {
            let command = called.split('\'').next().unwrap().to_lowercase();
            let allowed = documented_rights().split(' ').any(|word| word == format!("+{command}"));
            assert!(allowed, "{} calls {command}", path.display());
            calls += 1;
        }
    }
    assert!(calls > 0, "no script calls Redis; have they moved?");
}
