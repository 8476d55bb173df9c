//! Messages that announce too much, never end or are random bytes: the exact close code, a clean end, and no effect on other
//! sockets. What RFC 6455 itself forbids is in the suite `rfc6455`.

use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::bystander::Bystander;
use crate::harness::{TestServer, eventually};
use crate::wire::{
    BINARY_BEGINS, CLIENT_PING, CLOSE, GOES_ON, GOES_ON_LAST, SERVER_PONG, TEXT, TEXT_BEGINS, Wire,
    frame, header,
};

/// Sends the frames of each case, alone and with 64 KiB behind them in the same packet: bytes
/// the server does not read must not reset the connection before its last words.
async fn check(code: u16, cases: Vec<(String, Vec<u8>)>) {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    for (name, frames) in cases {
        for behind in [0, 65_536] {
            let mut wire = Wire::socket(server.address).await;
            let mut bytes = frames.clone();
            bytes.resize(bytes.len() + behind, 0xaa);
            wire.send(bytes).await;
            let farewell = wire.farewell().await;
            assert_eq!(farewell.code, Some(code), "{name}, {behind} bytes behind: {farewell:?}");
            assert_eq!(farewell.texts, [""; 0], "{name}: RFC 6455 codes are not announced");
        }
        bystander.is_served().await;
    }
    eventually("only the bystander to be left", async || {
        server.metric("resound_connections") == 1.0
    })
    .await;
}

fn named<const N: usize>(cases: [(&str, Vec<u8>); N]) -> Vec<(String, Vec<u8>)> {
    cases.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn joined(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

#[tokio::test]
async fn what_announces_too_much_closes_with_1009_at_its_header() {
    let begun = frame(TEXT_BEGINS, [b' '; 6000]);
    let mut cases = named([
        ("fragments that add up", joined(&[begun, header(GOES_ON_LAST, 4001)])),
        ("1025 fragments", joined(&[frame(TEXT_BEGINS, " "), frame(GOES_ON, " ").repeat(1024)])),
        (
            "1025 empty fragments",
            joined(&[frame(TEXT_BEGINS, ""), frame(GOES_ON, "").repeat(1024)]),
        ),
    ]);
    for announced in [10_001, 65_536, 1 << 31, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX] {
        cases.push((format!("{announced} bytes"), header(TEXT, announced)));
        cases.push((format!("{announced} binary bytes"), header(BINARY_BEGINS, announced)));
    }
    check(1009, cases).await;
}

#[tokio::test]
async fn a_message_that_is_not_finished_in_time_closes_with_1009() {
    let toml = "[websocket]\nmessage_timeout_seconds = 1\n";
    let server = TestServer::with(&format!("{}{toml}", crate::harness::server::REVERB_APP)).await;
    let mut bystander = Bystander::at(server.address).await;
    let unfinished =
        [frame(TEXT_BEGINS, "a"), frame(TEXT, "abc")[..7].to_vec(), vec![TEXT], header(TEXT, 9000)];
    let begin = Instant::now();
    let mut wires = Vec::new();
    for bytes in unfinished {
        let mut wire = Wire::socket(server.address).await;
        wire.send(bytes).await;
        wires.push(wire);
    }
    // A finished message behind an unfinished one of the past: no time is left over from that.
    let mut finished = Wire::socket(server.address).await;
    finished.send(joined(&[frame(TEXT_BEGINS, ""), frame(GOES_ON_LAST, CLIENT_PING)])).await;
    assert_eq!(finished.text().await, SERVER_PONG);
    for mut wire in wires {
        assert_eq!(wire.farewell().await.code, Some(1009));
    }
    let took = begin.elapsed().as_secs_f32();
    assert!((1.0..40.0).contains(&took), "one second was configured, it took {took} s");
    finished.send(frame(TEXT, CLIENT_PING)).await;
    assert_eq!(finished.text().await, SERVER_PONG);
    bystander.is_served().await;
}

#[tokio::test]
async fn random_bytes_end_in_order() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    let mut random = StdRng::seed_from_u64(0x5eed);
    for _ in 0..40 {
        let mut wires = Vec::new();
        for _ in 0..50 {
            let mut bytes = Vec::new();
            for _ in 0..random.random_range(1..6) {
                let payload: Vec<u8> =
                    (0..random.random_range(0..300)).map(|_| random.random()).collect();
                match random.random_range(0..4) {
                    0 => bytes.extend(payload),
                    1 => bytes.extend(frame(random.random(), payload)),
                    2 => bytes.extend(frame(TEXT_BEGINS | random.random_range(0..3) << 7, payload)),
                    _ => bytes.extend(frame(TEXT, String::from_utf8_lossy(&payload).as_bytes())),
                }
            }
            let mut wire = Wire::socket(server.address).await;
            wire.send_all_and_finish(&bytes).await;
            wires.push(wire);
        }
        for mut wire in wires {
            let mut last = 0;
            while let Some((first, _)) = wire.frame().await {
                assert_ne!(last, CLOSE, "a frame behind a close frame");
                last = first;
            }
        }
        bystander.is_served().await;
    }
    assert_eq!(server.metric("resound_connections_opened_total"), 2001.0);
}
