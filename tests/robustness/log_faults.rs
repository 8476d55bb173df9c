//! A log that takes no lines: the server serves as before, ends in time, and says what is lost.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bystander::Bystander;
use crate::harness::eventually;
use crate::harness::unwatched::Unwatched;
use crate::harness::wire::Wire;

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let server = Unwatched::start(full.into(), &[("RESOUND_LOG_DEBUG", "true")]).await;
    let mut bystander = Bystander::at(server.address).await;
    eventually("a lost line to be counted", async || server.lines_dropped().await > 0).await;
    let metrics = server.metrics().await;
    assert!(
        metrics.contains("resound_condition{condition=\"log_lines_dropped\"} 1\n"),
        "{metrics}"
    );
    let ready = server.get("/ready").await;
    let reason = r#""condition":"log_lines_dropped","severity":"degraded""#;
    assert!(ready.contains("\"ready\":true") && ready.contains(reason), "{ready}");
    bystander.is_served().await;
    drop(bystander);
    server.ends().await;
}

#[tokio::test]
async fn a_closed_pipe_costs_lines_and_nothing_else() {
    let server = Unwatched::start(Stdio::piped(), &[]).await;
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
    let mut server = Unwatched::start(Stdio::piped(), &[("RESOUND_LOG_DEBUG", "true")]).await;
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
