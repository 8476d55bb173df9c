//! The frames of a client, as bytes or as parts that are made into frames: whole, byte by byte and in pieces the decoder
//! gives the messages that a plain reader of RFC 6455 finds.

use flate2::{Compress, Compression, FlushCompress};
use resound::websocket::{Decoder, Inbound, TurnBudget, Unfinished};

use super::Target;
use crate::bytes::Bytes;
use crate::naive::websocket::{self, Limits, Stream};
use crate::outcomes::reached;

pub(crate) const TARGET: Target = Target {
    name: "frames",
    run,
    words: &[
        "\u{1}\u{0}",
        "\u{0}\u{5}hello",
        "\u{7f}\u{0}\u{0}",
        "~\u{1}\u{0}",
        "\u{3}\u{e8}",
        "\u{f}\u{a1}",
        "€",
        "😀",
        "\u{0}\u{0}",
        "{\"event\":\"pusher:ping\"}",
        "\u{4}\u{4}\u{4}\u{4}",
    ],
    outcomes: &[
        "text plain whole",
        "text plain in fragments",
        "binary plain whole",
        "text deflated whole",
        "text deflated in fragments",
        "binary deflated whole",
        "a last block",
        "a block with codes of its own",
        "ping",
        "pong",
        "close",
        "refused 1002",
        "refused 1007",
        "refused 1009",
        "unfinished",
        "more than a turn",
    ],
};

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let limits = Limits {
        message_bytes: bytes.pick(&[1000, 125, 126, 1, 70_000, 5]),
        fragments: bytes.pick(&[4, 1, 2, 64]),
        has_deflate: bytes.below(4) > 0,
    };
    let piece = 1 + bytes.below(40);
    let stream =
        if bytes.byte().is_multiple_of(2) { made(&mut bytes) } else { bytes.rest().to_vec() };
    let expected = websocket::read(&stream, limits);
    note(&expected);
    for width in [stream.len().max(1), piece, 1] {
        let found = decoded(&stream, width, limits);
        assert_eq!(found, expected, "in pieces of {width} bytes: {limits:?} {stream:02x?}");
    }
}

/// A stream of frames: each has a first byte, a way of writing it and a payload.
fn made(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !bytes.is_empty() {
        let (first, form) = (bytes.byte(), bytes.byte());
        let payload = bytes.chunk();
        let payload = match form & 0x0c {
            0x04 => deflated(payload, Compression::fast()),
            0x08 => payload.repeat(1 + bytes.below(60)),
            0x0c => deflated(&payload.repeat(1 + bytes.below(60)), Compression::best()),
            _ => payload.to_vec(),
        };
        let mask = [form, 0, form >> 4, 0x5a & form];
        let length = payload.len() as u64;
        // Now and then a length that is longer than it needs to be.
        let wide = if form & 0xf0 == 0xf0 { form & 3 } else { 0 };
        stream.push(first);
        match length {
            0..126 if wide == 0 => stream.push(0x80 | length as u8),
            0..65536 if wide < 2 => {
                stream.push(0x80 | 126);
                stream.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                stream.push(0x80 | 127);
                stream.extend_from_slice(&length.to_be_bytes());
            }
        }
        stream.extend_from_slice(&mask);
        stream.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    stream
}

fn deflated(message: &[u8], level: Compression) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(message.len() + 64);
    let mut deflater = Compress::new(level, false);
    deflater.compress_vec(message, &mut deflated, FlushCompress::Sync).expect("deflates");
    deflated.truncate(deflated.len().saturating_sub(4));
    deflated
}

/// What the decoder makes of a stream that arrives in such pieces.
fn decoded(stream: &[u8], width: usize, limits: Limits) -> Stream {
    let mut decoder = Decoder::new(limits.message_bytes, limits.fragments, limits.has_deflate);
    let (mut found, mut last) = (Stream::default(), Unfinished::Nothing);
    for piece in stream.chunks(width) {
        let mut piece = piece.to_vec();
        loop {
            let messages = &mut found.messages;
            let on = |inbound: Inbound<'_>| messages.push(format!("{inbound:?}"));
            match decoder.feed(&mut piece, &TurnBudget::default(), on) {
                Ok(unfinished) => last = unfinished,
                Err(code) => {
                    found.refused = Some(code.code());
                    return found;
                }
            }
            if !decoder.has_backlog() {
                break;
            }
            reached("more than a turn");
            piece.clear();
        }
    }
    found.is_unfinished = last != Unfinished::Nothing;
    found
}

fn note(stream: &Stream) {
    for message in &stream.messages {
        match message.split('(').next() {
            Some("Ping") => reached("ping"),
            Some("Pong") => reached("pong"),
            Some("Close") => reached("close"),
            _ => {}
        }
    }
    if let Some(code) = stream.refused {
        reached(&format!("refused {code}"));
    }
    if stream.is_unfinished {
        reached("unfinished");
    }
}
