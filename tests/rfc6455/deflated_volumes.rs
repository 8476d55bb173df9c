//! Deflated messages of each size through the echo server, whole and in fragments, behind each offer that a client may make: what
//! was negotiated is kept in both directions, and what was refused is not used.

use crate::case::deflate;
use crate::negotiation::inflated;
use crate::play::{Peer, handshake_with};
use crate::volumes::{fragments, noise};
use crate::wire::{BINARY, TEXT, Wire, frame};

/// The bytes of a message, and those of each of its fragments.
const SIZES: [(usize, usize); 18] = [
    (16, usize::MAX),
    (64, usize::MAX),
    (256, usize::MAX),
    (1024, usize::MAX),
    (4096, usize::MAX),
    (8192, usize::MAX),
    (16_384, usize::MAX),
    (32_768, usize::MAX),
    (65_536, usize::MAX),
    (131_072, usize::MAX),
    (8192, 256),
    (16_384, 256),
    (32_768, 256),
    (65_536, 256),
    (131_072, 256),
    (131_072, 1024),
    (131_072, 4096),
    (131_072, 32_768),
];

/// Each with what the answer adds; `None` where there is none: an offer that limits the server's window is declined, since all
/// sockets get the same bytes.
const OFFERS: [(&str, Option<&str>); 7] = [
    ("permessage-deflate; client_max_window_bits", Some("")),
    ("permessage-deflate; client_max_window_bits; server_no_context_takeover", Some("")),
    ("permessage-deflate; client_max_window_bits; server_max_window_bits=9", None),
    (
        "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
        Some("; server_max_window_bits=15"),
    ),
    (
        "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9",
        None,
    ),
    (
        "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15",
        Some("; server_max_window_bits=15"),
    ),
    (
        "permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9, \
         permessage-deflate; client_max_window_bits; server_no_context_takeover, \
         permessage-deflate; client_max_window_bits",
        Some(""),
    ),
];

const BOTH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// RSV1, which marks the first frame of a deflated message.
const DEFLATED: u8 = 0x40;

/// Text of JSON with numbers that differ, so that matches are of any length and distance.
fn json(bytes: usize) -> Vec<u8> {
    let line = |n: usize| format!(r#"{{"id":{n},"bid":{},"ask":"{:x}"}},"#, n * n % 9973, n * 7919);
    let mut text = String::new();
    (0..).map_while(|n| (text.len() < bytes).then(|| text.push_str(&line(n)))).for_each(drop);
    text.truncate(bytes);
    text.into_bytes()
}

/// A connection behind this offer, whose answer is as expected.
async fn connected(peer: &Peer, offer: &str, answer: Option<&str>) -> Wire {
    let mut wire = Wire::open(peer.address).await;
    wire.send(handshake_with(offer)).await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 101"), "{offer}: {head}");
    let accepted = head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
    let expected = answer.map(|parameters| format!("{BOTH}{parameters}"));
    assert_eq!(accepted, expected.as_deref(), "{offer}");
    wire
}

/// The echo of a message, and whether it came deflated.
async fn echo(wire: &mut Wire, first: u8, what: &str) -> (Vec<u8>, bool) {
    let (found, payload) = wire.frame().await.unwrap_or_else(|| panic!("{what}: the end"));
    assert_eq!(found & !DEFLATED, first, "{what}");
    match found & DEFLATED {
        0 => (payload, false),
        _ => (inflated(&payload), true),
    }
}

#[tokio::test]
async fn each_size_comes_back_behind_each_offer() {
    let peer = Peer::echo().await;
    for (offer, answer) in OFFERS {
        let mut wire = connected(&peer, offer, answer).await;
        for (bytes, fragment) in SIZES {
            let what = format!("{bytes} bytes in {fragment} behind {offer}");
            let payload = json(bytes);
            let message = match answer {
                Some(_) => fragments(TEXT | DEFLATED, &deflate(&payload), fragment),
                None => fragments(TEXT, &payload, fragment),
            };
            wire.send(message).await;
            let (found, is_deflated) = echo(&mut wire, TEXT, &what).await;
            assert!(found == payload, "{what}: {} bytes came back", found.len());
            // The smallest may be as long as what it would be deflated to.
            let is_expected = is_deflated == answer.is_some() || (bytes < 256 && !is_deflated);
            assert!(is_expected, "{what}: deflated {is_deflated}");
        }
    }
}

#[tokio::test]
async fn bytes_that_do_not_shrink_come_back_as_they_are() {
    let peer = Peer::echo().await;
    let (offer, answer) = OFFERS[0];
    let mut wire = connected(&peer, offer, answer).await;
    for (bytes, fragment) in SIZES {
        let (payload, what) = (noise(bytes), format!("{bytes} bytes of noise in {fragment}"));
        let deflated = deflate(&payload);
        for message in [fragments(BINARY | DEFLATED, &deflated, fragment), frame(BINARY, &payload)]
        {
            wire.send(message).await;
            let (found, is_deflated) = echo(&mut wire, BINARY, &what).await;
            assert!(found == payload && !is_deflated, "{what}: {} bytes", found.len());
        }
    }
}
