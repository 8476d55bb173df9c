//! How long an event takes from the request to every subscriber, and what a delivery costs.
//!
//! Question: with N sockets on one channel and M signed triggers one after another, is every
//! event delivered, what are the latencies, and how much CPU does the server spend per delivery?
//! Exercises the whole server as a process of its own, over loopback. The floor is the kernel's
//! send: 2.5 to 6 µs a delivery on the 2-core machines this was written on.
//!
//! `cargo bench --bench delivery [-- CONNECTIONS TRIGGERS]`, by default 100 and 100.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people to read, not a part of the server"
)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Backend, TestSocket, within};
use tokio::task::JoinSet;

/// 128 bytes, about what a dashboard update has.
const PAYLOAD_BYTES: usize = 128;

fn main() {
    let mut numbers =
        std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (sockets, triggers) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(100));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let complete = runtime.block_on(measure(sockets, triggers));
    std::process::exit(i32::from(!complete));
}

async fn measure(sockets: usize, triggers: usize) -> bool {
    let server = Process::start();
    let start = Instant::now();
    let mut readers = JoinSet::new();
    let cpu_before = server.cpu();
    for _ in 0..sockets {
        let mut socket = TestSocket::greeted(server.address, "/app/reverb-key?protocol=7").await;
        socket.subscribe("orders").await;
        readers.spawn(async move {
            let mut latencies = Vec::with_capacity(triggers);
            for _ in 0..triggers {
                let event = socket.hear_json().await;
                let sent: u64 = event["data"].as_str().unwrap()[..20].trim().parse().unwrap();
                latencies.push(start.elapsed().saturating_sub(Duration::from_nanos(sent)));
            }
            latencies
        });
    }
    let connecting = server.cpu() - cpu_before;
    let mut backend = Backend::new(server.address, "123456", "reverb-key", "reverb-secret");
    let cpu_before = server.cpu();
    for _ in 0..triggers {
        let data = format!("{:<PAYLOAD_BYTES$}", format!("{:>20}", start.elapsed().as_nanos()));
        backend.trigger("orders", "updated", &data).await;
    }
    let mut latencies = Vec::new();
    while let Some(read) = within("all deliveries", readers.join_next()).await {
        latencies.extend(read.expect("a reader that heard everything"));
    }
    report(
        &mut latencies,
        sockets * triggers,
        connecting / sockets as u32,
        server.cpu() - cpu_before,
    )
}

fn report(latencies: &mut [Duration], expected: usize, connect: Duration, cpu: Duration) -> bool {
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let delivered = latencies.len();
    println!("delivered {delivered} of {expected}");
    println!("latency p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    println!(
        "server CPU {connect:?} per connect and subscribe, {:?} per delivery",
        cpu / delivered as u32
    );
    delivered == expected
}

/// The server as a process of its own; killed at the end.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_resound"))
            .args(["serve", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"])
            .envs([("REVERB_APP_ID", "123456"), ("REVERB_APP_KEY", "reverb-key")])
            .env("REVERB_APP_SECRET", "reverb-secret")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let started = lines.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
            line.get("address")?.as_str()?.parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: started.expect("a line with the address") }
    }

    /// User and system time so far, from `/proc`.
    fn cpu(&self) -> Duration {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        let after_name = stat.rsplit(") ").next().expect("fields behind the name");
        let ticks = |field: usize| {
            after_name.split(' ').nth(field).and_then(|text| text.parse::<u64>().ok())
        };
        Duration::from_millis(10 * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
