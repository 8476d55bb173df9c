//! Clients that send as fast as they can: the other sockets of the worker do not wait, and the flood
//! ends with a code after which pusher-js comes back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::harness::server::REVERB_APP;
use crate::harness::{Program, TestServer, TestSocket, within};
use crate::wire::{APP, CLIENT_PING, PING, TEXT, Wire, frame, handshake};

/// A flooding client does not answer a close frame.
const SHORT_CLOSE: &str = "[websocket]\nclose_timeout_seconds = 1\n";

const FLOODING: &str = "Over capacity: the client sends too many messages";

/// Each kind of message that reaches no other client.
fn kinds() -> [Vec<u8>; 6] {
    let whisper = json!({ "event": "client-typing", "channel": "private-foreign", "data": {} });
    let leave = json!({ "event": "pusher:unsubscribe", "data": { "channel": "foreign" } });
    let join = json!({ "event": "pusher:subscribe", "data": { "channel": "private-unsigned" } });
    [
        frame(TEXT, "abc"),
        frame(TEXT, CLIENT_PING),
        frame(PING, "abc"),
        frame(TEXT, whisper.to_string()),
        frame(TEXT, leave.to_string()),
        frame(TEXT, join.to_string()),
    ]
}

/// Sends until the server closes the connection, and reads all the time, as a client in an endless
/// loop does. Returns what was read, and how many bytes the connection took.
async fn flood(address: SocketAddr, message: &[u8]) -> (Vec<u8>, usize) {
    let (mut reading, mut writing) = Wire::socket(address).await.stream.into_split();
    let burst = message.repeat(1000);
    let writes = async {
        let mut sent = 0;
        while let Ok(more @ 1..) = writing.write(&burst[sent % burst.len()..]).await {
            sent += more;
        }
        sent
    };
    // A reset may come behind the close frame, since the client goes on sending.
    let reads = async {
        let mut answers = Vec::new();
        while reading.read_buf(&mut answers).await.is_ok_and(|read| read > 0) {}
        answers
    };
    let (sent, answers) =
        within("the end of the flood", async { tokio::join!(writes, reads) }).await;
    (answers, sent)
}

/// Whether the last frame is a close frame with this code and text.
fn ends_with(answers: &[u8], code: u16, reason: &str) -> bool {
    answers.ends_with(&[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

#[tokio::test]
async fn a_flood_of_any_kind_is_closed_with_4100() {
    let server = TestServer::with(&format!("{REVERB_APP}{SHORT_CLOSE}")).await;
    for (count, message) in kinds().iter().enumerate() {
        let (answers, _) = flood(server.address, message).await;
        let end = String::from_utf8_lossy(&answers[answers.len().saturating_sub(200)..]);
        assert!(ends_with(&answers, 4100, FLOODING), "{count}: {end}");
        let closed = server.metric("resound_flooding_clients_closed_total");
        assert_eq!(closed, (count + 1) as f64);
    }
}

/// One line for the first of a kind, then one a second.
#[tokio::test]
async fn a_flood_leaves_few_lines_in_the_log() {
    let close_timeout = ("RESOUND_WEBSOCKET_CLOSE_TIMEOUT_SECONDS", "1");
    let origins = ("RESOUND_APP_ALLOWED_ORIGINS", "example.com");
    let mut program = Program::start(&[close_timeout, origins]).await;
    let begin = Instant::now();
    let [garbage, .., join] = kinds();
    for message in [garbage, join] {
        flood(program.address, &message).await;
    }
    let foreign = handshake().replace("Host: x", "Host: x\r\nOrigin: https://foreign.example");
    let address = program.address;
    let refused = async |times: usize| {
        for _ in 0..times {
            let mut wire = Wire::open(address).await;
            wire.send(&foreign).await;
            wire.reply().await;
            assert_eq!(wire.farewell().await.code, Some(4009));
        }
    };
    refused(200).await;
    let (lines, seconds) = (program.lines_logged(), begin.elapsed().as_secs() as usize + 1);
    assert!(lines <= 3 * 2 * (1 + seconds), "{lines} lines for 40 200 refusals in {seconds} s");
    // Of two, at least one is not the first of its interval.
    refused(2).await;
    program.log_line("more of these: connection refused").await;
}

#[tokio::test]
async fn a_client_that_is_closed_is_not_read_on_for_ever() {
    let server = TestServer::with(&format!("{REVERB_APP}{SHORT_CLOSE}")).await;
    let message = frame(TEXT, "x".repeat(2000));
    let (answers, sent) = flood(server.address, &message).await;
    let end = String::from_utf8_lossy(&answers[answers.len().saturating_sub(200)..]);
    assert!(ends_with(&answers, 4100, FLOODING), "after {sent} bytes: {end}");
    // 20 000 messages are 40 MB; what comes behind them fills the buffers of the kernel.
    assert!(sent < 60 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn ten_times_the_allowed_subscriptions_are_no_flood() {
    let server = TestServer::start().await;
    let mut socket = server.connect().await;
    for number in 0..10_000 {
        let data = json!({ "channel": format!("channel-{number}") });
        socket.send_text(&json!({ "event": "pusher:subscribe", "data": data }).to_string()).await;
        if number % 500 < 499 {
            continue;
        }
        for answer in socket.receive_all().await {
            let is_granted = answer.contains("pusher_internal:subscription_succeeded");
            assert!(is_granted == (number < 1000), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_does_not_delay_other_sockets() {
    // One worker, so that all share it.
    let program = Program::start(&[("RESOUND_SERVER_WORKERS", "1")]).await;
    let address = program.address;
    for message in kinds() {
        let mut floods = JoinSet::new();
        for _ in 0..5 {
            let message = message.clone();
            // It comes back at once, which no client library does.
            floods.spawn(async move {
                loop {
                    flood(address, &message).await;
                }
            });
        }
        let mut other = TestSocket::greeted(address, APP).await;
        let (begin, mut answers) = (Instant::now(), Vec::new());
        while begin.elapsed() < Duration::from_millis(500) {
            let asked = Instant::now();
            assert_eq!(other.receive_all().await, [""; 0]);
            answers.push(asked.elapsed());
        }
        floods.shutdown().await;
        answers.sort_unstable();
        let (half, longest) = (answers[answers.len() / 2], answers[answers.len() - 1]);
        println!("beside five floods of {} bytes: {half:?}, {longest:?} at most", message.len());
        // Half of them, and not the longest: a busy machine takes the CPU away for a while. `cargo bench --bench load` has the
        // figures.
        assert!(half < Duration::from_millis(400), "half of the answers took {half:?} or more");
    }
}
