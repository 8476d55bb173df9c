//! RFC 6455 on the whole stream of a client at once: the messages it holds, and what ends it.

use super::inflate::{Refused, inflated};
use crate::outcomes::reached;

/// The bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) message_bytes: usize,
    pub(crate) fragments: usize,
    pub(crate) has_deflate: bool,
}

/// What a stream holds, as lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) messages: Vec<String>,
    /// The code that it is refused with.
    pub(crate) refused: Option<u16>,
    /// Whether it ends within a message or a frame.
    pub(crate) is_unfinished: bool,
}

/// A message in fragments.
struct Begun {
    is_text: bool,
    is_deflated: bool,
    bytes: Vec<u8>,
    fragments: usize,
}

/// What a frame leads to, beside its message.
enum Next {
    Frame(usize),
    /// There are no more bytes of the frame.
    Unfinished,
    Closed,
}

pub(crate) fn read(stream: &[u8], limits: Limits) -> Stream {
    let (mut at, mut begun, mut read) = (0, None, Stream::default());
    loop {
        if at == stream.len() {
            read.is_unfinished = begun.is_some();
            return read;
        }
        match frame(&stream[at..], limits, &mut begun, &mut read.messages) {
            Ok(Next::Frame(bytes)) => at += bytes,
            Ok(Next::Unfinished) => {
                read.is_unfinished = true;
                return read;
            }
            Ok(Next::Closed) => {
                read.is_unfinished = begun.is_some();
                return read;
            }
            Err(code) => {
                read.refused = Some(code);
                return read;
            }
        }
    }
}

fn frame(
    bytes: &[u8],
    limits: Limits,
    begun: &mut Option<Begun>,
    messages: &mut Vec<String>,
) -> Result<Next, u16> {
    let [first, second, ..] = *bytes else { return Ok(Next::Unfinished) };
    let wide = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let is_masked = second & 0x80 != 0;
    let head = 2 + wide + if is_masked { 4 } else { 0 };
    if bytes.len() < head {
        return Ok(Next::Unfinished);
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
    let length = if wide == 0 { u128::from(second & 0x7f) } else { number(&bytes[2..2 + wide]) };
    let is_shortest = match wide {
        2 => length > 125,
        8 => length > 65535,
        _ => true,
    };
    let (is_final, rsv1, opcode) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x0f);
    let may_deflate = limits.has_deflate && matches!(opcode, 1 | 2);
    if !is_masked || !is_shortest || first & 0x30 != 0 || (rsv1 && !may_deflate) {
        return Err(1002);
    }
    match opcode {
        8..=10 if length > 125 || !is_final => return Err(1002),
        0 if begun.is_none() => return Err(1002),
        0 if begun.as_ref().is_some_and(|begun| begun.fragments == limits.fragments) => {
            return Err(1009);
        }
        1 | 2 if begun.is_some() => return Err(1002),
        0..=2 | 8..=10 => {}
        _ => return Err(1002),
    }
    let so_far = begun.as_ref().map_or(0, |begun| begun.bytes.len());
    if opcode <= 2 && length + so_far as u128 > limits.message_bytes as u128 {
        return Err(1009);
    }
    let end = head + usize::try_from(length).expect("below the limit");
    let mask = &bytes[head - 4..head];
    let there = &bytes[head..end.min(bytes.len())];
    let payload: Vec<u8> = there.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
    if opcode >= 8 {
        return if end > bytes.len() {
            Ok(Next::Unfinished)
        } else {
            control(opcode, &payload, end, messages)
        };
    }
    let mut message = begun.take().unwrap_or_else(|| Begun {
        is_text: opcode == 1,
        is_deflated: rsv1,
        bytes: Vec::new(),
        fragments: 0,
    });
    message.bytes.extend_from_slice(&payload);
    message.fragments += 1;
    let is_whole = is_final && end <= bytes.len();
    if message.is_text && !message.is_deflated && !is_text_so_far(&message.bytes, is_whole) {
        return Err(1007);
    }
    if is_whole {
        messages.push(message.end(limits.message_bytes)?);
        return Ok(Next::Frame(end));
    }
    *begun = Some(message);
    Ok(if end > bytes.len() { Next::Unfinished } else { Next::Frame(end) })
}

/// Whether bytes are UTF-8; those of a message that goes on may end within a character.
fn is_text_so_far(bytes: &[u8], is_whole: bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => !is_whole && error.error_len().is_none(),
    }
}

impl Begun {
    fn end(self, most: usize) -> Result<String, u16> {
        let bytes = match self.is_deflated {
            false => self.bytes,
            true => inflated(&self.bytes, most).map_err(|refused| match refused {
                Refused::TooBig => 1009_u16,
                Refused::Corrupt => 1002,
            })?,
        };
        let kind = if self.is_deflated { "deflated" } else { "plain" };
        let cut = if self.fragments > 1 { "in fragments" } else { "whole" };
        reached(&format!("{} {kind} {cut}", if self.is_text { "text" } else { "binary" }));
        if self.is_text {
            return Ok(format!("Text({:?})", String::from_utf8(bytes).map_err(|_| 1007_u16)?));
        }
        Ok(format!("Binary({bytes:?})"))
    }
}

fn control(
    opcode: u8,
    payload: &[u8],
    end: usize,
    messages: &mut Vec<String>,
) -> Result<Next, u16> {
    if opcode == 8 {
        let code = match payload {
            [] => None,
            [_] => return Err(1002),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999) {
                    return Err(1002);
                }
                std::str::from_utf8(reason).map_err(|_| 1007_u16)?;
                Some(code)
            }
        };
        messages.push(format!("Close({code:?})"));
        return Ok(Next::Closed);
    }
    messages.push(if opcode == 9 { format!("Ping({payload:?})") } else { "Pong".to_owned() });
    Ok(Next::Frame(end))
}
