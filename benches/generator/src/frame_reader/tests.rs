//! Any frames, cut anywhere, come out as they went in.

use proptest::prelude::*;

use super::{FrameReader, Malformed, Piece};

/// A frame as servers send it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// A piece that owns its bytes, with deflated messages marked.
fn owned(piece: &Piece<'_>) -> (char, Vec<u8>) {
    match piece {
        Piece::Message { payload, deflated: false } => ('m', payload.to_vec()),
        Piece::Message { payload, deflated: true } => ('d', payload.to_vec()),
        Piece::Ping(payload) => ('i', payload.to_vec()),
        Piece::Pong => ('o', Vec::new()),
        Piece::Close(code, reason) => ('c', [&code.to_be_bytes(), *reason].concat()),
    }
}

/// Feeds the parts as a socket does: what was cut, then what was read.
fn read(parts: &[&[u8]]) -> Result<Vec<(char, Vec<u8>)>, Malformed> {
    let mut frames = FrameReader::default();
    let mut pieces = Vec::new();
    for part in parts {
        let bytes = [frames.cut(), part].concat();
        let mut rest = &bytes[..];
        while let Some(piece) = frames.next(&mut rest)? {
            pieces.push(owned(&piece));
        }
        frames.keep(rest);
    }
    Ok(pieces)
}

fn check_refused(bytes: &[u8], reason: &'static str) {
    assert_eq!(read(&[bytes]), Err(Malformed(reason)));
}

#[test]
fn bytes_that_no_server_sends_are_refused() {
    check_refused(&[0x81, 0x80, 0, 0, 0, 0], "masked, as only clients do");
    check_refused(&[0xa1, 0], "reserved bits");
    check_refused(&[0x83, 0], "an unknown kind of frame");
    check_refused(&[0x80, 0], "a fragment of no message");
    check_refused(&[0x01, 0, 0x81, 0], "a message within a message");
    check_refused(&[0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0], "an endless frame");
}

#[test]
fn a_close_frame_without_a_code_is_1005() {
    assert_eq!(read(&[b"\x88\x00"]).unwrap(), [('c', 1005_u16.to_be_bytes().to_vec())]);
}

#[derive(Debug, Clone)]
enum Sent {
    Message(Vec<u8>, bool),
    Fragmented(Vec<Vec<u8>>, bool),
    Ping(Vec<u8>),
    Pong,
}

fn sent() -> impl Strategy<Value = Sent> {
    let payload = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(vec![7; 65_535]),
        1 => Just(vec![7; 65_536]),
    ];
    let short = prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        6 => (payload.clone(), any::<bool>()).prop_map(|(bytes, deflated)| Sent::Message(bytes, deflated)),
        2 => (prop::collection::vec(payload, 2..4), any::<bool>())
            .prop_map(|(parts, deflated)| Sent::Fragmented(parts, deflated)),
        1 => short.prop_map(Sent::Ping),
        1 => Just(Sent::Pong),
    ]
}

fn encode(sent: &Sent, bytes: &mut Vec<u8>, pieces: &mut Vec<(char, Vec<u8>)>) {
    let bit = |deflated: bool| if deflated { 0x40 } else { 0 };
    let kind = |deflated: bool| if deflated { 'd' } else { 'm' };
    match sent {
        Sent::Message(payload, deflated) => {
            bytes.extend(frame(0x81 | bit(*deflated), payload));
            pieces.push((kind(*deflated), payload.clone()));
        }
        Sent::Fragmented(parts, deflated) => {
            for (nth, part) in parts.iter().enumerate() {
                let opcode = if nth == 0 { 1 | bit(*deflated) } else { 0 };
                let last = if nth + 1 == parts.len() { 0x80 } else { 0 };
                bytes.extend(frame(opcode | last, part));
                if last == 0 {
                    // Control frames may come between fragments.
                    bytes.extend(frame(0x89, b"x"));
                    pieces.push(('i', b"x".to_vec()));
                }
            }
            pieces.push((kind(*deflated), parts.concat()));
        }
        Sent::Ping(payload) => {
            bytes.extend(frame(0x89, payload));
            pieces.push(('i', payload.clone()));
        }
        Sent::Pong => {
            bytes.extend(frame(0x8a, b""));
            pieces.push(('o', Vec::new()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_cut_anywhere_are_read_whole(
        all in prop::collection::vec(sent(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        all.iter().for_each(|sent| encode(sent, &mut bytes, &mut pieces));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let parts: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(read(&parts).unwrap(), pieces);
    }

    #[test]
    fn garbage_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&[&bytes]);
    }
}
