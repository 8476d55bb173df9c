//! A long day in a minute: what is done a hundred thousand times leaves nothing behind.
//!
//! Judged by the trend of the program's memory, never by time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::bystander::{Bystander, backend};
use crate::harness::eventually;
use crate::harness::program::{Memory, Program};
use crate::wire::{CLOSE, TEXT, Wire, frame, handshake};

const TRIGGERS: usize = 100_000;
const CONNECTIONS: usize = 20_000;

/// Clients at once; each has one connection of its own at a time.
const CLIENTS: usize = 8;

/// Requests of one packet.
const PIPELINED: usize = 50;

/// Nobody answers pings here, however slow the machine.
const UNPINGED: [(&str, &str); 1] = [("RESOUND_APP_PING_INTERVAL", "3600")];

/// Resident memory along a run.
struct Trend {
    what: &'static str,
    resident: Vec<u64>,
}

impl Trend {
    /// The last third may not lie above the second by more than noise. The first is left out:
    /// allocators and tables grow to their size there.
    fn assert_flat(&self) {
        let third = self.resident.len() / 3;
        let median = |part: &[u64]| {
            let mut sorted = part.to_vec();
            sorted.sort_unstable();
            sorted[sorted.len() / 2]
        };
        let (first, rest) = self.resident.split_at(third);
        let (second, last) = rest.split_at(third);
        let [first, second, last] = [first, second, last].map(median);
        println!(
            "{}: {} samples, median of each third {} / {} / {} KiB",
            self.what,
            self.resident.len(),
            first >> 10,
            second >> 10,
            last >> 10
        );
        assert!(
            last <= second + second / 20 + (2 << 20),
            "{} grows: {:?}",
            self.what,
            self.resident
        );
    }
}

/// Starts the clients; each takes the next turn until there are no more.
async fn run<F: Future<Output = ()> + Send + 'static>(
    program: &Program,
    what: &'static str,
    turns: usize,
    client: impl Fn(Turns) -> F,
) -> Trend {
    let (taken, resident) = (Arc::default(), Arc::default());
    let turns = Turns { taken, turns, memory: program.memory(), resident };
    let mut clients: JoinSet<()> = (0..CLIENTS).map(|_| client(turns.clone())).collect();
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let resident = std::mem::take(&mut *turns.resident.lock().unwrap());
    Trend { what, resident }
}

/// What the clients have yet to do; memory is looked at a hundred times on the way.
#[derive(Clone)]
struct Turns {
    taken: Arc<AtomicUsize>,
    turns: usize,
    memory: Memory,
    resident: Arc<Mutex<Vec<u64>>>,
}

impl Turns {
    fn next(&self) -> Option<usize> {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(self.turns / 100) {
            self.resident.lock().unwrap().push(self.memory.resident());
        }
        Some(turn).filter(|&turn| turn < self.turns)
    }
}

/// The same signed request again and again, which is allowed for ten minutes.
async fn trigger(address: SocketAddr, turns: Turns) {
    let body = r#"{"name":"event","channels":["soak","nobody-here"],"data":"{\"a\":1}"}"#;
    let query = backend(address).query("POST", "/apps/123456/events", &[], body);
    let length = body.len();
    let request = format!(
        "POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let requests = request.repeat(PIPELINED);
    let mut wire = Wire::open(address).await;
    while turns.next().is_some() {
        wire.send(&requests).await;
        for _ in 0..PIPELINED {
            let reply = wire.reply().await;
            assert_eq!((reply.status, &*reply.body), (200, "{}"));
        }
    }
}

/// Reads until the other end closes, and counts the events.
async fn read(mut wire: Wire) -> usize {
    let mut events = 0;
    while let Some((TEXT, text)) = wire.frame().await {
        events += usize::from(text.starts_with(br#"{"event":"event""#));
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_triggers_leave_nothing() {
    let program = Program::start(&UNPINGED).await;
    let mut bystander = Bystander::at(program.address).await;
    let mut reader = Wire::socket(program.address).await;
    reader.subscribe("soak").await;
    let reader = tokio::spawn(read(reader));
    let address = program.address;
    let trend =
        run(&program, "triggers", TRIGGERS / PIPELINED, |turns| trigger(address, turns)).await;
    bystander.is_served().await;
    trend.assert_flat();
    program.terminate();
    assert_eq!(reader.await.unwrap(), TRIGGERS, "every event");
}

/// Connects, subscribes and goes: every second one in order, the others without a word.
async fn come_and_go(address: SocketAddr, turns: Turns) {
    while let Some(turn) = turns.next() {
        let channel = format!("soak-{turn}");
        let subscribe =
            format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}"#);
        let mut wire = Wire::open(address).await;
        wire.send([handshake().into_bytes(), frame(TEXT, subscribe)].concat()).await;
        wire.expect_greeting().await;
        assert!(wire.text().await.contains("subscription_succeeded"));
        if turn % 2 == 0 {
            wire.send(frame(CLOSE, 1000u16.to_be_bytes())).await;
            assert_eq!(wire.farewell().await.code, Some(1000));
        }
        // A reset leaves no port waiting on this side.
        wire.stream.set_zero_linger().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_sockets_that_come_and_go_leave_nothing() {
    let program = Program::start(&UNPINGED).await;
    let mut bystander = Bystander::at(program.address).await;
    let address = program.address;
    let trend =
        run(&program, "connections", CONNECTIONS, |turns| come_and_go(address, turns)).await;
    bystander.is_served().await;
    let mut backend = backend(address);
    eventually("all to be gone", async || {
        let connections = backend.get("/connections", &[]).await;
        let channels = backend.get("/channels", &[("filter_by_prefix", "soak-")]).await;
        connections.body == r#"{"connections":1}"# && channels.body == r#"{"channels":{}}"#
    })
    .await;
    trend.assert_flat();
}
