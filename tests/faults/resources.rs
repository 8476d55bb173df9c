//! Rows 11 to 13: clocks that differ and jump, a log that takes nothing, descriptors that run out.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use crate::harness::unwatched::Unwatched;
use crate::harness::wire::{Wire, handshake};
use crate::harness::{Backend, Folder, Program, TestRedis, within};
use crate::node::{Node, PATIENT, own_port, peak};
use crate::publisher::Pace;
use crate::sandbox::{run, try_run};
use crate::sheet::Line;
use crate::stage::{Ending, PROMPT, Stage, until};

/// What a socket receives first.
const GREETING: &[u8] = b"connection_established";

pub(crate) fn p99_ms(ending: &Ending) -> String {
    format!("p99 {:.0} ms", ending.local.p99().as_secs_f64() * 1e3)
}

/// What starts a program whose wall clock is that of a file, such as `+15m`, which is read at each look at the clock; the
/// monotonic clock is that of the kernel, ten days ahead of that of the machine.
fn with_clock_of(file: &str) -> Command {
    let script = format!(
        "for library in /usr/lib/*/faketime/libfaketime.so.1; do export LD_PRELOAD=$library; done; \
         [ -e \"$LD_PRELOAD\" ] || {{ echo 'libfaketime is missing: tests/install installs it' >&2; exit 1; }}; \
         export FAKETIME_TIMESTAMP_FILE={file} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1; \
         exec \"$0\" \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", "864000", "--boottime", "864000", "--"]);
    command.args(["/bin/sh", "-c", &script]);
    command
}

/// Sets that clock; no look at it finds half a file.
fn set(folder: &Folder, clock: &str) {
    let next = folder.write("next", &format!("{clock}\n"));
    fs::rename(next, folder.path("clock")).unwrap();
}

/// What a node answers to a request that was signed now.
async fn answer_of(node: &Node) -> (u16, String) {
    let backend = Backend::new(node.address(), "123456", "reverb-key", "reverb-secret");
    let query = backend.query("GET", "/apps/123456/channels", &[], "");
    let mut wire = Wire::open(node.address()).await;
    wire.send(format!("GET /apps/123456/channels?{query} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let reply = wire.reply().await;
    (reply.status, reply.body)
}

pub(crate) async fn row_11_clocks_that_differ_and_jump() {
    let folder = Folder::new();
    let redis = TestRedis::start().await;
    // Sockets are pinged each second: a timer that follows the wall clock would close them, or never fire.
    let pings = [("RESOUND_APP_PING_INTERVAL", "1"), ("RESOUND_APP_PONG_TIMEOUT_SECONDS", "8")];
    let variables = [&PATIENT[..], &pings].concat();
    let clock = folder.write("clock", "+0\n");
    let steady = Node::member(&redis.url, &variables).await;
    let jumping = Node::member_by(with_clock_of(&clock), &redis.url, &variables).await;
    let nodes = [steady, jumping];
    for node in &nodes {
        node.sees(2).await;
    }
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    assert_eq!(answer_of(&nodes[1]).await.0, 200, "the clocks agree at first");
    let mut refusals = Vec::new();
    for (jump, says) in
        [("+15m", "behind the server's clock"), ("-15m", "ahead of the server's clock")]
    {
        set(&folder, jump);
        let mut answer = (0, String::new());
        until("a refusal that names the skew", async || {
            answer = answer_of(&nodes[1]).await;
            answer.0 == 401 && answer.1.contains(says)
        })
        .await;
        refusals.push(answer.1);
        assert_eq!(answer_of(&nodes[0]).await.0, 200, "the other clock is right");
        // Its own publisher is refused meanwhile; that of the other node is received on both.
        let received = stage.subscribers().map(|one| one.visits()[0].arrivals.len()).max();
        until("three seconds of events", async || {
            let now = stage.subscribers().map(|one| one.visits()[0].arrivals.len()).max();
            now.unwrap_or(0) >= received.unwrap_or(0) + 120
        })
        .await;
    }
    set(&folder, "+0");
    until("the clocks to agree", async || answer_of(&nodes[1]).await.0 == 200).await;
    let took = stage.flows().await;
    let closed = stage.subscribers().filter(|one| !one.is_open()).count();
    let ending = stage.end().await;
    let line = Line {
        row: (11, ""),
        fault: "the wall clock of one of two nodes jumps by +15 min, -30 min, +15 min; its monotonic clock is 10 days ahead",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{} publishes refused with 401, which names the skew; {closed} sockets closed",
            ending.refused()
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(closed, 0, "timers follow the wall clock");
    assert!(ending.refused() > 0, "no publish met the skew: a void run");
    for refusal in refusals {
        assert!(
            refusal.contains("900 s") || refusal.contains("899 s") || refusal.contains("901 s"),
            "{refusal}"
        );
    }
}

/// A file system of its own, and gone with its owner.
struct SmallDisk(Folder);

impl SmallDisk {
    fn mounted() -> Self {
        let folder = Folder::new();
        run(&format!("mount -t tmpfs -o size=64k tmpfs {folder}"));
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        try_run(&format!("umount -l {}", self.0));
    }
}

async fn dropped(server: &Unwatched) {
    until("a lost line of the log to be counted", async || {
        server.log_much().await;
        server.lines_dropped().await > 0
    })
    .await;
}

pub(crate) async fn row_12_a_disk_that_is_full() {
    let disk = SmallDisk::mounted();
    let path = disk.0.path("log");
    let log = File::options().create(true).append(true).open(&path).unwrap();
    let server = Unwatched::start(log.into(), &[("RESOUND_LOG_DEBUG", "true")]).await;
    let stage = Stage::at(&[server.address], Pace::STEADY).await;
    stage.flows().await;
    dropped(&server).await;
    let full = fs::metadata(&path).unwrap().len();
    stage.publishes(40).await;
    let lost = server.lines_dropped().await;
    // There is room again.
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let begin = Instant::now();
    until("lines in the log", async || {
        server.log_much().await;
        fs::metadata(&path).unwrap().len() > 0
    })
    .await;
    let took = begin.elapsed();
    let high = peak_of(&server);
    let ending = stage.end().await;
    let line = Line {
        row: (12, "a"),
        fault: "the disk of the log is full (a tmpfs of 64 KB)",
        recovered: Some(took),
        peak: high,
        beside: format!("{lost} lines dropped and counted; {}", p99_ms(&ending)),
    };
    line.show(&ending);
    ending.is_whole();
    assert!(full >= 48 << 10, "the disk was full: {full} bytes");
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
    server.ends().await;
}

/// The pipe of the kernel holds 64 KB in pages of 4 KB, and lines of up to 1 KB leave up to a quarter of each free.
pub(crate) async fn row_12_a_log_that_is_not_read() {
    let mut server = Unwatched::start(Stdio::piped(), &[("RESOUND_LOG_DEBUG", "true")]).await;
    let mut stderr = server.child.stderr.take().unwrap();
    let stage = Stage::at(&[server.address], Pace::STEADY).await;
    stage.flows().await;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        server.log_much().await;
        stage.publishes(1).await;
    }
    let lost = server.lines_dropped().await;
    let high = peak_of(&server);
    let ending = stage.end().await;
    server.ends().await;
    let mut log = Vec::new();
    stderr.read_to_end(&mut log).unwrap();
    let line = Line {
        row: (12, "b"),
        fault: "the log goes to a pipe that is not read",
        recovered: None,
        peak: high,
        beside: format!(
            "{} KB in the pipe, {lost} lines dropped; {}",
            log.len() >> 10,
            p99_ms(&ending)
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert!(log.len() >= 48 << 10, "the pipe was full: {} bytes", log.len());
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}

fn peak_of(server: &Unwatched) -> u64 {
    crate::node::peak_of_process(server.child.id())
}

/// How a handshake ends: with a socket, with a close code, or with a connection that is closed.
pub(crate) async fn knock(address: SocketAddr) -> Result<Wire, Option<u16>> {
    let mut wire = Wire::open(address).await;
    wire.send(handshake()).await;
    if wire.reply().await.status != 101 {
        return Err(None);
    }
    match wire.text().await.contains("connection_established") {
        true => Ok(wire),
        false => Err(wire.farewell().await.code),
    }
}

/// Whether a newcomer gets a socket. One that has the descriptor of an idle connection may lose it to the next.
async fn is_served(address: SocketAddr) -> bool {
    let mut wire = Wire::open(address).await;
    let mut answer = Vec::new();
    let _ = wire.try_send(handshake()).await;
    while !answer.windows(GREETING.len()).any(|part| part == GREETING) {
        match within("an answer", wire.stream.read_buf(&mut answer)).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

pub(crate) async fn row_13_descriptors_run_out() {
    const CLIENTS: usize = 500;
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, own_port()));
    let listen = metrics.to_string();
    let variables = [("RESOUND_METRICS_LISTEN", &*listen), ("RESOUND_SERVER_WORKERS", "1")];
    let nodes = [Node::of(Program::start_with_open_files(200, &variables).await, metrics)];
    let address = nodes[0].address();
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let cpu = nodes[0].program.cpu_centiseconds();
    let begin = Instant::now();
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..CLIENTS {
        match knock(address).await {
            Ok(wire) => open.push(wire),
            Err(code) => {
                assert_eq!(code, Some(4100));
                refused += 1;
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let spent = (nodes[0].program.cpu_centiseconds() - cpu) as f64 / 100.0;
    let places = open.len();
    drop(open);
    let begin = Instant::now();
    until("a place for a newcomer", async || knock(address).await.is_ok()).await;
    let took = begin.elapsed();
    let ending = stage.end().await;
    let line = Line {
        row: (13, "a"),
        fault: "500 clients where 200 files may be open",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{places} are served, {refused} get 4100; {spent:.2} s of processor time in {seconds:.2} s; {}",
            p99_ms(&ending)
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert!(places > 50 && refused > 200, "{places} served, {refused} refused");
    assert_eq!(ending.refused(), 0, "publishes that were not answered 200");
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}

/// The limit sinks to what is open while events are under way. A newcomer may get the descriptor of an HTTP connection that is
/// idle, the publisher's among them, whose next publish is then refused: no socket loses what was answered 200.
pub(crate) async fn row_13_no_descriptor_is_left() {
    const NEWCOMERS: usize = 200;
    let nodes = [Node::alone(&[("RESOUND_SERVER_WORKERS", "1")]).await];
    let (program, address) = (&nodes[0].program, nodes[0].address());
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let cpu_of_events = async || {
        let before = program.cpu_centiseconds();
        stage.publishes(80).await;
        program.cpu_centiseconds() - before
    };
    let usual = cpu_of_events().await;
    // A connection that was closed a moment ago may still have one, so a newcomer is the proof. If it was the publisher's, the
    // limit is below what the publisher needs, and sinks again from where it was.
    until("a newcomer without a descriptor, and a publisher with one", async || {
        program.exhaust_descriptors();
        let before = stage.accepted();
        if is_served(address).await {
            return false;
        }
        let publishes = async || until("a publish", async || stage.accepted() > before).await;
        let is_published = tokio::time::timeout(PROMPT, publishes()).await.is_ok();
        if !is_published {
            run(&format!("prlimit --pid {} --nofile=1024:", program.pid()));
            publishes().await;
        }
        is_published
    })
    .await;
    let mut refused = 0;
    for _ in 0..NEWCOMERS {
        refused += usize::from(!is_served(address).await);
    }
    // They send nothing.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Wire::open(address).await);
    }
    let full = cpu_of_events().await;
    run(&format!("prlimit --pid {} --nofile=1024:", program.pid()));
    let begin = Instant::now();
    until("a place for a newcomer", async || knock(address).await.is_ok()).await;
    let took = begin.elapsed();
    let ending = stage.end().await;
    let line = Line {
        row: (13, "b"),
        fault: "no descriptor is left while events are under way",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "{refused} of {NEWCOMERS} newcomers and {} publishes are refused; processor time of 80 events {:.2} s, before {:.2} s; {}",
            ending.refused(),
            full as f64 / 100.0,
            usual as f64 / 100.0,
            p99_ms(&ending)
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert!(2 * refused > NEWCOMERS, "{refused} newcomers had no descriptor: a void run");
    // An accept loop that fails and tries again takes a core: two seconds of 80 events.
    assert!(full <= 2 * usual + 30, "{full} and {usual} hundredths of a second");
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}
