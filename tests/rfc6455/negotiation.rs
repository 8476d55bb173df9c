//! What is answered to offers of extensions, and that both directions keep what was answered.

use std::io::Read;

use flate2::read::DeflateDecoder;

use crate::case::deflate;
use crate::play::{Peer, handshake_with};
use crate::wire::{TEXT, Wire, frame};

const PLAIN: Option<&str> =
    Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
const WINDOW: Option<&str> = Some(
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
);

/// The offer and its answer.
const OFFERS: [(&str, Option<&str>); 30] = [
    ("permessage-deflate", PLAIN),
    ("permessage-deflate; client_max_window_bits", PLAIN),
    ("permessage-deflate;client_max_window_bits=8", PLAIN),
    ("permessage-deflate; client_max_window_bits=15", PLAIN),
    ("permessage-deflate; client_max_window_bits=\"12\"", PLAIN),
    ("permessage-deflate; server_no_context_takeover", PLAIN),
    ("permessage-deflate; client_no_context_takeover", PLAIN),
    ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", PLAIN),
    ("permessage-deflate; server_max_window_bits=15", WINDOW),
    ("permessage-deflate; server_max_window_bits=\"15\"; client_max_window_bits", WINDOW),
    ("permessage-deflate; server_max_window_bits=9", None),
    ("permessage-deflate; server_max_window_bits=9, permessage-deflate", PLAIN),
    ("x-webkit-deflate-frame, permessage-deflate", PLAIN),
    ("x-unknown; a=b; c, permessage-deflate; client_max_window_bits", PLAIN),
    ("permessage-deflate; server_max_window_bits", None),
    ("permessage-deflate; server_max_window_bits=8", None),
    ("permessage-deflate; server_max_window_bits=16", None),
    ("permessage-deflate; server_max_window_bits=015", None),
    ("permessage-deflate; server_max_window_bits=+15", None),
    ("permessage-deflate; client_max_window_bits=7", None),
    ("permessage-deflate; client_max_window_bits=16", None),
    ("permessage-deflate; client_max_window_bits=09", None),
    ("permessage-deflate; client_max_window_bits=", None),
    ("permessage-deflate; client_max_window_bits; client_max_window_bits=9", None),
    ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
    ("permessage-deflate; server_no_context_takeover=1", None),
    ("permessage-deflate; client_no_context_takeover=true", None),
    ("permessage-deflate; something_new", None),
    ("permessage-bzip2", None),
    ("", None),
];

#[tokio::test]
async fn each_offer_has_its_answer() {
    for peer in [Peer::server().await, Peer::echo().await] {
        for (offer, expected) in OFFERS {
            let mut wire = Wire::open(peer.address).await;
            wire.send(handshake_with(offer)).await;
            let head = wire.head().await;
            assert!(head.starts_with("HTTP/1.1 101"), "{offer}: {head}");
            let answer =
                head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
            assert_eq!(answer, expected, "{offer}, {}", peer.name);
        }
    }
}

/// Neither direction refers to a message before: each is inflated with an inflater of its own.
#[tokio::test]
async fn no_context_is_taken_over_in_either_direction() {
    let peer = Peer::echo().await;
    let mut wire = peer.connect(true).await;
    let message = "a message that repeats itself, ".repeat(40);
    for _ in 0..3 {
        wire.send(frame(TEXT | 0x40, deflate(message.as_bytes()))).await;
        let (first, payload) = wire.frame().await.unwrap();
        assert_eq!(first, TEXT | 0x40);
        assert_eq!(inflated(&payload), message.as_bytes());
    }
    wire.send(frame(TEXT, "short")).await;
    assert_eq!(
        wire.frame().await,
        Some((TEXT, b"short".to_vec())),
        "what does not shrink is sent as it is"
    );
}

/// What a deflated message holds.
pub(crate) fn inflated(deflated: &[u8]) -> Vec<u8> {
    // The tail that was left out, and an end, which a message does not have.
    let ended = [deflated, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    let mut message = Vec::new();
    DeflateDecoder::new(&ended[..]).read_to_end(&mut message).unwrap();
    message
}
