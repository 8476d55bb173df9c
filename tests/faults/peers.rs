//! Rows 1, 2 and 18 to 22: clients that do not read, write octet by octet, vanish, or send what no client may send. The others
//! lose nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::redis::free_port;
use crate::harness::wire::{CLIENT_PING, CLOSE, GOES_ON, TEXT, TEXT_BEGINS, Wire, frame, header};
use crate::harness::{Backend, TestSocket};
use crate::node::{Node, peak};
use crate::publisher::{Pace, Publisher};
use crate::sheet::Line;
use crate::stage::{PROMPT, Stage, until};
use crate::subscriber::Subscriber;
use crate::switch::Switch;

/// How much the process may grow for reasons of the allocator.
const SLACK: u64 = 16 << 20;

pub(crate) async fn row_01_readers_that_stop() {
    const READERS: usize = 200;
    const OUTBOX: u64 = 65_536;
    let bounds = [
        ("RESOUND_WEBSOCKET_OUTBOX_BYTES", "65536"),
        ("RESOUND_APP_MAX_EVENT_DATA_BYTES", "32768"),
        ("RESOUND_WEBSOCKET_CLOSE_TIMEOUT_SECONDS", "600"),
    ];
    let nodes = [Node::alone(&bounds).await];
    let mut stage = Stage::between(&nodes, Pace::STEADY).await;
    let mut slow = Vec::new();
    for _ in 0..READERS {
        let mut wire = Wire::narrow_socket(nodes[0].address()).await;
        wire.subscribe("heavy").await;
        slow.push(wire);
    }
    let before = peak(&nodes);
    let heavy = Pace { every: Duration::from_millis(2), weight: 20_000 };
    let begin = Instant::now();
    let to = stage.publish(Publisher::start(&[nodes[0].address()], "heavy", heavy));
    stage.listen(to, true, Subscriber::join(nodes[0].address(), "heavy").await);
    let closed = async || nodes[0].metric("resound_slow_readers_closed_total").await;
    until("every reader that stops to be closed", async || closed().await == READERS as f64).await;
    let took = begin.elapsed();
    let ending = stage.end().await;
    let farewell = slow[0].farewell().await;
    let grown = peak(&nodes).saturating_sub(before);
    let line = Line {
        row: (1, "a"),
        fault: "200 of 202 readers never read (SO_RCVBUF of 4 KiB), with 20 KB events for them",
        recovered: Some(took),
        peak: peak(&nodes),
        beside: format!(
            "all 200 closed with 4100; {:.1} MB more than before; p99 of the others {:.0} ms",
            grown as f64 / 1e6,
            ending.local.p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert_eq!(farewell.code, Some(4100));
    assert!(grown < READERS as u64 * OUTBOX + SLACK, "{grown} bytes more");
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}

/// Each octet of a message, and of the body of a request, comes alone.
pub(crate) async fn row_01_writers_that_trickle() {
    const WRITERS: usize = 40;
    let nodes = [Node::alone(&[]).await];
    let stage = Stage::between(&nodes, Pace::STEADY).await;
    let mut sockets = Vec::new();
    let mut requests = Vec::new();
    for _ in 0..WRITERS {
        sockets.push(Wire::socket(nodes[0].address()).await);
        requests.push(Wire::open(nodes[0].address()).await);
    }
    let (message, request) =
        (frame(TEXT, CLIENT_PING), "GET /up HTTP/1.1\r\nHost: trickling.example\r\n\r\n");
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let begin = Instant::now();
    for at in 0..message.len().max(request.len()) {
        ticks.tick().await;
        for wire in &mut sockets {
            wire.send(message.get(at..=at).unwrap_or_default()).await;
        }
        for wire in &mut requests {
            wire.send(request.as_bytes().get(at..=at).unwrap_or_default()).await;
        }
    }
    let took = begin.elapsed();
    for wire in &mut sockets {
        assert!(wire.text().await.contains("pusher:pong"));
    }
    for wire in &mut requests {
        assert_eq!(wire.reply().await.status, 200);
    }
    let ending = stage.end().await;
    let line = Line {
        row: (1, "b"),
        fault: "80 writers send a frame or a request octet by octet",
        recovered: None,
        peak: peak(&nodes),
        beside: format!(
            "over {:.1} s; all are answered; p99 of the others {:.0} ms",
            took.as_secs_f64(),
            ending.local.p99().as_secs_f64() * 1e3
        ),
    };
    line.show(&ending);
    ending.is_whole();
    assert!(ending.local.p99() < PROMPT, "{:?}", ending.local.p99());
}

/// One link is cut, and one client stands still: the kernel of the second goes on to acknowledge, as that of a process in
/// SIGSTOP does. Neither answers a ping.
pub(crate) async fn row_02_clients_that_vanish() {
    const ROOM: &str = "presence-room";
    let switch = Switch::new();
    let (server, stays, vanishes) = (switch.host(), switch.host(), switch.host());
    let metrics = format!("127.0.0.1:{}", free_port());
    let pings = [
        ("RESOUND_APP_PING_INTERVAL", "1"),
        ("RESOUND_APP_PONG_TIMEOUT_SECONDS", "3"),
        ("RESOUND_METRICS_LISTEN", &metrics),
    ];
    let nodes = [Node::of(server.serve(&pings).await, metrics.parse().unwrap())];
    let program = &nodes[0].program;
    let mut stage = Stage::default();
    let backend: Backend = stays.backend(program).await;
    let to = stage.publish(Publisher::by(vec![backend], "orders", Pace::STEADY));
    let staying = Subscriber::over(stays.connect(program.address, None).await, "orders").await;
    stage.listen(to, true, staying);
    let vanishing = Subscriber::over(vanishes.connect(program.address, None).await, "orders").await;
    stage.listen(to, true, vanishing);
    stage.flows().await;
    let mut witness = stays.socket(program).await;
    let _cut = join(vanishes.socket(program).await, ROOM, "cut").await;
    let _still = join(stays.socket(program).await, ROOM, "still").await;
    join_in_place(&mut witness, ROOM, "witness").await;
    vanishes.link.cut();
    let begin = Instant::now();
    let mut left = Vec::new();
    while left.len() < 2 {
        let text = witness.receive().await;
        if text.contains("pusher:ping") {
            witness.send_text(r#"{"event":"pusher:pong","data":{}}"#).await;
        } else if text.contains("member_removed") {
            left.push(begin.elapsed());
        }
    }
    vanishes.link.heal();
    let ending = stage.end().await;
    let line = Line {
        row: (2, ""),
        fault: "the link of a client is cut, and another client stands still; pings after 1 s, 3 s to answer",
        recovered: left.last().copied(),
        peak: peak(&nodes),
        beside: format!(
            "members gone after {:.2} and {:.2} s",
            left[0].as_secs_f64(),
            left[1].as_secs_f64()
        ),
    };
    line.show(&ending);
    ending.is_whole();
    let code = ending.subscribers[1].visits()[0].ended.and_then(|end| end.1);
    assert_eq!(code, Some(4201), "the client whose link is back reads why it was closed");
    assert!(left[1] >= Duration::from_secs(2), "one that is closed at once: {left:?}");
}

async fn join(mut socket: TestSocket, room: &str, user: &str) -> TestSocket {
    join_in_place(&mut socket, room, user).await;
    socket
}

async fn join_in_place(socket: &mut TestSocket, room: &str, user: &str) {
    socket.subscribe_signed(room, Some(&format!(r#"{{"user_id":"{user}"}}"#))).await;
}

/// What a client sends, and what becomes of it.
struct Hostile {
    row: u32,
    fault: &'static str,
    bytes: Vec<u8>,
    /// The close code; none where an answer is all there is, and the socket stays.
    code: Option<u16>,
}

fn hostile() -> Vec<Hostile> {
    let fragments = [frame(TEXT_BEGINS, "{"), frame(GOES_ON, " ").repeat(2000)].concat();
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    let wrong = json!({ "event": "pusher:subscribe", "data": { "channel": 7 } }).to_string();
    let case = |row, fault, bytes, code| Hostile { row, fault, bytes, code };
    vec![
        case(18, "frames whose headers announce 2^62 octets", header(TEXT, 1 << 62), Some(1009)),
        case(19, "messages of 2 000 fragments without an end", fragments, Some(1009)),
        case(20, "text that is not UTF-8", frame(TEXT, b"\"\xff"), Some(1007)),
        case(21, "messages that are no JSON, or of the wrong type", frame(TEXT, wrong), None),
        case(22, "JSON of 4 000 levels", frame(TEXT, deep), None),
    ]
}

pub(crate) async fn row_18_to_22_frames_that_no_client_may_send() {
    const TIMES: usize = 40;
    for Hostile { row, fault, bytes, code } in hostile() {
        let nodes = [Node::alone(&[]).await];
        let stage = Stage::between(&nodes, Pace::STEADY).await;
        let before = peak(&nodes);
        for _ in 0..TIMES {
            let mut wire = Wire::socket(nodes[0].address()).await;
            let _ = wire.try_send(&bytes).await;
            answered(&mut wire, code).await;
        }
        let took = stage.flows().await;
        let ending = stage.end().await;
        let grown = peak(&nodes).saturating_sub(before);
        let fate = code.map_or_else(|| "an error each".to_owned(), |code| format!("each {code}"));
        let line = Line {
            row: (row, ""),
            fault,
            recovered: Some(took),
            peak: peak(&nodes),
            beside: format!("40 of them: {fate}; {:.1} MB more than before", grown as f64 / 1e6),
        };
        line.show(&ending);
        ending.is_whole();
        assert!(grown < SLACK, "{fault}: {grown} bytes more");
    }
}

/// A close with this code, or an error and a socket that is served on.
async fn answered(wire: &mut Wire, code: Option<u16>) {
    let Some(code) = code else {
        assert!(wire.text().await.contains("pusher:error"));
        wire.send(frame(TEXT, CLIENT_PING)).await;
        assert!(wire.text().await.contains("pusher:pong"));
        return;
    };
    loop {
        let (first, payload) = wire.frame().await.expect("a close frame before the end");
        if first == CLOSE {
            assert_eq!(payload.first_chunk().map(|code| u16::from_be_bytes(*code)), Some(code));
            return;
        }
    }
}
