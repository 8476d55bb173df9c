//! permessage-deflate by hand: what is negotiated, what arrives, and messages that lie.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::bystander::{APP, Bystander, backend};
use crate::harness::TestServer;
use crate::harness::server::REVERB_APP;
use crate::wire::{
    CLIENT_PING, GOES_ON, GOES_ON_LAST, PING, PONG, SERVER_PONG, TEXT, TEXT_BEGINS, Wire, frame,
};

/// RSV1, which marks the first frame of a deflated message.
const DEFLATED: u8 = 0x40;

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn handshake(extensions: &str) -> String {
    format!(
        "GET {APP} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {extensions}\r\n"
    )
}

/// A greeted socket that negotiated deflate.
async fn deflating(server: &TestServer) -> Wire {
    let mut wire = Wire::open(server.address).await;
    wire.send(handshake(&format!("Sec-WebSocket-Extensions: {OFFER}\r\n"))).await;
    assert!(wire.head().await.contains(&format!("sec-websocket-extensions: {ACCEPTED}\r\n")));
    assert!(wire.text().await.contains("connection_established"), "a greeting is short: as it is");
    wire
}

/// As a client deflates: without the four bytes every message ends with.
fn deflate(message: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).unwrap();
    encoder.flush().unwrap();
    let mut deflated = encoder.get_ref().clone();
    assert!(deflated.ends_with(&[0, 0, 0xff, 0xff]));
    deflated.truncate(deflated.len() - 4);
    deflated
}

fn inflate(deflated: &[u8]) -> String {
    // The tail that was left out, and an end, which a message does not have.
    let ended = [deflated, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    let mut message = String::new();
    DeflateDecoder::new(&ended[..]).read_to_string(&mut message).unwrap();
    message
}

#[tokio::test]
async fn an_offer_is_accepted_if_one_frame_can_serve_all_sockets() {
    let server = TestServer::start().await;
    let accepted = format!("sec-websocket-extensions: {ACCEPTED}\r\n");
    for (offer, is_accepted) in [
        ("", false),
        ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", true),
        ("Sec-WebSocket-Extensions: permessage-deflate\r\n", true),
        ("Sec-WebSocket-Extensions: permessage-bzip2\r\n", false),
        ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n", false),
        (
            "Sec-WebSocket-Extensions: x-unknown; a=b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            true,
        ),
    ] {
        let mut wire = Wire::open(server.address).await;
        wire.send(handshake(offer)).await;
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert_eq!(head.contains(&accepted), is_accepted, "{offer}: {head}");
        assert_eq!(head.contains("sec-websocket-extensions"), is_accepted, "{offer}: {head}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let server = TestServer::with(&format!("{REVERB_APP}\n[websocket]\ndeflate = false\n")).await;
    let mut wire = Wire::open(server.address).await;
    wire.send(handshake(&format!("Sec-WebSocket-Extensions: {OFFER}\r\n"))).await;
    assert!(!wire.head().await.contains("sec-websocket-extensions"));
    wire.text().await;
    wire.send(frame(TEXT | DEFLATED, deflate(CLIENT_PING.as_bytes()))).await;
    assert_eq!(wire.farewell().await.code, Some(1002));
}

#[tokio::test]
async fn large_events_are_deflated_for_clients_that_negotiated_it() {
    let server = TestServer::start().await;
    let (mut one, mut other) = (deflating(&server).await, deflating(&server).await);
    let mut plain = Wire::socket(server.address).await;
    for wire in [&mut one, &mut other, &mut plain] {
        wire.subscribe("servers").await;
    }
    let mut backend = backend(server.address);
    let large = r#"{"server":"web-1","status":"running"}"#.repeat(30);
    for (data, is_deflated) in [("{}", false), (&*large, true), ("small", false), (&*large, true)] {
        backend.trigger("servers", "updated", data).await;
        let expected = plain.text().await;
        let message: serde_json::Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(message["data"], *data);
        for wire in [&mut one, &mut other] {
            let (first, payload) = wire.frame().await.unwrap();
            assert_eq!(first == TEXT | DEFLATED, is_deflated, "{} bytes", data.len());
            let received = if is_deflated {
                assert!(payload.len() * 4 < expected.len(), "{} bytes", payload.len());
                inflate(&payload)
            } else {
                String::from_utf8(payload).unwrap()
            };
            assert_eq!(received, expected);
        }
    }
}

/// So many Chinese characters in an order without repetition, which deflate makes longer.
fn characters(count: usize, seed: u32) -> String {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (*state >> 8) % 20_000)
    };
    std::iter::repeat(()).scan(seed, |state, ()| step(state)).take(count).collect()
}

/// The bytes that a compression leaves behind fill the 64 KB that zlib-rs has for them.
#[tokio::test]
async fn events_that_deflate_does_not_shrink_arrive_one_after_the_other() {
    let server = TestServer::start().await;
    let (mut wire, mut plain) = (deflating(&server).await, Wire::socket(server.address).await);
    for wire in [&mut wire, &mut plain] {
        wire.subscribe("chat").await;
    }
    let mut backend = backend(server.address);
    let shrinks = "price ".repeat(500);
    for number in 0..60 {
        for (data, is_deflated) in [(characters(1000, number), false), (shrinks.clone(), true)] {
            // In a row at first.
            if is_deflated && number < 50 {
                continue;
            }
            backend.trigger("chat", "said", &data).await;
            let expected = plain.text().await;
            let (first, payload) = wire.frame().await.unwrap();
            assert_eq!(first == TEXT | DEFLATED, is_deflated, "event {number}");
            let received =
                if is_deflated { inflate(&payload) } else { String::from_utf8(payload).unwrap() };
            assert_eq!(received, expected);
        }
    }
}

#[tokio::test]
async fn deflated_messages_of_clients_are_read() {
    let server = TestServer::start().await;
    let mut wire = deflating(&server).await;
    let ping = deflate(CLIENT_PING.as_bytes());
    let (begin, end) = ping.split_at(ping.len() / 2);
    for frames in [
        frame(TEXT | DEFLATED, &ping),
        frame(TEXT, CLIENT_PING),
        [frame(TEXT_BEGINS | DEFLATED, begin), frame(GOES_ON_LAST, end)].concat(),
        [
            frame(TEXT_BEGINS | DEFLATED, begin),
            frame(GOES_ON, ""),
            frame(PING, "between"),
            frame(GOES_ON_LAST, end),
        ]
        .concat(),
    ] {
        wire.send(frames).await;
        let (mut first, mut payload) = wire.frame().await.unwrap();
        if first == PONG {
            (first, payload) = wire.frame().await.unwrap();
        }
        assert_eq!((first, String::from_utf8(payload).unwrap()), (TEXT, SERVER_PONG.to_owned()));
    }
}

#[tokio::test]
async fn malformed_deflate_frames_close_with_their_code() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::at(server.address).await;
    // 9 KB that stand for 9 MB, at a limit of 10 000 bytes.
    let bomb = deflate(&vec![b' '; 9 << 20]);
    assert!(bomb.len() < 10_000);
    let (begin, end) = bomb.split_at(bomb.len() / 2);
    let ping = deflate(CLIENT_PING.as_bytes());
    for (name, code, frames) in [
        ("a bomb", 1009, frame(TEXT | DEFLATED, &bomb)),
        (
            "a bomb in two pieces",
            1009,
            [frame(TEXT_BEGINS | DEFLATED, begin), frame(GOES_ON_LAST, end)].concat(),
        ),
        ("one byte too much", 1009, frame(TEXT | DEFLATED, deflate(&[b' '; 10_001]))),
        ("no deflated data", 1002, frame(TEXT | DEFLATED, [0xff; 20])),
        ("more behind the end", 1002, frame(TEXT | DEFLATED, b"\xf3\x48\xcd\xc9\xc9\x07\x00more")),
        ("not UTF-8", 1007, frame(TEXT | DEFLATED, deflate(b"\xff\xfe"))),
        ("RSV1 on a ping", 1002, frame(PING | DEFLATED, "")),
        (
            "RSV1 on a later fragment",
            1002,
            [frame(TEXT_BEGINS, "{"), frame(GOES_ON_LAST | DEFLATED, &ping)].concat(),
        ),
        ("RSV2", 1002, frame(TEXT | 0x20, &ping)),
    ] {
        let mut wire = deflating(&server).await;
        wire.send(frames).await;
        assert_eq!(wire.farewell().await.code, Some(code), "{name}");
        bystander.is_served().await;
    }
}
