//! Memory that runs out, below a bound that is low for a test: the slowest readers go, newcomers are refused, the others
//! get everything; and it is over when memory is free again.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::bystander::{Bystander, backend};
use crate::harness::redis::free_port;
use crate::harness::wire::{Farewell, Reply, Wire, handshake};
use crate::harness::{Backend, Program, eventually};

const READY: &str = "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n";
const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const TOO_SLOW: &str = "Over capacity: the client reads too slowly";

const SHORT: &str = "The server is short of memory (limits.memory_bytes) and takes bodies of 16384 bytes at most now: send this one again later";

/// An event of the largest size.
const HEAVY: usize = 100_000;

/// Beside what a build without optimisation has resident at its start, which is mostly its own code.
const ROOM: u64 = 40 << 20;

/// What one pause between two looks, and the rest of an event under way, may add to the bound on a busy machine.
const OVERSHOOT: u64 = 24 << 20;

struct Bounded {
    program: Program,
    metrics: SocketAddr,
    bound: u64,
}

impl Bounded {
    /// A server whose bound leaves [`ROOM`].
    async fn start() -> Self {
        let resident = Program::start(&[]).await.resident();
        let bound = resident + ROOM;
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let variables = [
            ("RESOUND_LIMITS_MEMORY_BYTES", bound.to_string()),
            ("RESOUND_METRICS_LISTEN", metrics.to_string()),
            ("RESOUND_SERVER_WORKERS", "1".to_owned()),
            ("RESOUND_WEBSOCKET_CLOSE_TIMEOUT_SECONDS", "600".to_owned()),
            ("RESOUND_WEBSOCKET_WRITE_TIMEOUT_SECONDS", "600".to_owned()),
            // More than there is memory: it alone would let the process grow until the kernel ends it.
            ("RESOUND_WEBSOCKET_OUTBOX_BYTES", (256 << 20).to_string()),
            ("RESOUND_CACHE_BYTES", (256 << 20).to_string()),
        ];
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, &**value)).collect();
        Self { program: Program::start(&variables).await, metrics, bound }
    }

    fn backend(&self) -> Backend {
        backend(self.program.address)
    }

    async fn ask(address: SocketAddr, request: &str) -> Reply {
        let mut wire = Wire::open(address).await;
        wire.send(request).await;
        wire.reply().await
    }

    async fn ready(&self) -> Reply {
        Self::ask(self.program.address, READY).await
    }

    async fn metric(&self, series: &str) -> u64 {
        let text = Self::ask(self.metrics, METRICS).await.body;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} in\n{text}")).parse().unwrap()
    }

    /// How a handshake ends: with a socket, or with a code.
    async fn knock(&self) -> Result<Wire, Farewell> {
        let mut wire = Wire::open(self.program.address).await;
        wire.send(handshake()).await;
        assert_eq!(wire.reply().await.status, 101);
        match wire.text().await.contains("connection_established") {
            true => Ok(wire),
            false => Err(wire.farewell().await),
        }
    }
}

/// A trigger whose channel and data are these.
fn trigger(channel: &str, data: &str) -> String {
    json!({ "name": "event", "channels": [channel], "data": data }).to_string()
}

#[tokio::test]
async fn the_slowest_readers_go_and_the_others_get_everything() {
    const READERS: usize = 4;
    let mut server = Bounded::start().await;
    let mut bystander = Bystander::at(server.program.address).await;
    let mut readers = Vec::new();
    for index in 0..READERS {
        let mut reader = Wire::narrow_socket(server.program.address).await;
        reader.subscribe(&format!("slow-{index}")).await;
        readers.push(reader);
    }
    let mut backend = server.backend();
    let (mut accepted, mut peak) = (vec![0_usize; READERS], 0);
    while server.metric("resound_slow_readers_closed_total").await == 0 {
        assert!(accepted[0] < 2000, "no reader was closed after {accepted:?} events of 100 KB");
        // Twice as much waits for the first as for each of the others.
        for index in [0, 1, 0, 2, 0, 3] {
            let data = format!("{:06}{}", accepted[index], "x".repeat(HEAVY));
            let answer = backend.post("/events", &trigger(&format!("slow-{index}"), &data)).await;
            match answer.status {
                200 => accepted[index] += 1,
                // Refused, and not lost: its back end knows.
                status => assert_eq!((status, &*answer.body), (503, SHORT)),
            }
        }
        bystander.is_served().await;
        peak = peak.max(server.program.resident());
    }
    let line =
        server.program.log_line("the process is short of memory (limits.memory_bytes)").await;
    assert!(line.contains(&format!("limit={}", server.bound)), "{line}");
    assert!(peak < server.bound + OVERSHOOT, "{peak} of {}", server.bound);
    assert!(server.metric("resound_limits_hit_total{limit=\"limits.memory_bytes\"}").await >= 1);
    assert_eq!(server.metric("resound_memory_limit_bytes").await, server.bound);
    eventually("newcomers", async || server.knock().await.is_ok()).await;
    server.program.log_line("the process is no longer short of memory").await;
    assert_eq!(server.ready().await.body, r#"{"ready":true,"cluster":"off"}"#);
    bystander.is_served().await;
    let farewell = readers[0].farewell().await;
    assert_eq!(
        (farewell.code, &*farewell.reason),
        (Some(4100), TOO_SLOW),
        "the slowest goes first"
    );
    let (_, events) = farewell.texts.split_last().expect("the reason");
    for (count, event) in events.iter().enumerate() {
        let event: Value = serde_json::from_str(event).expect("JSON");
        assert!(event["data"].as_str().unwrap().starts_with(&format!("{count:06}")), "in order");
    }
    assert!(events.len() < accepted[0]);
    println!("memory: bound {}, peak {peak}, events accepted {accepted:?}", server.bound);
}

#[tokio::test]
async fn what_cannot_be_freed_refuses_newcomers_until_it_is_gone() {
    let mut server = Bounded::start().await;
    let mut bystander = Bystander::at(server.program.address).await;
    let mut backend = server.backend();
    // Cache channels keep their last event, and the bound of the cache is above that of the process.
    let mut kept = 0;
    loop {
        let body = trigger(&format!("cache-{kept}"), &"x".repeat(HEAVY));
        let answer = backend.post("/events", &body).await;
        if answer.status == 503 {
            assert_eq!(answer.body, SHORT);
            break;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        kept += 1;
        assert!(kept < 2500, "memory was never short");
    }
    for _ in 0..3 {
        let farewell = server.knock().await.err().expect("no memory for it");
        let reason = "Server is short of memory, try again";
        assert_eq!((farewell.code, &*farewell.reason), (Some(4100), reason));
        bystander.is_served().await;
    }
    let ready = server.ready().await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.body,
        r#"{"ready":true,"cluster":"off","reasons":[{"condition":"memory_short","severity":"degraded","text":"the process uses as much memory as limits.memory_bytes allows: new sockets are refused and the slowest are closed; give it more memory, or add a node"}]}"#
    );
    let series = "resound_handshakes_refused_total{code=\"4100\",reason=\"over_memory_limit\"}";
    assert_eq!(server.metric(series).await, 3);
    assert_eq!(server.metric("resound_slow_readers_closed_total").await, 0, "none is slow");
    assert!(server.program.resident() < server.bound + OVERSHOOT);
    server.program.log_line("the process is short of memory (limits.memory_bytes)").await;
    for index in 0..kept {
        // Takes the place of the large one, and is small enough to be taken.
        backend.trigger(&format!("cache-{index}"), "event", "small").await;
    }
    eventually("newcomers", async || server.knock().await.is_ok()).await;
    server.program.log_line("the process is no longer short of memory").await;
    assert_eq!(server.ready().await.body, r#"{"ready":true,"cluster":"off"}"#);
    bystander.is_served().await;
    println!("memory: bound {}, {kept} events kept until it was short", server.bound);
}
