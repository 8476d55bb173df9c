//! WebSocket frames as a client receives them, found in whatever pieces the kernel hands over.
//!
//! Owns the header's form, what is left of a frame that was cut, and the fragments of a message.
//! Refuses to know what a message says. Copies nothing but what was cut or fragmented.

/// A frame longer than this is taken for garbage.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a socket may go on holding after a long frame.
const HELD_BYTES_MAX: usize = 4096;

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole message; `deflated` if it has to be inflated first.
    Message { payload: &'a [u8], deflated: bool },
    /// To be answered with the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping of ours.
    Pong,
    /// The end, with its code (1005 where it gave none) and reason.
    Close(u16, &'a [u8]),
}

/// Bytes no WebSocket server sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent bytes that are no WebSocket frame ({0})")]
pub(super) struct Malformed(&'static str);

/// The state of one socket's stream.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// The start of a frame whose end has not arrived.
    cut: Vec<u8>,
    /// The message so far, while one is fragmented, and until the next one is.
    fragments: Vec<u8>,
    /// A message is fragmented; whether it is deflated.
    open: Option<bool>,
}

impl Scanner {
    /// What was cut, to be put before the bytes that are read next.
    pub(super) fn cut(&self) -> &[u8] {
        &self.cut
    }

    /// Keeps the bytes that [`Self::next`] left. They do not include what was cut before, unless
    /// the caller put it before them.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.cut.clear();
        if self.cut.capacity() > HELD_BYTES_MAX && rest.len() <= HELD_BYTES_MAX {
            self.cut = Vec::new();
        }
        self.cut.extend_from_slice(rest);
    }

    /// The next piece, which is taken off `bytes`; `None` if its end is missing.
    pub(super) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Piece<'a>>, Malformed> {
        loop {
            let Some((frame, length)) = frame(bytes)? else { return Ok(None) };
            *bytes = &bytes[length..];
            let payload = frame.payload;
            match frame.opcode {
                1 | 2 if frame.is_final && self.open.is_none() => {
                    return Ok(Some(Piece::Message { payload, deflated: frame.deflated }));
                }
                1 | 2 if self.open.is_none() => {
                    self.open = Some(frame.deflated);
                    self.fragments.clear();
                    self.fragments.extend_from_slice(payload);
                }
                0 => {
                    let deflated = self.open.ok_or(Malformed("a fragment of no message"))?;
                    self.fragments.extend_from_slice(payload);
                    if self.fragments.len() > FRAME_BYTES_MAX {
                        return Err(Malformed("an endless message"));
                    }
                    if frame.is_final {
                        self.open = None;
                        return Ok(Some(Piece::Message { payload: &self.fragments, deflated }));
                    }
                }
                8 => {
                    let (code, reason) = payload.split_first_chunk().unwrap_or((&[3, 237], b""));
                    return Ok(Some(Piece::Close(u16::from_be_bytes(*code), reason)));
                }
                9 => return Ok(Some(Piece::Ping(payload))),
                10 => return Ok(Some(Piece::Pong)),
                1 | 2 => return Err(Malformed("a message within a message")),
                _ => return Err(Malformed("an unknown kind of frame")),
            }
        }
    }
}

/// One frame.
struct Frame<'a> {
    is_final: bool,
    deflated: bool,
    opcode: u8,
    payload: &'a [u8],
}

/// How many bytes the frame has that `bytes` starts with; `None` if even that is cut.
pub(super) fn frame_bytes(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let [_, length, rest @ ..] = bytes else { return Ok(None) };
    let (header, payload) = match length {
        0..=125 => (2, usize::from(*length)),
        126 => match rest.first_chunk() {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => {
                (10, usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX))
            }
            None => return Ok(None),
        },
        _ => return Err(Malformed("masked, as only clients do")),
    };
    if payload > FRAME_BYTES_MAX {
        return Err(Malformed("an endless frame"));
    }
    Ok(Some((header, payload)))
}

fn frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Malformed> {
    let Some((header, payload)) = frame_bytes(bytes)? else { return Ok(None) };
    let first = bytes[0];
    if first & 0x30 != 0 {
        return Err(Malformed("reserved bits"));
    }
    let length = header + payload;
    let Some(payload) = bytes.get(header..length) else { return Ok(None) };
    let frame = Frame {
        is_final: first & 0x80 != 0,
        deflated: first & 0x40 != 0,
        opcode: first & 15,
        payload,
    };
    Ok(Some((frame, length)))
}

#[cfg(test)]
#[path = "scanner/tests.rs"]
mod tests;
