//! A server message as the bytes of a WebSocket frame: encoded once, shared by all receivers.
//!
//! The content belongs to `server_message`, the receivers to the hub.

use std::sync::Arc;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::CloseCode;

/// An encoded WebSocket frame (or several, back to back). Cloning costs one reference count.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Arc<[u8]>);

impl Frame {
    /// A text message.
    pub fn text(payload: &[u8]) -> Self {
        Self::encode(OpCode::Data(Data::Text), payload)
    }

    /// A deflated text message, marked by RSV1.
    pub fn deflated_text(payload: &[u8]) -> Self {
        let opcode = OpCode::Data(Data::Text);
        Self::with_header(&FrameHeader { opcode, rsv1: true, ..FrameHeader::default() }, payload)
    }

    /// The answer to a ping frame: the same payload.
    pub fn pong(payload: &[u8]) -> Self {
        Self::encode(OpCode::Control(Control::Pong), payload)
    }

    /// Bytes that are no frame: the HTTP response that precedes the first one.
    pub fn verbatim(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// A ping frame.
    pub fn ping() -> Self {
        Self::encode(OpCode::Control(Control::Ping), b"")
    }

    /// A close frame with the code's number and text.
    pub fn close(code: CloseCode) -> Self {
        let mut payload = code.code().to_be_bytes().to_vec();
        payload.extend_from_slice(code.reason().as_bytes());
        Self::encode(OpCode::Control(Control::Close), &payload)
    }

    /// The answer to a peer's close frame, with the same code, if it had one.
    pub fn close_echo(code: Option<u16>) -> Self {
        let payload = code.map(u16::to_be_bytes);
        Self::encode(OpCode::Control(Control::Close), payload.as_ref().map_or(&[], |p| &p[..]))
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes behind the header.
    pub fn payload(&self) -> &[u8] {
        let header = match self.0[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        &self.0[header..]
    }

    /// The number of bytes on the wire.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A frame has at least its two header bytes.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn encode(opcode: OpCode, payload: &[u8]) -> Self {
        Self::with_header(&FrameHeader { opcode, ..FrameHeader::default() }, payload)
    }

    fn with_header(header: &FrameHeader, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(header.len(payload.len() as u64) + payload.len());
        header.format(payload.len() as u64, &mut bytes).expect("writing to memory cannot fail");
        bytes.extend_from_slice(payload);
        Self(bytes.into())
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({:?})", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, Frame};

    #[test]
    fn frames_are_unmasked_final_and_of_minimal_length() {
        assert_eq!(Frame::text(b"hi").as_bytes(), b"\x81\x02hi");
        assert_eq!(Frame::text(&[b'x'; 200]).as_bytes()[..4], [0x81, 126, 0, 200]);
        let long = Frame::text(&[b'x'; 70_000]);
        assert_eq!(long.as_bytes()[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        for length in [0, 125, 126, 65_535, 65_536] {
            assert_eq!(Frame::text(&vec![b'x'; length]).payload().len(), length);
        }
        assert_eq!(Frame::pong(b"p").as_bytes(), b"\x8a\x01p");
        assert_eq!(Frame::ping().as_bytes(), b"\x89\x00");
        assert_eq!(Frame::close_echo(None).as_bytes(), b"\x88\x00");
        assert_eq!(Frame::close_echo(Some(1000)).as_bytes(), b"\x88\x02\x03\xe8");
        let close = Frame::close(CloseCode::ApplicationDoesNotExist);
        assert_eq!(close.as_bytes(), b"\x88\x1c\x0f\xa1Application does not exist");
    }

    #[test]
    fn a_frame_is_two_words() {
        assert_eq!(size_of::<Frame>(), 16);
    }
}
