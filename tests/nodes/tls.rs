//! A Redis that speaks TLS, with a certificate of an authority of one's own.

use std::process::{Command, Stdio};

use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, Program, TestCluster};
use crate::stage::{assert_events_flow, linked, subscribers};

/// A Redis that speaks nothing else, and the file with the authority.
async fn redis() -> (TestRedis, String) {
    let folder = Folder::new();
    let openssl = |arguments: &str| {
        let arguments = arguments.replace("$folder", &folder.to_string());
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        let made = command.status().expect("openssl, of the package openssl, is installed");
        assert!(made.success(), "openssl {arguments}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    folder.write("names", "subjectAltName = DNS:localhost, IP:127.0.0.1\n");
    openssl(&format!("req -x509 {key} -subj /CN=ours -keyout $folder/ca.key -out $folder/ca.pem"));
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
         -keyout $folder/redis.key -out $folder/redis.request",
    );
    openssl(
        "x509 -req -in $folder/redis.request -CA $folder/ca.pem -CAkey $folder/ca.key \
         -CAcreateserial -days 2 -extfile $folder/names -out $folder/redis.pem",
    );
    let authority = folder.path("ca.pem");
    let options = [
        "--port",
        "0",
        "--tls-port",
        "$port",
        "--tls-cert-file",
        "$folder/redis.pem",
        "--tls-key-file",
        "$folder/redis.key",
        "--tls-ca-cert-file",
        "$folder/ca.pem",
        "--tls-auth-clients",
        "no",
    ];
    (TestRedis::within_folder(folder, &options).await, authority)
}

#[tokio::test]
async fn an_authority_of_ones_own_is_enough() {
    if is_left_out() {
        return;
    }
    let (redis, authority) = redis().await;
    let port = redis.port;
    let laravels = format!("cluster.host = \"tls://127.0.0.1\"\ncluster.port = {port}\n");
    for (url, more) in [(format!("rediss://localhost:{port}"), ""), (String::new(), &*laravels)] {
        let mut cluster = TestCluster::empty();
        let toml = format!("{more}cluster.ca_file = \"{authority}\"\n{REVERB_APP}");
        for _ in 0..2 {
            cluster.join(&url, &toml).await;
        }
        linked(&cluster, true).await;
        let mut sockets = subscribers(&cluster, "orders").await;
        assert_events_flow(&cluster, &mut sockets, "orders").await;
    }
}

/// The log names the cause, not only that Redis is away.
#[tokio::test]
async fn without_it_the_log_says_why() {
    if is_left_out() {
        return;
    }
    let (redis, _) = redis().await;
    let url = format!("rediss://localhost:{}", redis.port);
    let variables = [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URL", url.as_str())];
    let said = Program::start(&variables).await.says("Redis is away").await;
    assert!(said.contains("certificate"), "{said}");
}

/// TLS on one side only: the log names the cause and the key.
#[tokio::test]
async fn the_log_says_which_side_has_no_tls() {
    if is_left_out() {
        return;
    }
    let (secure, _) = redis().await;
    let plain = TestRedis::start().await;
    let check = async |url: &str, parts: &[&str]| {
        let variables = [("RESOUND_CLUSTER_ENABLED", "true"), ("RESOUND_CLUSTER_URL", url)];
        let mut program = Program::start(&variables).await;
        let line = program.says("Redis is away").await;
        assert!(parts.iter().all(|part| line.contains(part)), "{url}: {line}");
    };
    let without = format!("redis://127.0.0.1:{}", secure.port);
    check(&without, &["the peer closed the connection", "rediss://"]).await;
    let with = format!("rediss://127.0.0.1:{}", plain.port);
    check(&with, &["write redis://"]).await;
    let stranger = format!("rediss://127.0.0.1:{}", secure.port);
    check(&stranger, &["an authority that is not trusted", "cluster.ca_file"]).await;
    check("redis://127.0.0.1:9", &["nothing listens on that port", "cluster.port"]).await;
    check("redis://no-such-host.invalid", &["no address (DNS)", "cluster.host"]).await;
}
