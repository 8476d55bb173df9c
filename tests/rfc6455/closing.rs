//! The closing handshake: codes and reasons, valid and not; what comes behind a close frame is not read.

use crate::case::{Case, End, pong, text};
use crate::play::check;
use crate::wire::{CLOSE, GOES_ON_LAST, PING, TEXT, TEXT_BEGINS, frame};

fn closing(name: impl Into<String>, code: Option<u16>, bytes: Vec<u8>) -> Case {
    Case { end: End::Closed(code), ..Case::open(name, bytes, Vec::new()) }
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, [&code.to_be_bytes(), reason].concat())
}

#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    let mut cases = vec![closing("without a code", None, frame(CLOSE, ""))];
    let valid = [
        1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
    ];
    for code in valid {
        cases.push(closing(format!("code {code}"), Some(code), close(code, b"")));
        cases.push(closing(
            format!("code {code} with a reason"),
            Some(code),
            close(code, "tschüß".as_bytes()),
        ));
    }
    cases.push(closing("a reason of 123 bytes", Some(1000), close(1000, &[b'*'; 123])));
    check(cases).await;
}

#[tokio::test]
async fn codes_that_no_peer_may_send_close_with_1002() {
    let invalid = [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    let mut cases: Vec<Case> = invalid
        .iter()
        .map(|&code| Case::refused(format!("code {code}"), 1002, close(code, b"")))
        .collect();
    cases.push(Case::refused("one byte", 1002, frame(CLOSE, [3])));
    cases.push(Case::refused("124 bytes of reason", 1002, close(1000, &[b'*'; 124])));
    check(cases).await;
}

#[tokio::test]
async fn a_reason_that_is_not_utf_8_closes_with_1007() {
    let invalid: [&[u8]; 4] = [b"\xff", b"\xce\xba\xe1", b"\xed\xa0\x80", b"ok\xf4\x90\x80\x80"];
    check(
        invalid
            .iter()
            .map(|reason| Case::refused(format!("{reason:x?}"), 1007, close(1000, reason)))
            .collect(),
    )
    .await;
}

#[tokio::test]
async fn nothing_behind_a_close_frame_is_read() {
    let (done, hello) = (|| close(1000, b""), frame(TEXT, "hello"));
    let mut cases = vec![
        closing("a message", Some(1000), [done(), hello.clone()].concat()),
        closing("a ping", Some(1000), [done(), frame(PING, "x")].concat()),
        closing("another close frame", Some(1000), [done(), close(4000, b"")].concat()),
        closing("an invalid frame", Some(1000), [done(), b"\xff\x00\xff".to_vec()].concat()),
        closing("64 KB of zeros", Some(1000), [done(), vec![0; 65_536]].concat()),
        closing(
            "within a message",
            Some(1000),
            [frame(TEXT_BEGINS, "a"), done(), frame(GOES_ON_LAST, "b")].concat(),
        ),
        Case::refused(
            "64 KB behind a violation",
            1002,
            [vec![0x83, 0x80, 0, 0, 0, 0], vec![0xaa; 65_536]].concat(),
        ),
    ];
    let bytes = [hello, frame(PING, "x"), done()].concat();
    let before = closing("what is before it is answered", Some(1000), bytes);
    cases.push(Case { answers: vec![text("hello"), pong("x")], ..before });
    check(cases).await;
}
