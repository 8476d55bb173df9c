//! Decodes the bytes of a client into messages, by RFC 6455. However the stream is cut into pieces,
//! the messages are the same.
//!
//! Complete frames are read in the buffer they arrived in; only incomplete ones are copied and stored.
//! A frame that is larger than the limit is refused at its header. No I/O and no clock.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{
    CloseCode as WireCode, Control, Data, OpCode,
};

use super::turn_budget::TurnBudget;
use crate::protocol::CloseCode;
use crate::protocol::deflate::{InflateError, inflate};

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// A complete text message.
    Text(&'a str),
    /// A complete binary message.
    Binary(&'a [u8]),
    /// A ping frame, to be answered with its payload.
    Ping(&'a [u8]),
    /// A pong frame.
    Pong,
    /// A close frame with its code; no byte after it is decoded.
    Close(Option<u16>),
}

/// The state of one connection's inbound stream.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    fragments_max: usize,
    /// Frames that are left for the next turn, or an incomplete frame.
    partial: Vec<u8>,
    /// The fragments of an incomplete message.
    fragments: Option<Box<Fragments>>,
    /// How many payload bytes of the incomplete frame in `partial` have been found to be UTF-8.
    checked: u32,
    /// Whether permessage-deflate was negotiated.
    has_deflate: bool,
    /// Whether `partial` starts with a frame that is left for the next turn.
    has_backlog: bool,
    is_closed: bool,
}

/// What a call of [`Decoder::feed`] leaves incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// Nothing: the bytes end with a message, or complete frames are left for the next turn.
    Nothing,
    /// A message or frame that began in this call.
    Begun,
    /// The same message or frame as before the call.
    Continued,
}

#[derive(Debug)]
struct Fragments {
    kind: Data,
    is_deflated: bool,
    bytes: Vec<u8>,
    count: usize,
    /// How many of `bytes` have been found to be UTF-8.
    valid: usize,
}

/// One call of [`Decoder::feed`].
struct Parsing<'a, F> {
    budget: &'a TurnBudget,
    on: &'a mut F,
    /// Whether what is incomplete now began in this call.
    has_begun: bool,
}

struct ParsedFrame {
    header: FrameHeader,
    /// The payload in the buffer.
    payload: std::ops::Range<usize>,
}

impl Decoder {
    /// A decoder of messages with at most so many bytes and fragments; `has_deflate` is whether
    /// permessage-deflate was negotiated.
    pub fn new(message_bytes_max: usize, fragments_max: usize, has_deflate: bool) -> Self {
        Self {
            message_bytes_max,
            fragments_max,
            partial: Vec::new(),
            fragments: None,
            checked: 0,
            has_deflate,
            has_backlog: false,
            is_closed: false,
        }
    }

    /// Whether frames are left for the next turn, so that [`feed`](Self::feed) has work without new bytes.
    pub fn has_backlog(&self) -> bool {
        self.has_backlog
    }

    /// Decodes `input`, which it unmasks in place, and passes each message to `on`; stops when `budget` is
    /// spent.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        budget: &TurnBudget,
        mut on: impl FnMut(Inbound<'_>),
    ) -> Result<Unfinished, CloseCode> {
        self.has_backlog = false;
        let mut parsing = Parsing { budget, on: &mut on, has_begun: !self.is_incomplete() };
        if self.partial.is_empty() {
            let used = self.parse(input, &mut parsing)?;
            self.partial.extend_from_slice(&input[used..]);
        } else {
            let mut joined = std::mem::take(&mut self.partial);
            joined.extend_from_slice(input);
            let used = self.parse(&mut joined, &mut parsing)?;
            if used < joined.len() {
                joined.drain(..used);
                self.partial = joined;
            }
        }
        Ok(match (self.has_backlog || !self.is_incomplete(), parsing.has_begun) {
            (true, _) => Unfinished::Nothing,
            (false, true) => Unfinished::Begun,
            (false, false) => Unfinished::Continued,
        })
    }

    /// Whether a message or frame has begun and not ended.
    fn is_incomplete(&self) -> bool {
        self.fragments.is_some() || !self.partial.is_empty()
    }

    /// Decodes complete frames until the budget is spent; returns the number of bytes they had.
    fn parse(
        &mut self,
        buffer: &mut [u8],
        parsing: &mut Parsing<'_, impl FnMut(Inbound<'_>)>,
    ) -> Result<usize, CloseCode> {
        let mut at = 0;
        while !self.is_closed {
            if parsing.budget.is_spent() {
                self.has_backlog = at < buffer.len();
                return Ok(at);
            }
            let Some(frame) = self.header(&buffer[at..])? else { return Ok(at) };
            let payload = at + frame.payload.start..at + frame.payload.end;
            let end = payload.end;
            if end > buffer.len() {
                self.check_incomplete(&frame.header, &buffer[payload.start..])?;
                return Ok(at);
            }
            let payload = &mut buffer[payload];
            unmask(payload, frame.header.mask.unwrap_or_default());
            self.checked = 0;
            parsing.budget.spend_frame();
            match frame.header.opcode {
                OpCode::Control(control) => self.control(control, payload, parsing.on)?,
                OpCode::Data(data) => self.data(data, &frame.header, payload, parsing.on)?,
            }
            // Unless a message is still incomplete, the next frame begins one with a time-out of its own.
            parsing.has_begun |= self.fragments.is_none();
            at = end;
        }
        Ok(buffer.len())
    }

    /// Checks the part of a text frame that has arrived, so that invalid UTF-8 is refused at once and not
    /// when the frame is complete.
    fn check_incomplete(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<(), CloseCode> {
        let before: &[u8] = match (header.opcode, &self.fragments) {
            (OpCode::Data(Data::Text), None) if !header.rsv1 => &[],
            (OpCode::Data(Data::Continue), Some(whole)) if whole.is_plain_text() => {
                &whole.bytes[whole.valid..]
            }
            _ => return Ok(()),
        };
        // `before` holds the start of a character that was cut between two fragments: at most three
        // bytes, which are checked again with each piece.
        let from = self.checked as usize;
        let carried = if from == 0 { before } else { &[] };
        let mask = header.mask.unwrap_or_default();
        let keys = mask.iter().cycle().skip(from % mask.len());
        let arrived = payload[from..].iter().zip(keys).map(|(byte, key)| byte ^ key);
        let unmasked: Vec<u8> = carried.iter().copied().chain(arrived).collect();
        let valid = match std::str::from_utf8(&unmasked) {
            Ok(_) => unmasked.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(CloseCode::InvalidUtf8),
        };
        let checked = from + valid.saturating_sub(carried.len());
        self.checked = u32::try_from(checked).unwrap_or(self.checked);
        Ok(())
    }

    /// Parses and checks the header of the next frame; `None` if it is incomplete.
    fn header(&self, bytes: &[u8]) -> Result<Option<ParsedFrame>, CloseCode> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCode::FrameError)?;
        let Some((header, announced)) = parsed else { return Ok(None) };
        let start = usize::try_from(cursor.position()).map_err(|_| CloseCode::FrameError)?;
        // A header longer than two bytes, the shortest form of the length and the mask is not minimal.
        let is_first = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        let is_deflated = self.has_deflate && is_first && header.rsv1;
        let has_reserved_bits = (header.rsv1 && !is_deflated) || header.rsv2 || header.rsv3;
        if has_reserved_bits || header.mask.is_none() || start != header.len(announced) {
            return Err(CloseCode::FrameError);
        }
        if let OpCode::Control(_) = header.opcode
            && (announced > 125 || !header.is_final)
        {
            return Err(CloseCode::FrameError);
        }
        let so_far = self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
        let announced = usize::try_from(announced).map_err(|_| CloseCode::MessageTooBig)?;
        if let OpCode::Data(kind) = header.opcode {
            self.check_order(kind)?;
            if announced > self.message_bytes_max.saturating_sub(so_far) {
                return Err(CloseCode::MessageTooBig);
            }
        }
        Ok(Some(ParsedFrame { header, payload: start..start + announced }))
    }

    /// Whether a data frame of this kind may be next: a message in fragments is not interrupted by another
    /// one, and has a bounded number of them.
    fn check_order(&self, kind: Data) -> Result<(), CloseCode> {
        match (kind, &self.fragments) {
            (Data::Continue, Some(begun)) if begun.count == self.fragments_max => {
                Err(CloseCode::MessageTooBig)
            }
            (Data::Continue, Some(_)) | (Data::Text | Data::Binary, None) => Ok(()),
            _ => Err(CloseCode::FrameError),
        }
    }

    fn control(
        &mut self,
        control: Control,
        payload: &[u8],
        on: &mut impl FnMut(Inbound<'_>),
    ) -> Result<(), CloseCode> {
        match control {
            Control::Ping => on(Inbound::Ping(payload)),
            Control::Pong => on(Inbound::Pong),
            Control::Close => {
                let code = close_code(payload)?;
                self.is_closed = true;
                on(Inbound::Close(code));
            }
            Control::Reserved(_) => return Err(CloseCode::FrameError),
        }
        Ok(())
    }

    fn data(
        &mut self,
        kind: Data,
        header: &FrameHeader,
        payload: &[u8],
        on: &mut impl FnMut(Inbound<'_>),
    ) -> Result<(), CloseCode> {
        let is_whole = header.is_final && self.fragments.is_none();
        if is_whole {
            return self.complete(kind, header.rsv1, payload, on);
        }
        let mut fragments = self.fragments.take().unwrap_or_else(|| {
            let (is_deflated, bytes) = (header.rsv1, Vec::new());
            Box::new(Fragments { kind, is_deflated, bytes, count: 0, valid: 0 })
        });
        fragments.append(payload)?;
        if header.is_final {
            return self.complete(fragments.kind, fragments.is_deflated, &fragments.bytes, on);
        }
        self.fragments = Some(fragments);
        Ok(())
    }

    fn complete(
        &self,
        kind: Data,
        is_deflated: bool,
        bytes: &[u8],
        on: &mut impl FnMut(Inbound<'_>),
    ) -> Result<(), CloseCode> {
        if !is_deflated {
            return pass_on(kind, bytes, on);
        }
        match inflate(bytes, self.message_bytes_max) {
            Ok(message) => pass_on(kind, &message, on),
            Err(InflateError::TooBig) => Err(CloseCode::MessageTooBig),
            Err(InflateError::Corrupt) => Err(CloseCode::FrameError),
        }
    }
}

impl Fragments {
    fn is_plain_text(&self) -> bool {
        self.kind == Data::Text && !self.is_deflated
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), CloseCode> {
        self.count += 1;
        self.bytes.extend_from_slice(payload);
        if self.is_plain_text() {
            // Refused at the first invalid byte, not at the end of the message. The last character may
            // be cut between two fragments.
            match std::str::from_utf8(&self.bytes[self.valid..]) {
                Ok(_) => self.valid = self.bytes.len(),
                Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
                Err(_) => return Err(CloseCode::InvalidUtf8),
            }
        }
        Ok(())
    }
}

fn pass_on(kind: Data, bytes: &[u8], on: &mut impl FnMut(Inbound<'_>)) -> Result<(), CloseCode> {
    on(match kind {
        Data::Text => Inbound::Text(str::from_utf8(bytes).map_err(|_| CloseCode::InvalidUtf8)?),
        _ => Inbound::Binary(bytes),
    });
    Ok(())
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, CloseCode> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(CloseCode::FrameError) };
    };
    let code = u16::from_be_bytes(*code);
    if !WireCode::from(code).is_allowed() {
        return Err(CloseCode::FrameError);
    }
    std::str::from_utf8(reason).map_err(|_| CloseCode::InvalidUtf8)?;
    Ok(Some(code))
}

/// Works on eight bytes at a time, which the compiler turns into vector instructions.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
#[path = "decoder/tests.rs"]
mod tests;
