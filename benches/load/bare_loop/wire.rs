//! The part of HTTP and WebSockets that the load generator sends.
//!
//! Searches for the expected text; a message of another form is ignored.

use std::io::Cursor;

use resound::protocol::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

/// An empty pong.
pub(super) const PONG: &[u8] = b"\x8a\x00";

/// What came over HTTP.
pub(super) enum Request {
    /// To a WebSocket, with the client's key.
    Upgrade { key: String },
    /// An event, as the frame its receivers get.
    Trigger(Frame),
}

/// What came over an upgraded connection.
pub(super) enum ClientFrame {
    Subscribe { channel: String },
    Ping,
    Close,
    Other,
}

impl Request {
    /// The first request in `bytes` and its length, if it is there to its end.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]);
        if let Some(key) = field(&head, "sec-websocket-key") {
            return Some((Self::Upgrade { key: key.to_owned() }, end));
        }
        let length: usize = field(&head, "content-length")?.parse().ok()?;
        let body = bytes.get(end..end + length)?;
        Some((Self::Trigger(event(&String::from_utf8_lossy(body))), end + length))
    }
}

impl ClientFrame {
    /// The first frame in `bytes` and its length, if it is there to its end.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut cursor = Cursor::new(bytes);
        let (header, length) = FrameHeader::parse(&mut cursor).ok()??;
        let start = usize::try_from(cursor.position()).ok()?;
        let payload = bytes.get(start..start + usize::try_from(length).ok()?)?;
        let mask = header.mask.unwrap_or_default();
        let frame = match header.opcode {
            OpCode::Control(Control::Close) => Self::Close,
            OpCode::Control(Control::Ping) => Self::Ping,
            _ => {
                let text: Vec<u8> =
                    payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
                let text = String::from_utf8_lossy(&text);
                match between(&text, "\"channel\":\"", "\"") {
                    Some(channel) if text.contains("pusher:subscribe") => {
                        Self::Subscribe { channel: channel.to_owned() }
                    }
                    _ => Self::Other,
                }
            }
        };
        Some((frame, start + payload.len()))
    }
}

/// The greeting; the id only has to be another one for each socket.
pub(super) fn greeting(index: usize) -> Frame {
    let data = format!("{{\\\"socket_id\\\":\\\"1.{index}\\\",\\\"activity_timeout\\\":120}}");
    let event = "pusher:connection_established";
    Frame::text(format!("{{\"event\":\"{event}\",\"data\":\"{data}\"}}").as_bytes())
}

/// The answer to a subscription.
pub(super) fn subscribed(channel: &str) -> Frame {
    let event = "pusher_internal:subscription_succeeded";
    let text = format!("{{\"event\":\"{event}\",\"data\":\"{{}}\",\"channel\":\"{channel}\"}}");
    Frame::text(text.as_bytes())
}

/// The frame of an event: its strings as they stand in the body, escapes included.
fn event(body: &str) -> Frame {
    let string = |opening| between(body, opening, "\"").unwrap_or_default();
    let name = string("\"name\":\"");
    let channels = ["\"channels\":[\"", "\"channel\":\""].map(string);
    let [many, one] = channels;
    let channel = if many.is_empty() { one } else { many };
    let data = body.split_once("\"data\":\"").map_or("", |(_, rest)| until_quote(rest));
    let text = format!("{{\"event\":\"{name}\",\"data\":\"{data}\",\"channel\":\"{channel}\"}}");
    Frame::text(text.as_bytes())
}

/// Up to the quote that is not escaped.
fn until_quote(text: &str) -> &str {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    &text[..end.unwrap_or(text.len())]
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let named =
        |line: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    Some(head.lines().find(named)?.get(name.len() + 1..)?.trim())
}

fn between<'a>(text: &'a str, opening: &str, closing: &str) -> Option<&'a str> {
    let rest = text.split_once(opening)?.1;
    Some(rest.split_once(closing)?.0)
}
