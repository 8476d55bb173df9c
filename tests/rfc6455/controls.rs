//! Pings and pongs: their payload comes back, and nothing else comes of them.

use crate::case::{Case, pong, text};
use crate::play::check;
use crate::wire::{BINARY, CLOSE, GOES_ON_LAST, PING, PONG, TEXT, TEXT_BEGINS, frame, header};

#[tokio::test]
async fn pings_are_answered_with_their_payload() {
    let any: Vec<u8> = (0..125).map(|byte| byte | 0x80).collect();
    let mut cases = vec![
        Case::open("without a payload", frame(PING, ""), vec![pong("")]),
        Case::open("with text", frame(PING, "Hello, world!"), vec![pong("Hello, world!")]),
        Case::open(
            "with bytes",
            frame(PING, [0, 0xff, 0xfe, 0xfd]),
            vec![pong([0, 0xff, 0xfe, 0xfd])],
        ),
        Case::open("with 125 bytes", frame(PING, &any), vec![pong(&any)]),
        Case::open("a pong that answers nothing", frame(PONG, ""), Vec::new()),
        Case::open(
            "a pong with a payload, then a ping",
            [frame(PONG, "x"), frame(PING, "y")].concat(),
            vec![pong("y")],
        ),
    ];
    let payloads = || (0..10).map(|n| format!("payload-{n}"));
    let bytes = payloads().map(|payload| frame(PING, payload)).collect::<Vec<_>>().concat();
    cases.push(Case::open("ten pings", bytes, payloads().map(pong).collect()));
    check(cases).await;
}

#[tokio::test]
async fn control_frames_beyond_125_bytes_or_in_fragments_close_with_1002() {
    let mut cases = Vec::new();
    for (kind, first) in [("ping", PING), ("pong", PONG), ("close", CLOSE)] {
        cases.push(Case::refused(
            format!("a {kind} of 126 bytes"),
            1002,
            frame(first, [0xfe; 126]),
        ));
        cases.push(Case::refused(
            format!("the header of a {kind} of 65536"),
            1002,
            header(first, 65_536),
        ));
        cases.push(Case::refused(
            format!("a fragment of a {kind}"),
            1002,
            frame(first & 0x0f, "x"),
        ));
        let bytes = [frame(first & 0x0f, "a"), frame(GOES_ON_LAST, "b")].concat();
        cases.push(Case::refused(format!("a {kind} in two fragments"), 1002, bytes));
    }
    check(cases).await;
}

#[tokio::test]
async fn control_frames_between_fragments_are_answered_at_once() {
    let begun = || frame(TEXT_BEGINS, "frag");
    let bytes = [
        begun(),
        frame(PING, "in"),
        frame(PONG, "no"),
        frame(PING, "side"),
        frame(GOES_ON_LAST, "ment"),
    ];
    let answers = vec![pong("in"), pong("side"), text("fragment")];
    let unfinished = [begun(), frame(PING, "in")].concat();
    check(vec![
        Case::open("pings and a pong", bytes.concat(), answers),
        Case::open(
            "before the end of the message",
            [unfinished, frame(GOES_ON_LAST, "")].concat(),
            vec![pong("in"), text("frag")],
        ),
        Case::refused("a message of another type", 1002, [begun(), frame(BINARY, "x")].concat()),
        Case::refused("a message of the same type", 1002, [begun(), frame(TEXT, "x")].concat()),
    ])
    .await;
}
