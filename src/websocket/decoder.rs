//! Bytes of a client → messages, by RFC 6455. Pure: any cut of the stream gives the same events.
//!
//! Nothing is sized for the worst case: a whole frame is read where it lies, only what is
//! incomplete is kept. A frame that announces more than the limit is refused at its header.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{
    CloseCode as WireCode, Control, Data, OpCode,
};

use crate::protocol::CloseCode;
use crate::protocol::deflate::{InflateError, inflate};

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound<'a> {
    /// A whole message. Binary is read as text, as in Reverb; what is no text is no message.
    Text(&'a str),
    /// A ping frame, to be answered with its payload.
    Ping(&'a [u8]),
    /// A pong frame.
    Pong,
    /// A close frame with its code; nothing after it is read.
    Close(Option<u16>),
}

/// The state of one connection's inbound stream.
#[derive(Debug)]
pub(super) struct Decoder {
    message_bytes_max: usize,
    fragments_max: usize,
    /// permessage-deflate was negotiated.
    deflate: bool,
    /// Bytes of a frame that is not complete.
    partial: Vec<u8>,
    /// A message of which fragments are missing.
    fragments: Option<Box<Fragments>>,
    closed: bool,
}

#[derive(Debug)]
struct Fragments {
    kind: Data,
    deflated: bool,
    bytes: Vec<u8>,
    count: usize,
    /// How much of `bytes` is known to be UTF-8.
    valid: usize,
}

struct Parsed {
    header: FrameHeader,
    /// Where the payload starts and ends in the buffer.
    payload: std::ops::Range<usize>,
}

impl Decoder {
    pub(super) fn new(message_bytes_max: usize, fragments_max: usize, deflate: bool) -> Self {
        Self {
            message_bytes_max,
            fragments_max,
            deflate,
            partial: Vec::new(),
            fragments: None,
            closed: false,
        }
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_midway(&self) -> bool {
        self.fragments.is_some() || !self.partial.is_empty()
    }

    /// Takes what arrived (and unmasks it where it lies).
    pub(super) fn feed(
        &mut self,
        input: &mut [u8],
        mut on: impl FnMut(Inbound<'_>),
    ) -> Result<(), CloseCode> {
        if self.partial.is_empty() {
            let used = self.parse(input, &mut on)?;
            self.partial.extend_from_slice(&input[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(input);
        let used = self.parse(&mut joined, &mut on)?;
        if used < joined.len() {
            joined.drain(..used);
            self.partial = joined;
        }
        Ok(())
    }

    /// Reads every complete frame; returns how many bytes that took.
    fn parse(
        &mut self,
        buffer: &mut [u8],
        on: &mut impl FnMut(Inbound<'_>),
    ) -> Result<usize, CloseCode> {
        let mut at = 0;
        while !self.closed {
            let Some(frame) = self.header(&buffer[at..])? else { return Ok(at) };
            let payload = at + frame.payload.start..at + frame.payload.end;
            let end = payload.end;
            if end > buffer.len() {
                return Ok(at);
            }
            let payload = &mut buffer[payload];
            unmask(payload, frame.header.mask.unwrap_or_default());
            match frame.header.opcode {
                OpCode::Control(control) => self.control(control, payload, on)?,
                OpCode::Data(data) => self.data(data, &frame.header, payload, on)?,
            }
            at = end;
        }
        Ok(buffer.len())
    }

    /// The next frame's header, checked; `None` while it is incomplete.
    fn header(&self, bytes: &[u8]) -> Result<Option<Parsed>, CloseCode> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCode::FrameError)?;
        let Some((header, announced)) = parsed else { return Ok(None) };
        let start = usize::try_from(cursor.position()).map_err(|_| CloseCode::FrameError)?;
        // Two bytes, the shortest form of the length, the mask: anything longer is not minimal.
        let begins = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        let deflated = self.deflate && begins && header.rsv1;
        let reserved = (header.rsv1 && !deflated) || header.rsv2 || header.rsv3;
        if reserved || header.mask.is_none() || start != header.len(announced) {
            return Err(CloseCode::FrameError);
        }
        if let OpCode::Control(_) = header.opcode
            && (announced > 125 || !header.is_final)
        {
            return Err(CloseCode::FrameError);
        }
        let so_far = self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
        let announced = usize::try_from(announced).map_err(|_| CloseCode::MessageTooBig)?;
        let control = matches!(header.opcode, OpCode::Control(_));
        if !control && announced > self.message_bytes_max.saturating_sub(so_far) {
            return Err(CloseCode::MessageTooBig);
        }
        Ok(Some(Parsed { header, payload: start..start + announced }))
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
                self.closed = true;
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
        match (kind, self.fragments.is_some()) {
            (Data::Reserved(_), _) | (Data::Continue, false) => return Err(CloseCode::FrameError),
            (Data::Text | Data::Binary, true) => return Err(CloseCode::FrameError),
            (Data::Text | Data::Binary, false) if header.is_final => {
                return self.deliver(kind, header.rsv1, payload, on);
            }
            (Data::Text | Data::Binary, false) => {
                let (deflated, bytes) = (header.rsv1, Vec::new());
                let empty = Fragments { kind, deflated, bytes, count: 0, valid: 0 };
                self.fragments = Some(Box::new(empty));
            }
            (Data::Continue, true) => {}
        }
        let Some(fragments) = &mut self.fragments else { return Err(CloseCode::FrameError) };
        fragments.append(payload, self.fragments_max)?;
        if header.is_final {
            let whole = self.fragments.take().ok_or(CloseCode::FrameError)?;
            self.deliver(whole.kind, whole.deflated, &whole.bytes, on)?;
        }
        Ok(())
    }

    fn deliver(
        &self,
        kind: Data,
        deflated: bool,
        bytes: &[u8],
        on: &mut impl FnMut(Inbound<'_>),
    ) -> Result<(), CloseCode> {
        if !deflated {
            return deliver(kind, bytes, on);
        }
        match inflate(bytes, self.message_bytes_max) {
            Ok(message) => deliver(kind, &message, on),
            Err(InflateError::TooBig) => Err(CloseCode::MessageTooBig),
            Err(InflateError::Corrupt) => Err(CloseCode::FrameError),
        }
    }
}

impl Fragments {
    fn append(&mut self, payload: &[u8], fragments_max: usize) -> Result<(), CloseCode> {
        self.count += 1;
        if self.count > fragments_max {
            return Err(CloseCode::MessageTooBig);
        }
        self.bytes.extend_from_slice(payload);
        if self.kind == Data::Text && !self.deflated {
            // Refused at the first wrong byte, not at the end of the message; a character may
            // still be cut between two fragments.
            match std::str::from_utf8(&self.bytes[self.valid..]) {
                Ok(_) => self.valid = self.bytes.len(),
                Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
                Err(_) => return Err(CloseCode::InvalidUtf8),
            }
        }
        Ok(())
    }
}

fn deliver(kind: Data, bytes: &[u8], on: &mut impl FnMut(Inbound<'_>)) -> Result<(), CloseCode> {
    match std::str::from_utf8(bytes) {
        Ok(text) => on(Inbound::Text(text)),
        Err(_) if kind == Data::Text => return Err(CloseCode::InvalidUtf8),
        Err(_) => on(Inbound::Text(&String::from_utf8_lossy(bytes))),
    }
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

/// Eight bytes at a time, which the compiler turns into vector instructions.
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
