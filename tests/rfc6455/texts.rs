//! UTF-8: what is valid arrives, and what is not is refused at its first wrong byte, in the middle of a frame too.

use crate::case::{Case, text};
use crate::play::check;
use crate::wire::{GOES_ON, GOES_ON_LAST, TEXT, TEXT_BEGINS, frame};

const VALID: [&str; 12] = [
    "",
    "\0",
    "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!",
    "κόσμε",
    "\u{7f}\u{80}\u{7ff}\u{800}",
    "\u{d7ff}\u{e000}",
    "\u{fffd}\u{fffe}\u{ffff}",
    "\u{10000}\u{3ffff}\u{10ffff}",
    "\u{1fffe}\u{1ffff}\u{fdd0}",
    "\u{feff}a byte order mark",
    "e\u{301} combined, \u{202e}right to left",
    "\u{1f469}\u{200d}\u{1f680}",
];

/// Each is wrong at its last byte, and a start of valid text before it.
const INVALID: [&[u8]; 24] = [
    b"\x80",
    b"\xbf",
    b"\xc0",
    b"\xc1",
    b"\xc2\x00",
    b"\xc3\x28",
    b"\xc3\xc3",
    b"\xe0\x80",
    b"\xe0\x9f",
    b"\xe1\x80\x00",
    b"\xe1\x80\xe1",
    b"\xed\xa0",
    b"\xed\xbf",
    b"\xef\xbf\x41",
    b"\xf0\x80",
    b"\xf0\x8f",
    b"\xf1\x80\x80\x00",
    b"\xf1\x80\x80\xc2",
    b"\xf4\x90",
    b"\xf5",
    b"\xf8",
    b"\xfc",
    b"\xfe",
    b"\xff",
];

#[tokio::test]
async fn valid_text_arrives_however_its_characters_are_cut() {
    let mut cases = Vec::new();
    for valid in VALID {
        cases.push(Case::open(format!("{valid:?}"), frame(TEXT, valid), vec![text(valid)]));
        let bytes = valid.as_bytes();
        for at in 1..bytes.len() {
            let fragments =
                [frame(TEXT_BEGINS, &bytes[..at]), frame(GOES_ON_LAST, &bytes[at..])].concat();
            cases.push(Case::open(format!("{valid:?} cut at {at}"), fragments, vec![text(valid)]));
        }
        let each = bytes.iter().map(|byte| frame(GOES_ON, [*byte])).collect::<Vec<_>>().concat();
        let fragments = [frame(TEXT_BEGINS, ""), each, frame(GOES_ON_LAST, "")].concat();
        cases.push(Case::open(format!("{valid:?} in bytes"), fragments, vec![text(valid)]));
    }
    check(cases).await;
}

/// The frame announces 100 bytes more, and the message another fragment: neither is waited for.
#[tokio::test]
async fn an_invalid_byte_closes_with_1007_before_its_frame_ends() {
    let mut cases = Vec::new();
    for invalid in INVALID {
        let payload = [b"caf\xc3\xa9 ", invalid].concat();
        let unfinished = |first: u8, payload: &[u8]| {
            let mut bytes = frame(first, [payload, &[b'x'; 100]].concat());
            bytes.truncate(bytes.len() - 100);
            bytes
        };
        let name = |place: &str| format!("{invalid:x?} {place}");
        cases.push(Case::refused(name("in one frame"), 1007, unfinished(TEXT, &payload)));
        cases.push(Case::refused(
            name("in a first fragment"),
            1007,
            unfinished(TEXT_BEGINS, &payload),
        ));
        let second = [frame(TEXT_BEGINS, "κόσμε"), unfinished(GOES_ON, &payload)].concat();
        cases.push(Case::refused(name("in a second fragment"), 1007, second));
        let (before, last) = payload.split_at(payload.len() - 1);
        let cut = [frame(TEXT_BEGINS, before), unfinished(GOES_ON, last)].concat();
        cases.push(Case::refused(name("cut by fragments"), 1007, cut));
        cases.push(Case::refused(name("at the end of a message"), 1007, frame(TEXT, &payload)));
    }
    check(cases).await;
}

#[tokio::test]
async fn text_that_ends_within_a_character_closes_with_1007() {
    let mut cases = Vec::new();
    for character in ["é", "€", "𝄞"] {
        for kept in 1..character.len() {
            let start = &character.as_bytes()[..kept];
            let name = format!("{kept} bytes of {character}");
            cases.push(Case::refused(&name, 1007, frame(TEXT, start)));
            let fragments =
                [frame(TEXT_BEGINS, start), frame(GOES_ON, ""), frame(GOES_ON_LAST, "")].concat();
            cases.push(Case::refused(format!("{name} in fragments"), 1007, fragments));
        }
    }
    check(cases).await;
}
