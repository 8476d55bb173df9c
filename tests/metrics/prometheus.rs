//! A stock Prometheus that scrapes the internal listener with a token from a file.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::redis::free_port;
use crate::harness::server::REVERB_APP;
use crate::harness::{Backend, Folder, TestServer, within};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A Prometheus that scrapes one target ten times a second. Dropping it kills it.
struct Prometheus {
    api: Backend,
    _process: Child,
    _folder: Folder,
}

impl Prometheus {
    async fn start(target: SocketAddr, token: &str) -> Self {
        let folder = Folder::new();
        // Files that people write end with a line break.
        let token = folder.write("resound.token", &format!("{token}\n"));
        let job = format!(
            "global: {{scrape_interval: 100ms}}\n\
             scrape_configs:\n  - job_name: resound\n    authorization:\n      credentials_file: {token}\n    \
             static_configs:\n      - targets: [\"{target}\"]\n"
        );
        let file = folder.write("prometheus.yml", &job);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={file}"));
        command.arg(format!("--storage.tsdb.path={folder}/data"));
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn().expect("tests/install installs it");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        within("Prometheus", async {
            while let Some(line) = log.next_line().await.unwrap() {
                if line.contains("Server is ready to receive web requests") {
                    return;
                }
            }
            panic!("Prometheus has ended");
        })
        .await;
        // Its log is read on, so that it never waits for that.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { api: Backend::new(address, "", "", ""), _process: process, _folder: folder }
    }

    /// What is known of the target once it has been scraped.
    async fn target(&mut self) -> Value {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        within("a scrape", async {
            loop {
                ticks.tick().await;
                let answer = self.api.send("GET", "/api/v1/targets", "").await.json();
                let target = answer["data"]["activeTargets"][0].clone();
                if target["health"] != "unknown" && !target.is_null() {
                    return target;
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn prometheus_scrapes_the_internal_listener_with_a_token_from_a_file() {
    let internal = format!("[internal]\nlisten = [\"127.0.0.1:0\"]\ntoken = \"{TOKEN}\"\n");
    let server = TestServer::with(&format!("{REVERB_APP}{internal}")).await;
    let _socket = server.connect().await;
    let address = server.internal_address.unwrap();

    let other = TOKEN.replace('0', "1");
    // Side by side: each finds its targets five seconds after its start.
    let (mut right, mut wrong) =
        tokio::join!(Prometheus::start(address, TOKEN), Prometheus::start(address, &other));
    let (target, refused) = tokio::join!(right.target(), wrong.target());
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{target}");
    let query = "/api/v1/query?query=resound_connections%7Bapp%3D%22123456%22%7D";
    let found = right.api.send("GET", query, "").await.json();
    assert_eq!(found["data"]["result"][0]["value"][1], "1", "{found}");

    assert_eq!(refused["health"], "down");
    assert_eq!(refused["lastError"], "server returned HTTP status 401 Unauthorized");
}
