//! Peers that are silent or slow while they are HTTP: each phase has its time, and no other
//! phase's.
//!
//! No clock is waited for: a connection that is closed after a second shows when a
//! second has passed.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use crate::bystander::{Bystander, backend};
use crate::harness::TestServer;
use crate::harness::server::REVERB_APP;
use crate::harness::within;
use crate::wire::{Wire, handshake};

const UP: &str = "GET /up HTTP/1.1\r\nHost: x\r\n\r\n";

async fn server(http: &str) -> TestServer {
    TestServer::with(&format!("{REVERB_APP}[http]\n{http}\n")).await
}

/// Resolves after the head time-out of a server, one second, by a silent connection.
async fn a_second_passes(server: &TestServer) {
    Wire::open(server.address).await.ends().await;
}

/// Says a byte now and then until the server has had enough.
async fn dribble(wire: &mut Wire, bytes: &[u8]) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for byte in bytes.iter().cycle() {
        tokio::select! {
            _ = ticks.tick() => if wire.try_send([*byte]).await.is_err() { return },
            readable = wire.stream.readable() => return readable.unwrap(),
        }
    }
}

fn took_about_a_second(begin: Instant, what: &str) {
    let took = begin.elapsed().as_secs_f32();
    assert!((0.9..40.0).contains(&took), "{what}: one second was configured, it took {took} s");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let server = server("header_timeout_seconds = 1").await;
    let mut bystander = Bystander::at(server.address).await;
    for (sent, dribbled) in [
        ("", &b""[..]),
        ("", b"G"),
        ("GET /up HTTP/1.1\r\nHost: x\r\n", b""),
        ("GET /up HTTP/1.1\r\nHost: x\r\nX: ", b"x"),
        ("\r\n", b"\r\n"),
    ] {
        let begin = Instant::now();
        let mut wire = Wire::open(server.address).await;
        wire.send(sent).await;
        if !dribbled.is_empty() {
            dribble(&mut wire, dribbled).await;
        }
        wire.is_cut_off().await;
        took_about_a_second(begin, &format!("{sent:?} and then {dribbled:?}"));
        bystander.is_served().await;
    }
}

#[tokio::test]
async fn a_second_head_has_no_more_time_than_the_first() {
    let server = server("header_timeout_seconds = 1").await;
    let mut wire = Wire::open(server.address).await;
    wire.send(UP).await;
    assert_eq!(wire.reply().await.status, 200);
    let begin = Instant::now();
    wire.send("GET /up").await;
    wire.is_cut_off().await;
    took_about_a_second(begin, "half a second head");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let server = server("body_timeout_seconds = 1\nheader_timeout_seconds = 600").await;
    let mut bystander = Bystander::at(server.address).await;
    let query = backend(server.address).query("POST", "/apps/123456/events", &[], "body");
    let head = |query: &str, fields: &str| {
        format!("POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
    };
    let announced = "Content-Length: 100000\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (query, fields, dribbled, status) in [
        (&*query, announced, &b""[..], 408),
        (&*query, announced, b"x", 408),
        (&*query, chunked, b"1\r\nx\r\n", 408),
        // Known to be refused: what still comes is read for politeness, and no longer than that.
        ("", announced, b"x", 401),
    ] {
        let begin = Instant::now();
        let mut wire = Wire::open(server.address).await;
        wire.send(head(query, fields)).await;
        if !dribbled.is_empty() {
            dribble(&mut wire, dribbled).await;
        }
        assert_eq!(wire.reply().await.status, status, "{fields:?} and then {dribbled:?}");
        took_about_a_second(begin, &format!("{fields:?} and then {dribbled:?}"));
        wire.is_cut_off().await;
        bystander.is_served().await;
    }
}

/// Sends pipelined requests until the server reads no more of them, since the answers do not fit into
/// the buffers of the kernel.
pub(crate) async fn without_reading(address: SocketAddr, request: &str) -> Wire {
    let mut wire = Wire::narrow(address).await;
    let requests = request.repeat(2000);
    let patience = Duration::from_millis(300);
    while let Ok(sent) = tokio::time::timeout(patience, wire.try_send(&requests)).await {
        sent.unwrap();
    }
    wire
}

/// Resolves once nothing can be sent any more.
async fn takes_nothing(wire: &Wire) {
    let sending = async {
        loop {
            wire.stream.writable().await.unwrap();
            match wire.stream.try_write(b"G") {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    within("the connection to be cut off", sending).await;
}

#[tokio::test]
async fn answers_that_are_not_read_are_not_kept() {
    let times =
        "body_timeout_seconds = 1\nheader_timeout_seconds = 600\nidle_timeout_seconds = 600";
    let server = server(times).await;
    let mut bystander = Bystander::at(server.address).await;
    let nope = "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n";
    let upgrade = format!("{UP}{}", handshake());
    for request in [UP, nope, &upgrade] {
        let wire = without_reading(server.address, request).await;
        let begin = Instant::now();
        takes_nothing(&wire).await;
        let took = begin.elapsed().as_secs_f32();
        assert!(took < 40.0, "one second was configured, {request:?} took {took} s");
        bystander.is_served().await;
    }
}

/// One byte of the answers now and then is no reading.
#[tokio::test]
async fn answers_that_are_read_byte_by_byte_are_not_kept() {
    let times =
        "body_timeout_seconds = 1\nheader_timeout_seconds = 600\nidle_timeout_seconds = 600";
    let server = server(times).await;
    let mut wire = without_reading(server.address, UP).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut byte = [0];
    let reading = async {
        // The kernel holds what came before the cut.
        while wire.stream.try_write(b"G").map_err(|error| error.kind())
            != Err(ErrorKind::BrokenPipe)
            && wire.stream.read_exact(&mut byte).await.is_ok()
        {
            ticks.tick().await;
        }
    };
    within("the connection to be cut off", reading).await;
}

/// A reader that takes a pause no longer than the time there is gets everything.
#[tokio::test]
async fn answers_that_are_read_late_arrive() {
    let server = server("body_timeout_seconds = 600").await;
    let mut wire = without_reading(server.address, UP).await;
    for _ in 0..2000 {
        assert_eq!(wire.reply().await.status, 200);
    }
}

#[tokio::test]
async fn a_body_may_take_longer_than_a_head() {
    let server = server("body_timeout_seconds = 600\nheader_timeout_seconds = 1").await;
    let body = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;
    let query = backend(server.address).query("POST", "/apps/123456/events", &[], body);
    let mut wire = Wire::open(server.address).await;
    let length = body.len();
    wire.send(format!(
        "POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    a_second_passes(&server).await;
    a_second_passes(&server).await;
    wire.send(body).await;
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_has_its_own_time() {
    let server = server("header_timeout_seconds = 1\nidle_timeout_seconds = 3").await;
    let mut bystander = Bystander::at(server.address).await;
    let mut idle = Wire::open(server.address).await;
    idle.send(UP).await;
    assert_eq!(idle.reply().await.status, 200);
    let begin = Instant::now();
    a_second_passes(&server).await;
    a_second_passes(&server).await;
    idle.send(UP).await;
    assert_eq!(idle.reply().await.status, 200, "two seconds later it is still there");
    let again = Instant::now();
    idle.ends().await;
    assert!(begin.elapsed() > Duration::from_secs(4), "the time begins with the last answer");
    let took = again.elapsed().as_secs_f32();
    assert!((2.9..40.0).contains(&took), "three seconds were configured, it took {took} s");
    bystander.is_served().await;
}

#[tokio::test]
async fn a_busy_connection_is_never_idle() {
    let server = server("header_timeout_seconds = 1\nidle_timeout_seconds = 2").await;
    let query = backend(server.address).query("GET", "/apps/123456/channels", &[], "");
    let get = format!("GET /apps/123456/channels?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
    let body = r#"{"name":"event","channels":["channel"],"data":"{}"}"#;
    let query = backend(server.address).query("POST", "/apps/123456/events", &[], body);
    let length = body.len();
    let post = format!(
        "POST /apps/123456/events?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut wires = Vec::new();
    for request in [UP.to_owned(), get, post] {
        wires.push((Wire::open(server.address).await, request));
    }
    for _ in 0..5 {
        for (wire, request) in &mut wires {
            wire.send(request).await;
            assert_eq!(wire.reply().await.status, 200);
        }
        a_second_passes(&server).await;
    }
}

/// There is always a next request before the last one is answered: it rests neither in a head nor
/// between two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_never_idle_is_not_late() {
    const AHEAD: usize = 200;
    let server = server("header_timeout_seconds = 1\nidle_timeout_seconds = 1").await;
    let mut wire = Wire::open(server.address).await;
    wire.send(UP.repeat(2 * AHEAD)).await;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        for _ in 0..AHEAD {
            assert_eq!(wire.reply().await.status, 200);
        }
        wire.send(UP.repeat(AHEAD)).await;
    }
    for _ in 0..2 * AHEAD {
        assert_eq!(wire.reply().await.status, 200);
    }
}

#[tokio::test]
async fn of_too_many_silent_connections_the_oldest_goes() {
    // One worker accepts them in their order; two of them have an order each.
    let app = REVERB_APP.replace("workers = 2", "workers = 1");
    let limits = "max_pending_connections = 8\nheader_timeout_seconds = 600";
    let server = TestServer::with(&format!("{app}[http]\n{limits}\n")).await;
    let mut bystander = Bystander::at(server.address).await;
    let mut received = Wire::open(server.address).await;
    received.send(UP).await;
    assert_eq!(received.reply().await.status, 200);
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(Wire::open(server.address).await);
        bystander.is_served().await;
    }
    let newest = silent.split_off(40 - 8);
    for mut wire in silent {
        wire.ends().await;
    }
    for mut wire in newest.into_iter().chain([received]) {
        wire.send(UP).await;
        assert_eq!(wire.reply().await.status, 200, "neither received nor among the oldest");
    }
    bystander.is_served().await;
}
