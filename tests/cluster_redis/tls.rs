//! A Redis over TLS, with a certificate of a private authority.

use std::process::{Command, Stdio};

use crate::faults::fault;
use crate::fixture::{assert_events_flow, linked, subscribers};
use crate::harness::redis::{TestRedis, is_left_out};
use crate::harness::server::REVERB_APP;
use crate::harness::{Folder, TestCluster};

/// The names in the certificate by which tests reach it.
const NAMES: &str = "DNS:localhost, IP:127.0.0.1";

/// A folder with an authority, `ca.pem`, and a certificate for these names that it has signed, `redis.pem`.
fn certificates(names: &str) -> Folder {
    certificates_of_days(names, 2)
}

/// The same, valid for so many days; it has expired already if they are negative.
fn certificates_of_days(names: &str, days: i32) -> Folder {
    let folder = Folder::new();
    let openssl = |arguments: &str| {
        let arguments = arguments.replace("$folder", &folder.to_string());
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        let made = command.status().expect("openssl, of the package openssl, is installed");
        assert!(made.success(), "openssl {arguments}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    folder.write("names", &format!("subjectAltName = {names}\n"));
    openssl(&format!("req -x509 {key} -subj /CN=ours -keyout $folder/ca.key -out $folder/ca.pem"));
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
         -keyout $folder/redis.key -out $folder/redis.request",
    );
    openssl(&format!(
        "x509 -req -in $folder/redis.request -CA $folder/ca.pem -CAkey $folder/ca.key \
         -CAcreateserial -days {days} -extfile $folder/names -out $folder/redis.pem",
    ));
    folder
}

/// A Redis with TLS alone that presents this certificate, and the file with the authority.
async fn redis_with(folder: Folder, certificate: &str, clients: &str) -> (TestRedis, String) {
    let authority = folder.path("ca.pem");
    let (file, key) = (format!("$folder/{certificate}.pem"), format!("$folder/{certificate}.key"));
    let options = [
        ["--port", "0"],
        ["--tls-port", "$port"],
        ["--tls-cert-file", &file],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", "$folder/ca.pem"],
        ["--tls-auth-clients", clients],
    ];
    (TestRedis::within_folder(folder, options.as_flattened()).await, authority)
}

async fn redis() -> (TestRedis, String) {
    redis_with(certificates(NAMES), "redis", "no").await
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

/// Names, in the log of a node with this address, the cause and what to change.
async fn check(url: &str, authority: &str, parts: &[&str]) {
    let line = fault(&[("RESOUND_CLUSTER_URL", url), ("RESOUND_CLUSTER_CA_FILE", authority)]).await;
    for part in parts {
        assert!(line.contains(part), "{url}: {line} lacks {part}");
    }
}

#[tokio::test]
async fn a_redis_without_tls_and_one_with_nothing_else_are_recognized() {
    if is_left_out() {
        return;
    }
    let (secure, authority) = redis().await;
    let plain = TestRedis::start().await;
    let url = format!("redis://localhost:{}", secure.port);
    check(&url, "", &["closed the connection", "begin cluster.url with rediss://"]).await;
    let url = format!("rediss://localhost:{}", plain.port);
    check(&url, &authority, &["begin cluster.url with redis://"]).await;
}

#[tokio::test]
async fn a_certificate_that_is_refused_names_why_and_what_to_change() {
    if is_left_out() {
        return;
    }
    let (redis, _) = redis().await;
    let url = |redis: &TestRedis| format!("rediss://localhost:{}", redis.port);
    check(&url(&redis), "", &["an authority that is not trusted", "set cluster.ca_file"]).await;

    let folder = certificates("DNS:redis.example");
    let (other, ca) = redis_with(folder, "redis", "no").await;
    check(&url(&other), &ca, &["for other host names", "cluster.host or cluster.url"]).await;

    let (own, ca) = redis_with(certificates(NAMES), "ca", "no").await;
    check(&url(&own), &ca, &["self-signed as that of an authority", "make an authority"]).await;

    let (late, ca) = redis_with(certificates_of_days(NAMES, -1), "redis", "no").await;
    check(&url(&late), &ca, &["expired", "renew it, or set the clock"]).await;

    let (strict, ca) = redis_with(certificates(NAMES), "redis", "yes").await;
    check(&url(&strict), &ca, &["tls-auth-clients no"]).await;
}
