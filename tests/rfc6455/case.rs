//! What a case consists of, and the frames that cases are made of.

use flate2::{Compress, Compression, FlushCompress};

use crate::wire::{BINARY, PONG, TEXT, frame};

/// One connection: what is written and what must come of it.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// In order: messages, which the echo server returns, and pongs.
    pub(crate) answers: Vec<Answer>,
    pub(crate) end: End,
    /// Whether the client offers permessage-deflate.
    pub(crate) deflate: bool,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
}

/// How the connection is afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Open: a ping is answered.
    Open,
    /// Closed, with this code in the close frame.
    Closed(Option<u16>),
}

impl Case {
    /// Bytes that leave the connection open.
    pub(crate) fn open(name: impl Into<String>, bytes: Vec<u8>, answers: Vec<Answer>) -> Self {
        Self { name: name.into(), bytes, answers, end: End::Open, deflate: false }
    }

    /// Bytes that close it with this code, without an answer before.
    pub(crate) fn refused(name: impl Into<String>, code: u16, bytes: Vec<u8>) -> Self {
        Self { end: End::Closed(Some(code)), ..Self::open(name, bytes, Vec::new()) }
    }

    pub(crate) fn deflating(self) -> Self {
        Self { deflate: true, ..self }
    }
}

pub(crate) fn text(payload: impl AsRef<[u8]>) -> Answer {
    Answer::Text(payload.as_ref().to_vec())
}

pub(crate) fn binary(payload: impl AsRef<[u8]>) -> Answer {
    Answer::Binary(payload.as_ref().to_vec())
}

pub(crate) fn pong(payload: impl AsRef<[u8]>) -> Answer {
    Answer::Pong(payload.as_ref().to_vec())
}

/// A message in one frame and its echo.
pub(crate) fn message(first: u8, payload: &[u8]) -> (Vec<u8>, Answer) {
    let answer = match first & 0x0f {
        1 => text(payload),
        _ => binary(payload),
    };
    (frame(first, payload), answer)
}

impl Answer {
    /// As it is read from the connection; `None` for a frame that is none of them.
    pub(crate) fn of(first: u8, payload: Vec<u8>) -> Option<Self> {
        match first {
            TEXT => Some(Self::Text(payload)),
            BINARY => Some(Self::Binary(payload)),
            PONG => Some(Self::Pong(payload)),
            _ => None,
        }
    }
}

/// As a client deflates: without the four bytes that every message ends with.
pub(crate) fn deflate(message: &[u8]) -> Vec<u8> {
    deflate_with(Compression::best(), message)
}

pub(crate) fn deflate_with(level: Compression, message: &[u8]) -> Vec<u8> {
    // What does not shrink grows by five bytes for each block.
    let mut deflated = Vec::with_capacity(message.len() + message.len() / 1000 + 64);
    let mut deflater = Compress::new(level, false);
    deflater.compress_vec(message, &mut deflated, FlushCompress::Sync).unwrap();
    assert!(deflater.total_in() == message.len() as u64 && deflated.ends_with(&[0, 0, 0xff, 0xff]));
    deflated.truncate(deflated.len() - 4);
    deflated
}
