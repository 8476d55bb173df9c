//! File descriptors that run out: sockets have their share and HTTP has its own, so that neither
//! takes the other's; what is too much is refused, not left waiting.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::bystander::{Bystander, backend};
use crate::harness::redis::free_port;
use crate::harness::tls::{certificate, client};
use crate::harness::wire::{Farewell, Reply, Wire, handshake};
use crate::harness::{Program, eventually};

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";
const READY: &str = "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n";
const FULL: &str = "Server is over its limit of connections";

/// What a limit of 64 leaves for sockets on one worker, with a listener and the runtimes, where the process inherits no
/// further descriptor. Of those that it inherits each has a place less.
const SOCKETS_OF_64: usize = 27;

async fn start(open_files: u32, variables: &[(&str, &str)]) -> Program {
    let variables = [variables, &[("RESOUND_SERVER_WORKERS", "1")]].concat();
    Program::start_with_open_files(open_files, &variables).await
}

async fn ask(address: SocketAddr, request: &str) -> Reply {
    let mut wire = Wire::open(address).await;
    wire.send(request).await;
    wire.reply().await
}

/// Leaves no free descriptor. A connection that was closed a moment ago may still have one, so a newcomer is the proof: one
/// that is served is read to its end, lest the next look counts its descriptor as one in use.
async fn exhaust(program: &Program) {
    eventually("a newcomer without a descriptor", async || {
        program.exhaust_descriptors();
        let mut wire = Wire::open(program.address).await;
        wire.send("GET /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        wire.rest().await.starts_with(b"HTTP/1.1 503 ")
    })
    .await;
}

/// How a handshake ends: with a place, or with a code.
async fn knock(address: SocketAddr) -> Result<Wire, Farewell> {
    let mut wire = Wire::open(address).await;
    wire.send(handshake()).await;
    assert_eq!(wire.reply().await.status, 101);
    let (first, payload) = wire.frame().await.expect("a frame");
    let text = String::from_utf8(payload).unwrap();
    if text.contains("connection_established") {
        return Ok(wire);
    }
    assert_eq!(first, 0x81, "an error is announced: {text}");
    Err(wire.farewell().await)
}

#[tokio::test]
async fn sockets_leave_descriptors_for_everything_else() {
    let mut program = start(64, &[]).await;
    let places = program.sockets_max;
    assert!((10..=SOCKETS_OF_64).contains(&places), "{places}");
    let mut bystander = Bystander::at(program.address).await;
    assert_eq!(ask(program.address, READY).await.body, r#"{"ready":true,"cluster":"off"}"#);
    let mut sockets = Vec::new();
    while let Ok(socket) = knock(program.address).await {
        sockets.push(socket);
        assert!(sockets.len() < places, "more than there are descriptors");
        if sockets.len() == places - places / 10 - 1 {
            let low = r#"{"ready":true,"cluster":"off","reasons":[{"condition":"descriptors_low","severity":"degraded","text":"few file descriptors are left for more sockets: raise the limit of open files"}]}"#;
            assert_eq!(ask(program.address, READY).await.body, low);
        }
    }
    assert_eq!(sockets.len(), places - 1, "the bystander has one");
    let line = program.log_line("no file descriptors are left for more sockets").await;
    assert!(line.contains("LimitNOFILE") && line.contains("reason=\"descriptors\""), "{line}");
    for _ in 0..40 {
        let farewell = knock(program.address).await.err().expect("no place");
        assert_eq!((farewell.code, &*farewell.reason), (Some(4100), FULL));
        // Each of these comes over a connection of its own.
        assert_eq!(ask(program.address, UP).await.status, 200);
        let answer = backend(program.address).get("/connections", &[]).await;
        assert_eq!(answer.body, format!(r#"{{"connections":{places}}}"#));
    }
    let ready = ask(program.address, READY).await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.body,
        r#"{"ready":false,"cluster":"off","reasons":[{"condition":"descriptors_exhausted","severity":"unready","text":"no file descriptors are left for more sockets: raise the limit of open files"}]}"#
    );
    bystander.is_served().await;
    assert!(program.lines_logged() < 8, "the refusals are summed up");
    drop(sockets);
    eventually("a place", async || knock(program.address).await.is_ok()).await;
    assert_eq!(ask(program.address, READY).await.status, 200);
    bystander.is_served().await;
}

#[tokio::test]
async fn a_bound_of_an_app_that_descriptors_do_not_allow_is_named_at_the_start() {
    let mut program = start(64, &[("REVERB_APP_MAX_CONNECTIONS", "33")]).await;
    let line = program.log_line("max_connections is more than the limit of open files").await;
    let both = format!("max_connections=33 sockets_max={}", program.sockets_max);
    assert!(line.contains(&both), "{line}");
}

#[tokio::test]
async fn connections_beyond_the_descriptors_are_accepted_or_refused_without_waiting() {
    let program = start(64, &[]).await;
    let mut bystander = Bystander::at(program.address).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let mut wire = Wire::open(program.address).await;
        wire.send(handshake()).await;
        crowd.push(wire);
    }
    let mut greeted = 0;
    for wire in &mut crowd {
        assert_eq!(wire.reply().await.status, 101);
        let text = wire.text().await;
        let refusal =
            format!(r#"{{"event":"pusher:error","data":{{"code":4100,"message":"{FULL}"}}}}"#);
        match text.contains("connection_established") {
            true => greeted += 1,
            false => assert_eq!(text, refusal),
        }
    }
    assert_eq!(greeted, program.sockets_max - 1);
    bystander.is_served().await;
}

#[tokio::test]
async fn idle_connections_of_back_ends_make_room_for_new_ones() {
    let program = start(64, &[]).await;
    let mut bystander = Bystander::at(program.address).await;
    let mut idle = Vec::new();
    for _ in 0..60 {
        let mut wire = Wire::open(program.address).await;
        wire.send(UP).await;
        assert_eq!(wire.reply().await.status, 200);
        idle.push(wire);
        // In use all the time, and so never the one that goes.
        bystander.is_served().await;
    }
    let newest = idle.split_off(60 - 8);
    for mut wire in idle.into_iter().take(40) {
        wire.ends().await;
    }
    for mut wire in newest {
        wire.send(UP).await;
        assert_eq!(wire.reply().await.status, 200, "the oldest go first");
    }
    bystander.is_served().await;
}

#[tokio::test]
async fn silent_connections_are_bounded_by_the_descriptors_there_are() {
    rlimit::increase_nofile_limit(8192).unwrap();
    let program = start(2000, &[("RESOUND_HTTP_HEADER_TIMEOUT_SECONDS", "600")]).await;
    let mut bystander = Bystander::at(program.address).await;
    let mut silent = Vec::new();
    for _ in 0..2600 {
        silent.push(Wire::open(program.address).await);
    }
    let begin = Instant::now();
    let newcomer = knock(program.address).await;
    let took = begin.elapsed();
    println!("behind 2600 silent connections a newcomer is greeted after {took:?}");
    assert!(newcomer.is_ok());
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(ask(program.address, READY).await.body, r#"{"ready":true,"cluster":"off"}"#);
    bystander.is_served().await;
    silent[0].ends().await;
}

/// Something else in the process took what was reserved, or the limit was lowered.
#[tokio::test]
async fn without_a_free_descriptor_every_new_connection_gets_an_answer() {
    let mut program = start(2000, &[]).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(Wire::socket(program.address).await);
    }
    exhaust(&program).await;
    let (before, begin) = (program.cpu_centiseconds(), Instant::now());
    for _ in 0..20 {
        let reply = ask(program.address, READY).await;
        assert_eq!(
            (reply.status, &*reply.body),
            (
                503,
                "The server has no file descriptors left: raise the limit of open files (ulimit -n)"
            )
        );
    }
    program.log_line("no file descriptors are left").await;
    for socket in &mut sockets {
        socket.subscribe("still-served").await;
    }
    let (spent, elapsed) = (program.cpu_centiseconds() - before, begin.elapsed());
    println!("20 newcomers without descriptors in {elapsed:?}: {spent}0 ms of processor time");
    assert!(spent < 100, "{spent}0 ms");
    assert!(program.lines_logged() < 8, "it is logged in few lines");
}

/// A client cannot tell plain bytes from a broken server, and some treat them as an attack.
#[tokio::test]
async fn without_a_free_descriptor_a_tls_client_gets_an_alert_and_no_plain_bytes() {
    let certificate = certificate("valid.pem");
    let tls = [
        ("RESOUND_TLS_CERTIFICATE", certificate.as_str()),
        ("RESOUND_TLS_KEY", certificate.as_str()),
    ];
    let mut program = start(2000, &tls).await;
    let mut socket = Wire::socket(program.address).await;
    exhaust(&program).await;
    let hello = client_hello();
    for _ in 0..10 {
        let answer = refusal(program.address, &hello).await;
        assert_eq!(answer, [0x15, 3, 1, 0, 2, 2, 80], "internal_error");
    }
    // A client that waits for the server gets the end of the connection, and a plain one its sentence.
    assert_eq!(Wire::open(program.address).await.rest().await, b"");
    assert_eq!(ask(program.address, UP).await.status, 503);
    program.log_line("no file descriptors are left").await;
    socket.subscribe("still-served").await;
}

/// The answer to a newcomer who is refused. One is served, and gets no end, where the server has just closed a file that it
/// read for its metrics.
async fn refusal(address: SocketAddr, hello: &[u8]) -> Vec<u8> {
    for _ in 0..5 {
        let mut wire = Wire::open(address).await;
        wire.send(hello).await;
        if let Ok(answer) = tokio::time::timeout(Duration::from_secs(3), wire.rest()).await {
            return answer;
        }
    }
    panic!("each newcomer is served");
}

/// What a TLS client sends first.
fn client_hello() -> Vec<u8> {
    let config = std::sync::Arc::new(client(&[&rustls::version::TLS13]));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut connection = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn without_a_free_descriptor_a_new_connection_gets_that_of_an_idle_one() {
    let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut program = start(2000, &[("RESOUND_METRICS_LISTEN", &metrics.to_string())]).await;
    let mut socket = Wire::socket(program.address).await;
    let mut idle = [Wire::open(program.address).await, Wire::open(program.address).await];
    for wire in &mut idle {
        wire.send(UP).await;
        assert_eq!(wire.reply().await.status, 200);
    }
    program.exhaust_descriptors();
    // Kept open, so that it has the descriptor of the first and the scrape that of the second.
    let mut first = Wire::open(program.address).await;
    first.send(READY).await;
    let ready = first.reply().await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains(r#""condition":"descriptors_exhausted","severity":"unready""#));
    let [mut oldest, mut other] = idle;
    oldest.ends().await;
    let figures = ask(metrics, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.body;
    let series = "resound_condition{condition=\"descriptors_exhausted\"} 1\n";
    assert!(figures.contains(series), "{figures}");
    other.ends().await;
    program.log_line("no file descriptors are left").await;
    socket.subscribe("still-served").await;
}
