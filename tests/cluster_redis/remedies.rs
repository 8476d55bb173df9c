//! The table of what Redis refuses and what to change: rights, logins, versions, states.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use crate::faults::check;
use crate::harness::fake_redis::{FakeRedis, HELLO};
use crate::harness::redis::{TestRedis, free_port, is_left_out, is_valkey};
use crate::harness::{Folder, Program};

/// What a user of a node lacks, and the words that give it.
const RIGHTS: [(&str, &str); 10] = [
    ("-info", "+info"),
    ("-client|id", "+client|id"),
    ("-select", "+select"),
    ("-set", "+set"),
    ("-get", "+get"),
    ("-script|load", "+script|load"),
    ("-evalsha", "+evalsha"),
    ("-hset", "+COMMAND, for the command that ACL LOG shows there"),
    ("resetkeys", "~resound@1:* ~resound@1{*"),
    ("resetchannels", "&resound@1:* &resound@1{*"),
];

#[tokio::test]
async fn a_missing_right_names_the_command_that_gives_it() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let url = format!("redis://node:pw@127.0.0.1:{}/1", redis.port);
    for (lacking, given) in RIGHTS {
        let all = ["ACL", "SETUSER", "node", "reset", "on", ">pw", "~*", "&*", "+@all", lacking];
        let _: String = redis.ask(&all).await;
        // Of what a script may not run only Valkey names the command.
        let given = if lacking == "-hset" && is_valkey() { "+hset" } else { given };
        check(&url, &[&format!("run ACL SETUSER node {given} (")]).await;
    }
}

#[tokio::test]
async fn a_login_that_is_refused_names_the_keys_of_user_and_password() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let _: String = redis.ask(&["ACL", "SETUSER", "node", "on", ">pw", "~*", "&*", "+@all"]).await;
    let _: String = redis.ask(&["ACL", "SETUSER", "gone", "off", ">pw", "~*", "&*", "+@all"]).await;
    for login in ["node:other", "node", "nobody:pw", "gone:pw"] {
        let url = format!("redis://{login}@127.0.0.1:{}", redis.port);
        check(&url, &["WRONGPASS", "correct cluster.username and cluster.password"]).await;
    }
}

#[tokio::test]
async fn a_user_without_a_password_logs_in_as_that_user() {
    if is_left_out() {
        return;
    }
    let redis = TestRedis::start().await;
    let _: String =
        redis.ask(&["ACL", "SETUSER", "open", "on", "nopass", "~*", "&*", "+@all", "-info"]).await;
    let url = format!("redis://open@127.0.0.1:{}", redis.port);
    check(&url, &["run ACL SETUSER open +info"]).await;
}

#[tokio::test]
async fn a_replica_that_has_lost_its_primary_is_named() {
    if is_left_out() {
        return;
    }
    let gone = free_port().to_string();
    let options = ["--replicaof", "127.0.0.1", &gone, "--replica-serve-stale-data", "no"];
    let replica = TestRedis::with(&[&options[..], &["--replica-read-only", "no"]].concat()).await;
    check(&replica.url, &["MASTERDOWN", "set cluster.host or cluster.url to the primary"]).await;
}

fn loading(_: &str) -> String {
    "-LOADING Redis is loading the dataset in memory\r\n".to_owned()
}

/// `HELLO` came with 6.0.
fn version_5(name: &str) -> String {
    let name = name.split(' ').next().unwrap_or_default();
    format!("-ERR unknown command `{name}`, with args beginning with: \r\n")
}

fn version_6_0(name: &str) -> String {
    let info = "# Server\r\nredis_version:6.0.16\r\nredis_mode:standalone\r\n";
    match name {
        "HELLO 3" => HELLO.to_owned(),
        "INFO SERVER" => format!("${}\r\n{info}\r\n", info.len()),
        "CLIENT ID" => ":7\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    }
}

#[tokio::test]
async fn a_redis_that_loads_its_data_or_is_too_old_is_named() {
    let still = FakeRedis::start(loading).await;
    check(&still.url(), &["LOADING", "wait until it has read"]).await;
    let old = FakeRedis::start(version_5).await;
    check(&old.url(), &["6.2 is the oldest that can be used"]).await;
    let older = FakeRedis::start(version_6_0).await;
    check(&older.url(), &["6.0.16", "too old", "6.2 is the oldest"]).await;
}

/// Permissions do not bind root, so the node is another user where the test is root.
#[tokio::test]
async fn a_unix_socket_without_permission_names_the_option_of_redis() {
    if is_left_out() {
        return;
    }
    let folder = Folder::new();
    let socket = folder.path("redis.sock");
    let options = ["--unixsocket", "$folder/redis.sock", "--unixsocketperm", "700"];
    let _redis = TestRedis::within_folder(folder, &options).await;
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let command = if id.starts_with(b"0\n") {
        let mut other = Command::new("setpriv");
        other.args(["--reuid=65534", "--clear-groups"]);
        other
    } else {
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .unwrap();
        Command::new("env")
    };
    let url = format!("unix://{socket}");
    let variables = [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URL", &*url)];
    let mut program = Program::start_by(command, IpAddr::V4(Ipv4Addr::LOCALHOST), &variables).await;
    let line = program.log_line("Redis is away").await;
    assert!(
        line.contains("this process may not open it") && line.contains("unixsocketperm"),
        "{line}"
    );
}
