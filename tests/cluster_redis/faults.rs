//! A Redis that cannot be used: the log names the cause and what to change, once.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::harness::Program;
use crate::harness::redis::{TestRedis, free_port, is_left_out};

/// The line in which a node with these variables logs why Redis is away.
pub(crate) async fn fault(variables: &[(&str, &str)]) -> String {
    start(variables).await.log_line("Redis is away").await
}

/// On a busy machine an answer may take longer than the time-out that is shipped; `variables` may have another one.
async fn start(variables: &[(&str, &str)]) -> Program {
    let patient = [
        ("RESOUND_CLUSTER_ENABLED", "true"),
        ("RESOUND_CLUSTER_LEASE_SECONDS", "60"),
        ("RESOUND_CLUSTER_TIMEOUT_MS", "15000"),
    ];
    let all = [&patient, variables].concat();
    Program::start(&all).await
}

pub(crate) async fn check(url: &str, parts: &[&str]) {
    let line = fault(&[("RESOUND_CLUSTER_URL", url)]).await;
    for part in parts {
        assert!(line.contains(part), "{url}: {line} lacks {part}");
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_names_what_is_there() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    check(&url, &[&url, "nothing listens on that port", "start Redis"]).await;
    check("redis://no-such-host.invalid", &["no address (DNS)", "cluster.host"]).await;
    check("unix:///no/such/redis.sock", &["there is no such file", "start Redis"]).await;
    // A web server.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = peer.shutdown().await;
        }
    });
    check(&url, &["another server listens there", "cluster.port"]).await;
    answering.abort();
}

#[tokio::test]
async fn a_refusal_of_redis_names_the_key_to_change() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--requirepass", "right"]).await;
    check(&redis.url, &["NOAUTH", "set cluster.password (REDIS_PASSWORD)"]).await;
    let wrong = format!("redis://:wrong@127.0.0.1:{}", redis.port);
    check(&wrong, &["WRONGPASS", "correct cluster.username and cluster.password"]).await;
    let open = TestRedis::start().await;
    let database = format!("{}/16", open.url);
    check(&database, &["DB index is out of range", "cluster.database"]).await;
    let _: String = open.ask(&["ACL", "SETUSER", "node", "on", ">pw", "+@all", "-info"]).await;
    let user = format!("redis://node:pw@127.0.0.1:{}", open.port);
    check(&user, &["NOPERM", "run ACL SETUSER node +info"]).await;
}

/// Redis writes the reason and closes before it has read anything.
#[tokio::test]
async fn a_redis_that_closes_new_connections_names_why() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::with(&["--maxclients", "1"]).await;
    let taken = redis.connection().await;
    check(&redis.url, &["max number of clients reached", "raise maxclients"]).await;
    drop(taken);
    // As a Redis without a password answers another machine.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let refusing = tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let _ = peer.write_all(b"-DENIED Redis is running in protected mode because\r\n").await;
        }
    });
    check(&url, &["DENIED", "protected mode", "requirepass"]).await;
    refusing.abort();
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_names_why() {
    if is_left_out() {
        return;
    }
    let full = TestRedis::with(&["--maxmemory", "1"]).await;
    check(&full.url, &["OOM", "raise maxmemory"]).await;
    let primary = TestRedis::start().await;
    let port = primary.port.to_string();
    let replica = TestRedis::with(&["--replicaof", "127.0.0.1", &port]).await;
    check(&replica.url, &["READONLY", "to the primary"]).await;
    let alone = TestRedis::with(&["--min-replicas-to-write", "1"]).await;
    check(&alone.url, &["NOREPLICAS", "min-replicas-to-write"]).await;
}

/// The node connects five times a second, and each connection is of use for its first question only.
#[tokio::test]
async fn each_cause_is_logged_once_until_redis_can_be_used() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let _: String =
        redis.ask(&["ACL", "SETUSER", "node", "on", ">pw", "~*", "&*", "+@all", "-evalsha"]).await;
    let url = format!("redis://node:pw@127.0.0.1:{}", redis.port);
    let mut program = start(&[("RESOUND_CLUSTER_URL", &url)]).await;
    program.log_line("Redis is away").await;
    attempts(&redis, 3).await;
    assert_eq!(program.lines_logged(), 0, "another attempt is no news");
    let _: String =
        redis.ask(&["ACL", "SETUSER", "node", "on", ">other", "resetpass", ">other"]).await;
    let line = program.log_line("Redis is away").await;
    assert!(line.contains("WRONGPASS"), "another cause: {line}");
    let _: String = redis.ask(&["ACL", "SETUSER", "node", ">pw", "+evalsha"]).await;
    program.log_line("connected to Redis").await;
}

/// Waits until so many more connections were made.
async fn attempts(redis: &TestRedis, more: u64) {
    let before = connections(redis).await;
    crate::harness::eventually("further attempts", async || {
        // Each look is a connection, too.
        connections(redis).await >= before + 2 * more
    })
    .await;
}

async fn connections(redis: &TestRedis) -> u64 {
    let info: String = redis.ask(&["INFO", "stats"]).await;
    let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.unwrap().parse().unwrap()
}
