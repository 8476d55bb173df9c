//! Headers of frames: sizes, lengths, reserved bits and opcodes, masks.

use crate::case::{Answer, Case, message, pong};
use crate::echo;
use crate::play::{Peer, check};
use crate::wire::{BINARY, BINARY_BEGINS, CLOSE, GOES_ON, PING, TEXT, TEXT_BEGINS, frame, header};

/// Around each border between the three forms of a length.
const SIZES: [usize; 9] = [0, 1, 124, 125, 126, 127, 65_535, 65_536, 65_537];

#[tokio::test]
async fn messages_of_every_size_arrive() {
    let mut cases = Vec::new();
    for size in SIZES {
        for (kind, first) in [("text", TEXT), ("binary", BINARY)] {
            let payload = vec![if first == TEXT { b'*' } else { 0xfe }; size];
            let (bytes, answer) = message(first, &payload);
            cases.push(Case::open(format!("{size} bytes of {kind}"), bytes, vec![answer]));
        }
    }
    let many: Vec<_> = (0..100).map(|n| message(TEXT, n.to_string().as_bytes())).collect();
    let (bytes, answers): (Vec<_>, Vec<Answer>) = many.into_iter().unzip();
    cases.push(Case::open("100 messages in one write", bytes.concat(), answers));
    check(cases).await;
}

#[tokio::test]
async fn the_largest_message_is_echoed_and_one_byte_more_is_refused_at_its_header() {
    let peer = Peer::echo().await;
    let largest = vec![0xa5; echo::MESSAGE_BYTES_MAX];
    let (bytes, answer) = message(BINARY, &largest);
    peer.play(&Case::open("16 MB", bytes, vec![answer])).await;
    let larger = largest.len() as u64 + 1;
    for announced in [larger, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX] {
        for first in [TEXT, BINARY, TEXT_BEGINS, BINARY_BEGINS] {
            let name = format!("{announced} bytes behind {first:#x}");
            peer.play(&Case::refused(name, 1009, header(first, announced))).await;
        }
    }
}

#[tokio::test]
async fn reserved_bits_and_opcodes_close_with_1002() {
    let mut cases = Vec::new();
    for bits in 1..8u8 {
        for first in [TEXT, BINARY, PING, CLOSE, TEXT_BEGINS] {
            let name = format!("reserved bits {bits:03b} of {first:#x}");
            cases.push(Case::refused(name, 1002, frame(first | bits << 4, "")));
        }
    }
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        for (kind, payload) in [("empty", ""), ("with a payload", "hi")] {
            let name = format!("opcode {opcode:#x}, {kind}");
            cases.push(Case::refused(name, 1002, frame(0x80 | opcode, payload)));
        }
        cases.push(Case::refused(
            format!("a fragment of opcode {opcode:#x}"),
            1002,
            frame(opcode, ""),
        ));
    }
    // What came before is answered.
    let (hello, answer) = message(TEXT, b"hello");
    let bytes = [hello, frame(PING, "1"), frame(0x83, ""), frame(PING, "2")].concat();
    let refused = Case::refused("behind a message and a ping", 1002, bytes);
    cases.push(Case { answers: vec![answer, pong("1")], ..refused });
    check(cases).await;
}

#[tokio::test]
async fn lengths_in_a_longer_form_and_missing_masks_close_with_1002() {
    let longer = |code: u8, length: &[u8], size: usize| {
        let masked = frame(TEXT, vec![b' '; size]);
        let masked = &masked[masked.len() - size - 4..];
        [&[TEXT, 0x80 | code], length, masked].concat()
    };
    let unmasked = |first: u8, payload: &[u8]| [&[first, payload.len() as u8], payload].concat();
    let mut cases = vec![Case::refused(
        "64 bits for 65535",
        1002,
        longer(127, &65_535u64.to_be_bytes(), 65_535),
    )];
    for size in [0usize, 1, 125] {
        let (short, long) = ((size as u16).to_be_bytes(), (size as u64).to_be_bytes());
        cases.push(Case::refused(format!("16 bits for {size}"), 1002, longer(126, &short, size)));
        cases.push(Case::refused(format!("64 bits for {size}"), 1002, longer(127, &long, size)));
    }
    for first in [TEXT, BINARY, PING, CLOSE, TEXT_BEGINS, GOES_ON] {
        for payload in ["", "hi"] {
            let bytes = unmasked(first, payload.as_bytes());
            cases.push(Case::refused(format!("{first:#x} without a mask"), 1002, bytes));
        }
    }
    // A mask of zeros is a mask.
    let bytes = [&[TEXT, 0x82, 0, 0, 0, 0][..], b"hi"].concat();
    cases.push(Case::open("a mask of zeros", bytes, vec![message(TEXT, b"hi").1]));
    check(cases).await;
}
