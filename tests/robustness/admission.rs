//! A herd of clients that connect at once: they wait in order, and those who are connected
//! do not notice.

use std::time::{Duration, Instant};

use crate::harness::server::REVERB_APP;
use crate::harness::wire::{Wire, handshake};
use crate::harness::{Program, TestServer, eventually};

/// Handshakes arrive faster than this on a busy machine, too.
const RATE: u32 = 8;

async fn start(lines: &str) -> TestServer {
    let lines = format!("workers = 2\n{lines}\n");
    TestServer::with(&REVERB_APP.replace("workers = 2\n", &lines)).await
}

/// Connections that have sent their handshakes, in order.
async fn herd(server: &TestServer, size: usize) -> Vec<Wire> {
    let mut herd = Vec::new();
    for _ in 0..size {
        herd.push(Wire::open(server.address).await);
    }
    for wire in &mut herd {
        wire.send(handshake()).await;
    }
    herd
}

#[tokio::test]
async fn newcomers_wait_in_order_and_connected_sockets_do_not_notice() {
    let lines = format!("max_handshakes_per_second = {RATE}\nmax_handshake_wait_seconds = 10");
    let server = start(&lines).await;
    let mut connected = server.connect().await;
    connected.subscribe("news").await;
    let (size, start) = (40, Instant::now());
    let mut herd = Vec::new();
    for arrived in 1..=size {
        let mut wire = Wire::open(server.address).await;
        wire.send(handshake()).await;
        herd.push(wire);
        // One after the other, so that the order of their arrival is known.
        let count = async || {
            let connected = server.metric("resound_connections{app=\"123456\"}") - 1.0;
            connected + server.metric("resound_handshakes_waiting") >= arrived as f64
        };
        eventually("the arrival of a handshake", count).await;
    }
    assert!(
        server.metric("resound_handshakes_waiting") > 0.0,
        "they came more slowly than they may"
    );
    let opening = tokio::spawn(async move {
        let mut opened = Vec::new();
        for mut wire in herd {
            wire.expect_greeting().await;
            opened.push((Instant::now(), wire));
        }
        opened
    });
    let mut backend = server.backend();
    let mut delays = Vec::new();
    while !opening.is_finished() {
        let triggered = Instant::now();
        backend.trigger("news", "tick", "now").await;
        assert_eq!(connected.receive_json().await["event"], "tick");
        delays.push(triggered.elapsed());
    }
    let opened = opening.await.unwrap();
    delays.sort_unstable();
    let (median, last) = (delays[delays.len() / 2], *delays.last().unwrap());
    assert!(median < Duration::from_millis(500), "median {median:?}, longest {last:?}");
    let took = opened[size - 1].0 - start;
    // A tenth of a second's may open at once.
    let least = Duration::from_secs(1) * (size as u32 - RATE / 10 - 1) / RATE;
    assert!(took >= least - Duration::from_millis(50), "{size} sockets in {took:?}");
    // They are read in the order of their arrival: each was open when those before it were.
    let first_half = opened[size / 2].0 - start;
    assert!(first_half < took * 3 / 4, "{first_half:?} of {took:?}");
    assert_eq!(server.metric("resound_handshakes_waiting"), 0.0);
}

#[tokio::test]
async fn beyond_the_longest_wait_a_socket_is_closed_with_4100() {
    let server = start("max_handshakes_per_second = 10\nmax_handshake_wait_seconds = 1").await;
    let (mut opened, mut refused, begin) = (0, 0, Instant::now());
    for mut wire in herd(&server, 40).await {
        assert_eq!(wire.reply().await.status, 101);
        let (_, payload) = wire.frame().await.expect("a frame");
        match String::from_utf8(payload).unwrap() {
            text if text.contains("connection_established") => opened += 1,
            text => {
                assert!(text.contains("4100"), "{text}");
                assert_eq!(wire.farewell().await.code, Some(4100));
                refused += 1;
            }
        }
    }
    // Those of a second and a tenth; some time passes while they arrive.
    let most = 8 + (10.0 * begin.elapsed().as_secs_f32()) as u32;
    assert!((11..=most).contains(&opened), "{opened} opened, {most} at most");
    assert_eq!(opened + refused, 40);
    let series = "resound_handshakes_refused_total{code=\"4100\",reason=\"over_handshake_rate\"}";
    assert_eq!(server.metric(series), f64::from(refused));
}

#[tokio::test]
async fn a_drain_does_not_wait_for_those_that_wait() {
    let mut server = start("max_handshakes_per_second = 1\nmax_handshake_wait_seconds = 60").await;
    let herd = herd(&server, 30).await;
    eventually("a queue", async || server.metric("resound_handshakes_waiting") > 20.0).await;
    let stopping = Instant::now();
    server.stop();
    for mut wire in herd {
        assert_eq!(wire.reply().await.status, 101);
        let code = wire.farewell().await.code;
        assert!(matches!(code, Some(4100 | 4200)), "{code:?}");
    }
    server.ended().await;
    assert!(stopping.elapsed() < Duration::from_secs(20), "{:?}", stopping.elapsed());
}

#[tokio::test]
async fn the_refusals_of_a_herd_are_one_line_of_the_log() {
    let rate = ("RESOUND_SERVER_MAX_HANDSHAKES_PER_SECOND", "1");
    let wait = ("RESOUND_SERVER_MAX_HANDSHAKE_WAIT_SECONDS", "1");
    let mut program = Program::start(&[rate, wait]).await;
    let mut herd = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::open(program.address).await;
        wire.send(handshake()).await;
        herd.push(wire);
    }
    let line = program.log_line("reason=\"handshake_rate\"").await;
    assert!(line.contains("raise server.max_handshakes_per_second"), "{line}");
    assert_eq!(program.lines_logged(), 0, "the others of the minute are summed up");
}
