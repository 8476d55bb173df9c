//! RFC 6455 frame by frame; and however the stream is cut, the messages are the same.

use proptest::prelude::*;

use super::{Decoder, Inbound, TurnBudget, Unfinished};
use crate::protocol::CloseCode;

const MASK: [u8; 4] = [0xa1, 0x02, 0xf3, 0x54];

/// A masked client frame: first byte as given, the length in its shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        medium @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Feeds the pieces, in as many turns as that takes.
fn decode(pieces: &[&[u8]]) -> (Vec<String>, Result<(), CloseCode>) {
    let mut decoder = Decoder::new(100_000, 4, false);
    let mut decoded = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        loop {
            let on = |inbound: Inbound<'_>| decoded.push(format!("{inbound:?}"));
            if let Err(code) = decoder.feed(&mut piece, &TurnBudget::default(), on) {
                return (decoded, Err(code));
            }
            if !decoder.has_backlog() {
                break;
            }
            piece.clear();
        }
    }
    (decoded, Ok(()))
}

/// Feeds the pieces and returns what each leaves incomplete.
fn unfinished(pieces: &[Vec<u8>]) -> Vec<Unfinished> {
    let mut decoder = Decoder::new(100_000, 4, false);
    let feed =
        |piece: &Vec<u8>| decoder.feed(&mut piece.clone(), &TurnBudget::default(), |_| {}).unwrap();
    pieces.iter().map(feed).collect()
}

fn check(stream: &[u8], expected: &[&str]) {
    assert_eq!(decode(&[stream]), (expected.iter().map(ToString::to_string).collect(), Ok(())));
}

fn check_refused(stream: &[u8], code: CloseCode) {
    assert_eq!(decode(&[stream]).1, Err(code), "{stream:x?}");
}

#[test]
fn complete_messages_and_control_frames_are_decoded() {
    check(&frame(0x81, b"hi"), &[r#"Text("hi")"#]);
    check(&frame(0x82, b"hi"), &["Binary([104, 105])"]);
    check(&frame(0x81, b""), &[r#"Text("")"#]);
    check(&frame(0x89, b"p"), &["Ping([112])"]);
    check(&frame(0x8a, b""), &["Pong"]);
    check(&frame(0x88, b""), &["Close(None)"]);
    check(&frame(0x88, b"\x03\xe8bye"), &["Close(Some(1000))"]);
    let after_close = [frame(0x88, b"\x0f\xa0"), frame(0x81, b"late")].concat();
    check(&after_close, &["Close(Some(4000))"]);
}

#[test]
fn fragments_are_joined_across_control_frames() {
    let stream =
        [frame(0x01, "h\u{e9}".as_bytes()), frame(0x89, b""), frame(0x00, b"l"), frame(0x80, b"o")];
    check(&stream.concat(), &["Ping([])", "Text(\"h\u{e9}lo\")"]);
    let cut_character = [frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat();
    check(&cut_character, &["Text(\"\u{e9}\")"]);
}

#[test]
fn each_violation_is_refused_with_its_code() {
    use CloseCode::{FrameError, InvalidUtf8, MessageTooBig};
    for first in [0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f] {
        check_refused(&frame(first, b"x"), FrameError);
    }
    check_refused(b"\x81\x02hi", FrameError);
    check_refused(&frame(0x09, b"x"), FrameError);
    check_refused(&frame(0x89, &[b'x'; 126]), FrameError);
    check_refused(&frame(0x80, b"x"), FrameError);
    check_refused(&[frame(0x01, b"a"), frame(0x81, b"b")].concat(), FrameError);
    check_refused(b"\x81\xfe\x00\x05\0\0\0\0hello", FrameError);
    check_refused(b"\x81\xff\0\0\0\0\0\0\0\x05\0\0\0\0hello", FrameError);
    check_refused(b"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", MessageTooBig);
    check_refused(b"\x81\xff\0\0\0\0\x40\0\0\0\0\0\0\0", MessageTooBig);
    check_refused(
        &[frame(0x01, &[b'a'; 60_000]), frame(0x80, &[b'b'; 40_001])].concat(),
        MessageTooBig,
    );
    let many: Vec<u8> = std::iter::once(frame(0x01, b""))
        .chain((0..4).map(|_| frame(0x00, b"")))
        .flatten()
        .collect();
    check_refused(&many, MessageTooBig);
    check_refused(&frame(0x81, b"\xff"), InvalidUtf8);
    check_refused(&frame(0x81, b"\xed\xa0\x80"), InvalidUtf8);
    check_refused(
        &frame(0x01, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90"),
        InvalidUtf8,
    );
    check_refused(&frame(0x88, b"\x03"), FrameError);
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        check_refused(&frame(0x88, &code.to_be_bytes()), FrameError);
    }
    check_refused(&frame(0x88, b"\x03\xe8\xff"), InvalidUtf8);
}

#[test]
fn a_binary_message_need_not_be_utf8() {
    check(&frame(0x82, b"\xff"), &["Binary([255])"]);
    let fragments = [frame(0x02, b"\xff"), frame(0x80, b"\xfe")].concat();
    check(&fragments, &["Binary([255, 254])"]);
}

#[test]
fn a_frame_out_of_order_is_refused_at_its_header() {
    let header = |first: u8| frame(first, b"hello")[..6].to_vec();
    check_refused(&header(0x80), CloseCode::FrameError);
    check_refused(&[frame(0x01, b"a"), header(0x81)].concat(), CloseCode::FrameError);
    check_refused(&header(0x83), CloseCode::FrameError);
    let four = [frame(0x01, b"a"), frame(0x00, b"b").repeat(3)].concat();
    check_refused(&[four, header(0x80)].concat(), CloseCode::MessageTooBig);
}

#[test]
fn no_memory_is_kept_between_messages() {
    let mut decoder = Decoder::new(100_000, 4, false);
    let stream = frame(0x81, &[b'x'; 5_000]);
    let (first, second) = stream.split_at(4_000);
    decoder.feed(&mut first.to_vec(), &TurnBudget::default(), |_| {}).unwrap();
    assert!(decoder.is_incomplete());
    decoder.feed(&mut second.to_vec(), &TurnBudget::default(), |_| {}).unwrap();
    assert!(!decoder.is_incomplete());
    assert_eq!(decoder.partial.capacity(), 0);
}

#[test]
fn a_turn_decodes_16_frames_and_leaves_the_others() {
    let mut decoder = Decoder::new(100_000, 4, false);
    let mut stream = frame(0x81, b"hi").repeat(20);
    stream.extend(&frame(0x81, b"cut")[..4]);
    let (budget, mut count) = (TurnBudget::default(), 0);
    let fed = decoder.feed(&mut stream, &budget, |_| count += 1);
    assert_eq!((fed, count, decoder.has_backlog()), (Ok(Unfinished::Nothing), 16, true));
    let fed = decoder.feed(&mut [], &budget, |_| count += 1);
    assert_eq!((fed, count), (Ok(Unfinished::Nothing), 16), "the same turn decodes no more");
    budget.renew();
    let fed = decoder.feed(&mut [], &budget, |_| count += 1);
    assert_eq!((fed, count, decoder.has_backlog()), (Ok(Unfinished::Begun), 20, false));
}

#[test]
fn each_message_has_a_time_out_of_its_own() {
    use Unfinished::{Begun, Continued, Nothing};
    let message = frame(0x81, b"hello");
    let (head, rest) = message.split_at(6);
    let (head, rest) = (head.to_vec(), rest.to_vec());
    let rest_and_head = [rest.clone(), head.clone()].concat();
    let pieces = [head.clone(), rest_and_head.clone(), rest_and_head, rest];
    assert_eq!(unfinished(&pieces), [Begun, Begun, Begun, Nothing], "a busy sender");
    let slowly: Vec<Vec<u8>> = message.iter().map(|&byte| vec![byte]).collect();
    let mut expected = vec![Continued; slowly.len()];
    (expected[0], expected[slowly.len() - 1]) = (Begun, Nothing);
    assert_eq!(unfinished(&slowly), expected, "one message byte by byte");
    let ping = frame(0x89, b"ping");
    let (ping_head, ping_rest) = (ping[..3].to_vec(), ping[3..].to_vec());
    let pieces = [ping_head.clone(), [ping_rest.clone(), ping_head.clone()].concat()];
    assert_eq!(unfinished(&pieces), [Begun, Begun], "ping frames");
    let fragment = frame(0x01, b"hel");
    let between = [fragment, ping_head].concat();
    let pieces = [between, ping_rest, [ping, frame(0x80, b"lo")].concat(), head];
    assert_eq!(unfinished(&pieces), [Begun, Continued, Nothing, Begun], "pings between fragments");
}

#[test]
fn invalid_utf8_is_refused_when_it_arrives() {
    let arrives = |pieces: &[Vec<u8>]| {
        let mut decoder = Decoder::new(100_000, 4, false);
        let refused = pieces.iter().position(|piece| {
            decoder.feed(&mut piece.clone(), &TurnBudget::default(), |_| {})
                == Err(CloseCode::InvalidUtf8)
        });
        refused.expect("refused")
    };
    let cut = |message: Vec<u8>, at: usize| -> Vec<Vec<u8>> {
        let (first, second) = message.split_at(at);
        let mut pieces = vec![first.to_vec()];
        pieces.extend(second.iter().map(|&byte| vec![byte]));
        pieces
    };
    let invalid = |before: &str| [before.as_bytes(), b"\xff", &[b'x'; 500]].concat();
    // 8 bytes of header and mask, then 200 of text, then the invalid byte.
    let text = invalid(&"x".repeat(200));
    assert_eq!(arrives(&cut(frame(0x81, &text), 8 + 200)), 1);
    assert_eq!(arrives(&cut(frame(0x81, &text), 8 + 201)), 0);
    let accents = invalid(&"é".repeat(100));
    assert_eq!(arrives(&cut(frame(0x81, &accents), 8 + 99)), 102, "a character is cut by pieces");
    let first = frame(0x01, "aé".as_bytes()[..2].as_ref());
    let mut rest = cut(frame(0x80, &[b"\xa9", &*text].concat()), 8 + 100);
    rest.insert(0, first.clone());
    assert_eq!(arrives(&rest), 2 + 101, "a character is cut by fragments");
    let mut rest = cut(frame(0x80, &[&b"x"[..], &*text].concat()), 8);
    rest.insert(0, first);
    assert_eq!(arrives(&rest), 2, "the second half of the character does not follow");
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_messages(
        messages in prop::collection::vec((0usize..6, "\\PC{0,300}"), 0..12),
        cuts in prop::collection::vec(1usize..200, 1..40),
    ) {
        let firsts = [0x81, 0x82, 0x89, 0x8a, 0x01, 0x80];
        let mut stream = Vec::new();
        for (kind, text) in &messages {
            let payload = if *kind == 2 || *kind == 3 { &text.as_bytes()[..text.len().min(100)] } else { text.as_bytes() };
            stream.extend(frame(firsts[*kind], payload));
        }
        let mut pieces = Vec::new();
        let (mut rest, mut cut) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, left) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        prop_assert_eq!(decode(&pieces), decode(&[&stream]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&[&bytes]);
    }

    /// Every text message that tungstenite accepts is decoded to the same text.
    #[test]
    fn tungstenite_decodes_the_same(text in "\\PC{0,500}") {
        use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
        let stream = frame(0x81, text.as_bytes());
        let mut peer = WebSocket::from_raw_socket(std::io::Cursor::new(stream.clone()), Role::Server, None);
        let theirs = peer.read().unwrap().into_text().unwrap().to_string();
        prop_assert_eq!(decode(&[&stream]).0, [format!("{:?}", Inbound::Text(&theirs))]);
    }
}
