//! Fragmentation in every legal and illegal order.

use crate::case::{Case, binary, pong, text};
use crate::play::{Peer, check};
use crate::wire::{BINARY, BINARY_BEGINS, GOES_ON, GOES_ON_LAST, PING, TEXT, TEXT_BEGINS, frame};

#[tokio::test]
async fn fragments_are_joined() {
    let mut cases = Vec::new();
    for first in [TEXT_BEGINS, BINARY_BEGINS] {
        let answer =
            |payload: &str| if first == TEXT_BEGINS { text(payload) } else { binary(payload) };
        let parts = |parts: &[&str]| {
            let last = parts.len() - 1;
            let frames = parts.iter().enumerate().map(|(at, part)| {
                let opcode = if at == 0 { first } else { GOES_ON };
                frame(if at == last { opcode | 0x80 } else { opcode }, part)
            });
            Case::open(
                format!("{first:#x} of {parts:?}"),
                frames.collect::<Vec<_>>().concat(),
                vec![answer(&parts.concat())],
            )
        };
        cases.extend([
            parts(&["whole"]),
            parts(&["a", "b"]),
            parts(&["a", "b", "c", "d"]),
            parts(&["", ""]),
            parts(&["", "b", ""]),
            parts(&["", "", "", "last"]),
            parts(&["first", "", ""]),
        ]);
    }
    let two = [
        frame(TEXT_BEGINS, "a"),
        frame(GOES_ON_LAST, "b"),
        frame(BINARY_BEGINS, "c"),
        frame(GOES_ON_LAST, "d"),
        frame(TEXT, "e"),
    ];
    cases.push(Case::open(
        "one message behind the other",
        two.concat(),
        vec![text("ab"), binary("cd"), text("e")],
    ));
    check(cases).await;
}

/// Every sequence of up to four frames of these kinds, judged by the grammar of RFC 6455, section 5.4.
#[tokio::test]
async fn every_order_of_frames_is_judged_by_the_grammar() {
    const KINDS: [u8; 7] = [TEXT, TEXT_BEGINS, BINARY, BINARY_BEGINS, GOES_ON, GOES_ON_LAST, PING];
    let mut cases = Vec::new();
    for number in 0..KINDS.len().pow(3) {
        let kinds = [0, 1, 2].map(|place| KINDS[number / KINDS.len().pow(place) % KINDS.len()]);
        cases.push(judged(&kinds));
    }
    let peer = Peer::echo().await;
    for case in &cases {
        peer.play_whole(case).await;
    }
}

/// A case of these frames, each with its place as payload.
fn judged(kinds: &[u8]) -> Case {
    let (mut bytes, mut answers, mut begun) = (Vec::new(), Vec::new(), None::<(u8, String)>);
    let name = format!("frames {kinds:x?}");
    for (place, &kind) in kinds.iter().enumerate() {
        let payload = place.to_string();
        bytes.extend(frame(kind, &payload));
        let whole = match (kind & 0x0f, begun.take()) {
            (9, unfinished) => {
                begun = unfinished;
                answers.push(pong(payload));
                continue;
            }
            (0, Some((opcode, before))) => (opcode, before + &payload),
            (opcode @ 1..=2, None) => (opcode, payload),
            _ => return Case { answers, ..Case::refused(name, 1002, bytes) },
        };
        match (kind & 0x80 != 0, whole) {
            (false, whole) => begun = Some(whole),
            (true, (1, whole)) => answers.push(text(whole)),
            (true, (_, whole)) => answers.push(binary(whole)),
        }
    }
    if let Some((opcode, whole)) = begun {
        // A ping is answered before the end of the message; the message ends behind it.
        bytes.extend(frame(GOES_ON_LAST, ""));
        answers.push(if opcode == 1 { text(whole) } else { binary(whole) });
    }
    Case::open(name, bytes, answers)
}

#[tokio::test]
async fn what_continues_nothing_is_refused_at_its_header() {
    let head = |first: u8| frame(first, "hello")[..6].to_vec();
    let begun = || frame(TEXT_BEGINS, "a");
    let finished = || [frame(TEXT_BEGINS, "a"), frame(GOES_ON_LAST, "b")].concat();
    let cut = |name: &str, before: Vec<u8>, first: u8| {
        Case::refused(name, 1002, [before, head(first)].concat())
    };
    let behind_the_last = cut("a continuation behind the last", finished(), GOES_ON);
    check(vec![
        cut("a continuation", Vec::new(), GOES_ON),
        cut("a last continuation", Vec::new(), GOES_ON_LAST),
        cut("a text in a text", begun(), TEXT),
        cut("a binary that begins in a text", begun(), BINARY_BEGINS),
        Case { answers: vec![text("ab")], ..behind_the_last },
    ])
    .await;
}
