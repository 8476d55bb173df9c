//! A log that takes no lines: the server serves as before, ends in time, and says what is lost.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bystander::Bystander;
use crate::harness::redis::free_port;
use crate::harness::wire::{TEXT, Wire, frame};
use crate::harness::{eventually, within};

/// A server whose log goes to `stderr`. It is killed when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    metrics: SocketAddr,
}

impl Server {
    async fn start(stderr: Stdio, variables: &[(&str, &str)]) -> Self {
        let [address, metrics] =
            [free_port(), free_port()].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_resound"));
        command.args(["serve", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
        command.env_clear().envs(variables.iter().copied()).envs([
            ("REVERB_APP_ID", "123456"),
            ("REVERB_APP_KEY", "reverb-key"),
            ("REVERB_APP_SECRET", "reverb-secret"),
            ("RESOUND_METRICS_LISTEN", &metrics.to_string()),
        ]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let server = Self { child: child.unwrap(), address, metrics };
        let is_up = async || tokio::net::TcpStream::connect(address).await.is_ok();
        eventually("the server", is_up).await;
        server
    }

    async fn get(&self, address: SocketAddr, path: &str) -> String {
        let mut wire = Wire::open(address).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    async fn lines_dropped(&self) -> u64 {
        let text = self.get(self.metrics, "/metrics").await;
        let value =
            text.lines().find_map(|line| line.strip_prefix("resound_log_lines_dropped_total "));
        value.unwrap().parse().unwrap()
    }

    /// Messages that are refused, each of which `log.debug` shows: 100 a second.
    async fn log_much(&self) {
        let mut wire = Wire::socket(self.address).await;
        wire.send(frame(TEXT, "x".repeat(300)).repeat(100)).await;
        for _ in 0..100 {
            assert!(wire.text().await.contains("pusher:error"));
        }
    }

    /// Ends on SIGTERM with 0, soon.
    async fn ends(mut self) {
        let begun = Instant::now();
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap().code());
        assert_eq!(within("the end of the server", ended).await.unwrap(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let server = Server::start(full.into(), &[("RESOUND_LOG_DEBUG", "true")]).await;
    let mut bystander = Bystander::at(server.address).await;
    eventually("a lost line to be counted", async || server.lines_dropped().await > 0).await;
    let metrics = server.get(server.metrics, "/metrics").await;
    assert!(
        metrics.contains("resound_condition{condition=\"log_lines_dropped\"} 1\n"),
        "{metrics}"
    );
    let ready = server.get(server.address, "/ready").await;
    let reason = r#""condition":"log_lines_dropped","severity":"degraded""#;
    assert!(ready.contains("\"ready\":true") && ready.contains(reason), "{ready}");
    bystander.is_served().await;
    drop(bystander);
    server.ends().await;
}

#[tokio::test]
async fn a_closed_pipe_costs_lines_and_nothing_else() {
    let server = Server::start(Stdio::piped(), &[]).await;
    let mut server = server;
    drop(server.child.stderr.take());
    let mut bystander = Bystander::at(server.address).await;
    let mut wire = Wire::open(server.address).await;
    wire.send("GET /apps/0/channels HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.reply().await.status, 404);
    eventually("a lost line to be counted", async || server.lines_dropped().await > 0).await;
    bystander.is_served().await;
    drop((wire, bystander));
    server.ends().await;
}

/// The pipe of the kernel holds 64 KB in pages of 4 KB, and lines of up to 1 KB leave up to a quarter of each free.
#[tokio::test]
async fn a_pipe_that_is_not_read_delays_nothing() {
    let mut server = Server::start(Stdio::piped(), &[("RESOUND_LOG_DEBUG", "true")]).await;
    let mut stderr = server.child.stderr.take().unwrap();
    let mut bystander = Bystander::at(server.address).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        server.log_much().await;
        bystander.is_served().await;
    }
    drop(bystander);
    server.ends().await;
    let mut log = Vec::new();
    stderr.read_to_end(&mut log).unwrap();
    assert!(log.len() >= 48 << 10, "the pipe was full: {} bytes", log.len());
}
