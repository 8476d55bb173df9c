//! A program whose log goes where the test says, in place of the test: to a full disk, or to a pipe that is not read.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::eventually;
use super::redis::free_port;
use super::wire::{TEXT, Wire, frame};

/// A server of Reverb's test app with `log.debug`, or without. It is killed when it is dropped.
pub struct Unwatched {
    pub child: Child,
    pub address: SocketAddr,
    metrics: SocketAddr,
}

impl Unwatched {
    pub async fn start(stderr: Stdio, variables: &[(&str, &str)]) -> Self {
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

    pub async fn get(&self, path: &str) -> String {
        get(self.address, path).await
    }

    pub async fn metrics(&self) -> String {
        get(self.metrics, "/metrics").await
    }

    pub async fn lines_dropped(&self) -> u64 {
        let text = self.metrics().await;
        let value =
            text.lines().find_map(|line| line.strip_prefix("resound_log_lines_dropped_total "));
        value.unwrap().parse().unwrap()
    }

    /// Messages that are refused, each of which `log.debug` shows: 100 a second.
    pub async fn log_much(&self) {
        let mut wire = Wire::socket(self.address).await;
        wire.send(frame(TEXT, "x".repeat(300)).repeat(100)).await;
        for _ in 0..100 {
            assert!(wire.text().await.contains("pusher:error"));
        }
    }

    /// Ends on SIGTERM with 0, soon.
    pub async fn ends(mut self) {
        let begun = Instant::now();
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut ended = None;
        eventually("the end of the server", async || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        assert_eq!(ended.and_then(|status| status.code()), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    }
}

impl Drop for Unwatched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of an answer 200.
pub async fn get(address: SocketAddr, path: &str) -> String {
    let mut wire = Wire::open(address).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}
