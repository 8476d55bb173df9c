//! Large messages through the echo server, up to its limit: whole, in fragments and in small writes; and many small ones, each
//! answered before the next is written.

use crate::case::{Answer, binary, message, text};
use crate::echo;
use crate::play::Peer;
use crate::wire::{BINARY, GOES_ON, TEXT, Wire, frame};

const KB: usize = 1 << 10;
const MB: usize = 1 << 20;

/// Of two, three and four bytes, so that fragments and reads end within characters too.
const SIGNS: &str = "BAsd7&jh23 tschüß κόσμε € 😀 ";

/// Small messages on one connection.
const ROUND_TRIPS: usize = 200;

/// So many bytes of text; what is left of the last character is filled up.
fn signs(bytes: usize) -> Vec<u8> {
    let whole = bytes / SIGNS.len();
    let rest = vec![b'*'; bytes % SIGNS.len()];
    [SIGNS.repeat(whole).into_bytes(), rest].concat()
}

/// Every byte, in an order that repeats late.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    };
    std::iter::repeat(()).scan(7_u32, |state, ()| step(state)).take(bytes).collect()
}

fn message_of(first: u8, bytes: usize) -> (Vec<u8>, Answer) {
    let payload = if first == TEXT { signs(bytes) } else { noise(bytes) };
    let answer = if first == TEXT { text(&payload) } else { binary(&payload) };
    (payload, answer)
}

/// A message in frames of so many bytes.
pub(crate) fn fragments(first: u8, payload: &[u8], bytes: usize) -> Vec<u8> {
    let last = payload.len().div_ceil(bytes).max(1) - 1;
    let parts = payload.chunks(bytes.max(1)).enumerate().map(|(at, part)| {
        let opcode = if at == 0 { first & 0x7f } else { GOES_ON };
        frame(if at == last { opcode | 0x80 } else { opcode }, part)
    });
    if payload.is_empty() { frame(first, "") } else { parts.collect::<Vec<_>>().concat() }
}

/// The next frame is this answer.
async fn is_answered(wire: &mut Wire, expected: &Answer, what: &str) {
    let (first, payload) = wire.frame().await.unwrap_or_else(|| panic!("{what}: the end"));
    let length = payload.len();
    let is_expected = Answer::of(first, payload).as_ref() == Some(expected);
    assert!(is_expected, "{what}: a frame {first:#x} of {length} bytes");
}

#[tokio::test]
async fn whole_messages_come_back_up_to_the_limit() {
    let peer = Peer::echo().await;
    let mut wire = peer.connect(false).await;
    for bytes in [64 * KB, 256 * KB, MB, 4 * MB, 8 * MB, echo::MESSAGE_BYTES_MAX] {
        for first in [TEXT, BINARY] {
            let (payload, answer) = message_of(first, bytes);
            wire.send(frame(first, payload)).await;
            is_answered(&mut wire, &answer, &format!("{first:#x} of {bytes} bytes")).await;
        }
    }
}

#[tokio::test]
async fn four_megabytes_come_back_in_fragments_of_any_size() {
    let peer = Peer::echo().await;
    let mut wire = peer.connect(false).await;
    for first in [TEXT, BINARY] {
        let (payload, answer) = message_of(first, 4 * MB);
        for bytes in [64, 256, KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, MB, 4 * MB] {
            wire.send(fragments(first, &payload, bytes)).await;
            is_answered(&mut wire, &answer, &format!("{first:#x} in fragments of {bytes}")).await;
        }
    }
}

#[tokio::test]
async fn a_megabyte_comes_back_that_arrives_in_small_writes() {
    let peer = Peer::echo().await;
    let mut wire = peer.connect(false).await;
    for first in [TEXT, BINARY] {
        let (payload, answer) = message_of(first, MB);
        let whole = frame(first, payload);
        for bytes in [64, 128, 256, 512, KB, 2 * KB] {
            for piece in whole.chunks(bytes) {
                wire.send(piece).await;
            }
            is_answered(&mut wire, &answer, &format!("{first:#x} in writes of {bytes}")).await;
        }
    }
}

#[tokio::test]
async fn each_of_many_small_messages_comes_back_before_the_next() {
    let peer = Peer::echo().await;
    for first in [TEXT, BINARY] {
        for bytes in [0, 16, 64, 256, KB, 4 * KB] {
            let mut wire = peer.connect(false).await;
            let (frame, answer) = message(first, &message_of(first, bytes).0);
            for number in 0..ROUND_TRIPS {
                wire.send(&frame).await;
                is_answered(&mut wire, &answer, &format!("{first:#x} {bytes} {number}")).await;
            }
        }
    }
}
