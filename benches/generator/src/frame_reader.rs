//! WebSocket frames as a client receives them, cut at any byte.
//!
//! Owns what is left of a frame that was cut, and the fragments of a message; copies nothing else.
//! Parsing messages is left to the socket.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// A frame longer than this is taken for garbage.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Memory a socket may keep after a long frame.
const KEPT_BYTES_MAX: usize = 4096;

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole message.
    Message {
        /// Its bytes.
        payload: &'a [u8],
        /// Whether they have to be inflated first.
        deflated: bool,
    },
    /// To be answered with the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong,
    /// The end, with its code (1005 where it has none) and reason.
    Close(u16, &'a [u8]),
}

/// Bytes no WebSocket server sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent bytes that are no WebSocket frame ({0})")]
pub struct Malformed(&'static str);

/// The state of one socket's stream.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The start of a frame whose end has not arrived.
    cut: Vec<u8>,
    /// The fragments of a message so far, kept until the next fragmented message.
    fragments: Vec<u8>,
    /// Set while a message is fragmented: whether it is deflated.
    open: Option<bool>,
}

impl FrameReader {
    /// The start of a frame, to be put before the bytes that are read next.
    pub fn cut(&self) -> &[u8] {
        &self.cut
    }

    /// Bytes of the whole frame that [`Self::cut`] begins; 0 until its header is complete.
    pub fn cut_frame_bytes(&self) -> usize {
        header(&self.cut).ok().flatten().map_or(0, |(_, start, length)| start + length)
    }

    /// Keeps the bytes that [`Self::next`] left over, with those that were cut before.
    pub fn keep(&mut self, rest: &[u8]) {
        self.cut.clear();
        if self.cut.capacity() > KEPT_BYTES_MAX && rest.len() <= KEPT_BYTES_MAX {
            self.cut = Vec::new();
        }
        self.cut.extend_from_slice(rest);
    }

    /// The next piece, which is taken off `bytes`; `None` if its end is missing.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Piece<'a>>, Malformed> {
        loop {
            let Some((header, start, length)) = header(bytes)? else { return Ok(None) };
            let Some(payload) = bytes.get(start..start + length) else { return Ok(None) };
            *bytes = &bytes[start + length..];
            match header.opcode {
                OpCode::Data(Data::Text | Data::Binary) if self.open.is_some() => {
                    return Err(Malformed("a message within a message"));
                }
                OpCode::Data(Data::Text | Data::Binary) if header.is_final => {
                    return Ok(Some(Piece::Message { payload, deflated: header.rsv1 }));
                }
                OpCode::Data(Data::Text | Data::Binary) => {
                    self.open = Some(header.rsv1);
                    self.fragments.clear();
                    self.fragments.extend_from_slice(payload);
                }
                OpCode::Data(Data::Continue) => {
                    let deflated = self.open.ok_or(Malformed("a fragment of no message"))?;
                    self.fragments.extend_from_slice(payload);
                    if self.fragments.len() > FRAME_BYTES_MAX {
                        return Err(Malformed("an endless message"));
                    }
                    if header.is_final {
                        self.open = None;
                        return Ok(Some(Piece::Message { payload: &self.fragments, deflated }));
                    }
                }
                OpCode::Control(Control::Close) => {
                    let (code, reason) = payload.split_first_chunk().unwrap_or((&[3, 237], b""));
                    return Ok(Some(Piece::Close(u16::from_be_bytes(*code), reason)));
                }
                OpCode::Control(Control::Ping) => return Ok(Some(Piece::Ping(payload))),
                OpCode::Control(Control::Pong) => return Ok(Some(Piece::Pong)),
                _ => return Err(Malformed("an unknown kind of frame")),
            }
        }
    }
}

/// The header that `bytes` begin with, its length and that of the payload; `None` while it is cut.
fn header(bytes: &[u8]) -> Result<Option<(FrameHeader, usize, usize)>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor);
    let Some((header, payload)) = parsed.map_err(|_| Malformed("an unknown kind of frame"))? else {
        return Ok(None);
    };
    if header.mask.is_some() {
        return Err(Malformed("masked, as only clients do"));
    }
    if header.rsv2 || header.rsv3 {
        return Err(Malformed("reserved bits"));
    }
    let payload = usize::try_from(payload).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    let payload = payload.ok_or(Malformed("an endless frame"))?;
    Ok(Some((header, cursor.position() as usize, payload)))
}

#[cfg(test)]
#[path = "frame_reader/tests.rs"]
mod tests;
