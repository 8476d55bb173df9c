//! A flood of every kind of refusal: the log stays small, each of its lines is one line, and the sums account
//! for every refusal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::Program;
use crate::wire::{TEXT, Wire, frame, handshake, join};

const FLOOD: Duration = Duration::from_secs(2);

/// Text that begins a line of its own and commands a terminal, unless it is escaped.
const HOSTILE: &str = "x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{9b}1m\u{2028}";

/// How often each kind was refused, by a part of its lines.
type Refusals = Vec<(&'static str, u64)>;

/// Refused requests over one connection.
async fn requests(address: SocketAddr, until: Instant) -> Refusals {
    let unsigned = "POST /apps/123456/events?auth_key=reverb-key&auth_version=1.0 HTTP/1.1\r\n\
                    Host: x\r\nContent-Length: 0\r\n\r\n";
    let unknown = "GET /%0a%1b[2J/no/such/route HTTP/1.1\r\nHost: x\r\n\r\n";
    let (mut wire, mut count) = (Wire::open(address).await, 0);
    while Instant::now() < until {
        for request in [unsigned, unknown] {
            wire.send(request).await;
            assert!([400, 401, 404].contains(&wire.reply().await.status));
        }
        count += 1;
    }
    vec![("request refused", 2 * count)]
}

/// Messages and subscriptions that are refused, on one socket after the other.
async fn messages(address: SocketAddr, until: Instant) -> Refusals {
    let (mut garbage, mut unsigned) = (0, 0);
    while Instant::now() < until {
        let mut socket = Wire::socket(address).await;
        // Below the number that closes a socket for its flood.
        for _ in 0..150 {
            if Instant::now() >= until {
                break;
            }
            let channel = json!({ "channel": format!("private-{HOSTILE}") });
            let name = json!({ "channel": "private-unsigned", "auth": HOSTILE });
            let text = frame(TEXT, HOSTILE);
            socket.send([text.repeat(50), join(&channel), join(&name)].concat()).await;
            let mut answers = (0, 0);
            while answers.0 < 50 || answers.1 < 4 {
                match socket.text().await.contains("subscription_error") {
                    true => answers.1 += 1,
                    false => answers.0 += 1,
                }
                if answers.0 + answers.1 == 54 {
                    break;
                }
            }
            garbage += 50;
            unsigned += 2;
        }
    }
    vec![("message rejected", garbage), ("subscription refused", unsigned)]
}

/// Connections that are rejected, for one reason after the other.
async fn connections(address: SocketAddr, until: Instant) -> Refusals {
    let (tls, malformed) = (b"\x16\x03\x01\x02\x00\x01", b"GET /\x01 HTTP/9.9\r\n\r\n");
    let path = handshake().replace("/app/", "/elsewhere/");
    let (mut rejected, mut refused) = (0, 0);
    let foreign = handshake().replace("Host: x", "Host: x\r\nOrigin: https://foreign.example");
    while Instant::now() < until {
        for bytes in [&tls[..], malformed] {
            let mut wire = Wire::open(address).await;
            wire.send(bytes).await;
            wire.rest().await;
        }
        for request in [&path, &foreign] {
            let mut wire = Wire::open(address).await;
            wire.send(request).await;
            assert_eq!(wire.reply().await.status, 101);
            wire.farewell().await;
        }
        rejected += 3;
        refused += 2;
    }
    vec![("connection rejected", rejected), ("connection refused", refused)]
}

/// How often lines say that something happened: one each, and the count of a sum.
fn occurrences(log: &[String], part: &str) -> u64 {
    let count = |line: &String| match line.split_once(" more of these: ") {
        Some(_) => {
            line.rsplit_once(" count=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        }
        None => Some(1),
    };
    let of_kind = log.iter().filter(|line| line.contains(part));
    of_kind.map(|line| count(line).unwrap_or_else(|| panic!("no count: {line}"))).sum()
}

/// Floods a program with these variables; returns its log and the bytes of the log.
async fn check(variables: &[(&str, &str)]) -> (Vec<String>, usize, f64) {
    let origins = [("RESOUND_APP_ALLOWED_ORIGINS", "example.com")];
    let program = Program::start(&[&origins, variables].concat()).await;
    let (address, begun) = (program.address, Instant::now());
    let until = begun + FLOOD;
    let (one, two, three) = tokio::join!(
        requests(address, until),
        messages(address, until),
        connections(address, until)
    );
    let refusals: Refusals = [one, two, three].concat();
    program.terminate();
    let log = program.rest_of_log().await;
    let bytes = log.iter().map(|line| line.len() + 1).sum();
    for (part, count) in &refusals {
        assert!(*count > 20, "a flood has many of {part:?}: {refusals:?}");
        assert_eq!(occurrences(&log, part), *count, "{part}: the sums account for all");
    }
    for line in &log {
        assert!(line.len() <= 8192, "{} bytes: {line}", line.len());
        assert!(line.starts_with("20") && !line.starts_with("2026-01-01"), "a forged line: {line}");
        let unsafe_letter = |letter: char| letter.is_control() || letter == '\u{2028}';
        assert!(!line.contains(unsafe_letter), "{line:?}");
    }
    let seconds = begun.elapsed().as_secs_f64();
    let all: u64 = refusals.iter().map(|(_, count)| count).sum();
    println!("{all} refusals in {seconds:.1} s: {} lines, {bytes} bytes {variables:?}", log.len());
    (log, bytes, seconds)
}

/// Ten kinds, of which each has two lines an interval, and intervals that double.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_info_a_flood_leaves_a_few_lines_a_second() {
    let (log, bytes, seconds) = check(&[]).await;
    let lines = 20.0 + 10.0 * 2.0 * (seconds + 1.0);
    assert!((log.len() as f64) < lines, "{} lines in {seconds} s", log.len());
    assert!(bytes < 64 << 10, "{bytes} bytes");
}

/// A hundred lines a second of each kind, the messages themselves among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_debug_a_flood_leaves_a_hundred_lines_a_second_of_each_kind() {
    let (log, bytes, seconds) = check(&[("RESOUND_LOG_DEBUG", "true")]).await;
    let lines = 20.0 + 17.0 * 101.0 * (seconds + 1.0);
    assert!((log.len() as f64) < lines, "{} lines in {seconds} s", log.len());
    assert!((bytes as f64) < lines * 512.0, "{bytes} bytes");
}
