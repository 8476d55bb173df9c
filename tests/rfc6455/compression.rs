//! permessage-deflate, RFC 7692: messages in one frame and in fragments, with every form of block, and data that lies.

use flate2::Compression;

use crate::case::{Case, binary, deflate, deflate_with, pong, text};
use crate::play::check;
use crate::wire::{
    BINARY, BINARY_BEGINS, CLOSE, GOES_ON, GOES_ON_LAST, PING, TEXT, TEXT_BEGINS, frame,
};

/// RSV1, which marks the first frame of a deflated message.
const DEFLATED: u8 = 0x40;

fn sample(size: usize) -> Vec<u8> {
    br#"{"event":"price","data":{"id":17,"bid":1.0831,"ask":1.0833}} "#.iter().copied().cycle().take(size).collect()
}

#[tokio::test]
async fn deflated_messages_arrive_in_any_form() {
    let mut cases = Vec::new();
    for size in [1, 16, 64, 256, 1024, 4096, 65_536, 131_072] {
        let payload = sample(size);
        for level in [Compression::fast(), Compression::best()] {
            let deflated = deflate_with(level, &payload);
            cases.push(Case::open(
                format!("{size} bytes, {level:?}"),
                frame(TEXT | DEFLATED, &deflated),
                vec![text(&payload)],
            ));
        }
        let deflated = deflate(&payload);
        cases.push(Case::open(
            format!("{size} bytes of binary"),
            frame(BINARY | DEFLATED, deflated),
            vec![binary(&payload)],
        ));
        cases.push(Case::open(
            format!("{size} bytes not deflated"),
            frame(TEXT, &payload),
            vec![text(&payload)],
        ));
    }
    cases.push(Case::open("an empty message", frame(TEXT | DEFLATED, [0]), vec![text("")]));
    // RFC 7692, 7.2.3: of one block, stored, a last block, two blocks.
    let hello: [&[u8]; 4] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ];
    for deflated in hello {
        cases.push(Case::open(
            format!("{deflated:x?}"),
            frame(TEXT | DEFLATED, deflated),
            vec![text("Hello")],
        ));
    }
    check(cases.into_iter().map(Case::deflating).collect()).await;
}

#[tokio::test]
async fn deflated_fragments_are_joined_before_they_are_inflated() {
    let payload = sample(300);
    let deflated = deflate(&payload);
    let mut cases = Vec::new();
    for at in [0, 1, 2, deflated.len() / 2, deflated.len() - 1, deflated.len()] {
        let (begin, end) = deflated.split_at(at);
        let bytes =
            [frame(TEXT_BEGINS | DEFLATED, begin), frame(PING, "in"), frame(GOES_ON_LAST, end)];
        cases.push(Case::open(
            format!("cut at {at}"),
            bytes.concat(),
            vec![pong("in"), text(&payload)],
        ));
    }
    let each = deflated.iter().map(|byte| frame(GOES_ON, [*byte])).collect::<Vec<_>>().concat();
    let bytes = [frame(BINARY_BEGINS | DEFLATED, ""), each, frame(GOES_ON_LAST, "")].concat();
    cases.push(Case::open("in bytes", bytes, vec![binary(&payload)]));
    let alternating = [
        frame(TEXT | DEFLATED, &deflated),
        frame(TEXT, "plain"),
        frame(TEXT | DEFLATED, &deflated),
    ];
    cases.push(Case::open(
        "each message by itself",
        alternating.concat(),
        vec![text(&payload), text("plain"), text(&payload)],
    ));
    check(cases.into_iter().map(Case::deflating).collect()).await;
}

#[tokio::test]
async fn deflated_data_that_lies_is_refused_with_its_code() {
    let payload = sample(300);
    let deflated = deflate(&payload);
    let whole = |bytes: &[u8]| frame(TEXT | DEFLATED, bytes);
    let refused = [
        ("no deflated data", 1002, whole(&[0xff; 20])),
        ("a stored block whose lengths differ", 1002, whole(&[0x00, 0x05, 0x00, 0xfa, 0xfe, b'H'])),
        ("more behind the last block", 1002, whole(b"\xf3\x48\xcd\xc9\xc9\x07\x00more")),
        ("a distance before the start", 1002, whole(&back_reference())),
        ("a text that is not UTF-8", 1007, whole(&deflate(b"ok\xff"))),
        ("a text that ends within a character", 1007, whole(&deflate(b"\xe2\x82"))),
        ("RSV1 on a ping", 1002, frame(PING | DEFLATED, "")),
        ("RSV1 on a close frame", 1002, frame(CLOSE | DEFLATED, [3, 232])),
        ("RSV2 and RSV1", 1002, frame(TEXT | DEFLATED | 0x20, &deflated)),
        (
            "RSV1 on a later fragment",
            1002,
            [frame(TEXT_BEGINS | DEFLATED, ""), frame(GOES_ON_LAST | DEFLATED, &deflated)].concat(),
        ),
        (
            "RSV1 on a later fragment of a plain message",
            1002,
            [frame(TEXT_BEGINS, "{"), frame(GOES_ON_LAST | DEFLATED, "}")].concat(),
        ),
        ("24 MB in 24 KB", 1009, whole(&deflate(&vec![b' '; 24 << 20]))),
    ];
    let mut cases: Vec<Case> = refused
        .into_iter()
        .map(|(name, code, bytes)| Case::refused(name, code, bytes).deflating())
        .collect();
    cases.push(Case::refused("RSV1 without the extension", 1002, whole(&deflated)));
    // A context of an earlier message, which was not negotiated, is not there.
    let bytes = [whole(&deflated), whole(&back_reference())].concat();
    let carried = Case::refused("a distance into the message before", 1002, bytes).deflating();
    cases.push(Case { answers: vec![text(&payload)], ..carried });
    check(cases).await;
}

/// A block of fixed codes whose first symbol copies three bytes from one byte before the start.
fn back_reference() -> Vec<u8> {
    // BFINAL 0, BTYPE 01, length code 257 (0000001), distance code 0 (00000), end of block (0000000),
    // then the empty stored block whose last four bytes are the tail.
    vec![0b0000_0010, 0b0000_0010, 0, 0]
}
