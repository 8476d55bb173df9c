//! The client's half of the protocol as bytes and JSON: upgrade, frames, messages.
//!
//! Owns their form. When each of them is sent is left to the socket.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::credentials::Credentials;
use super::target::Target;

/// The answer to `pusher:ping`.
const PONG: &[u8] = br#"{"event":"pusher:pong","data":{}}"#;
/// The header of a response may not be longer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A message that carries no marker.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// `data`, parsed a second time where it is a string of JSON.
    pub(super) fn data(&self) -> Value {
        let value = self.data.and_then(|raw| serde_json::from_str(raw.get()).ok());
        match value {
            Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            Some(value) => value,
            None => Value::Null,
        }
    }

    /// Code and text of an error, in the fields of any known server.
    pub(super) fn error(&self) -> (u16, String) {
        let data = self.data();
        let code = data["code"].as_u64().or(data["status"].as_u64()).unwrap_or(0);
        let text = data["message"].as_str().or(data["error"].as_str());
        let text = text.map_or_else(|| data.to_string(), str::to_owned);
        (u16::try_from(code).unwrap_or(0), text)
    }
}

/// The path of the WebSocket.
pub(super) fn path(target: &Target, key: &str) -> String {
    format!("{}/app/{key}?protocol=7&client=resound-bench&version=1.0", target.prefix)
}

/// The request that opens a WebSocket.
pub fn upgrade(target: &Target, key: &str, extensions: Option<&str>) -> String {
    let (path, host) = (path(target, key), target.authority());
    let extensions = extensions
        .map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n"))
        .unwrap_or_default();
    // The nonce is RFC 6455's own: nothing on the way may cache a WebSocket.
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extensions}\
         \r\n"
    )
}

/// The offer of permessage-deflate. With context take-over each message would need the one before it.
pub(super) const DEFLATE_OFFER: &str =
    "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

/// The answer to [`upgrade`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UpgradeAnswer {
    /// More has to be read.
    Cut,
    /// 101, in so many bytes.
    Open { bytes: usize, deflated: bool },
    /// Another status: the first line.
    Refused(String),
}

impl UpgradeAnswer {
    /// Reads the answer that `bytes` begin with.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            let line = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
            return if bytes.len() > HEAD_BYTES_MAX { Self::Refused(line) } else { Self::Cut };
        };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let line = head.lines().next().unwrap_or_default();
        if line.split(' ').nth(1) != Some("101") {
            return Self::Refused(line.to_owned());
        }
        let head = head.to_ascii_lowercase();
        let deflated =
            head.contains("permessage-deflate") && head.contains("server_no_context_takeover");
        Self::Open { bytes: end + 4, deflated }
    }
}

/// The message that subscribes to a channel, signed if the channel's name requires it.
pub fn subscribe(
    credentials: &Credentials,
    socket_id: &str,
    channel: &str,
    member: Option<&str>,
) -> String {
    let mut data = serde_json::json!({ "channel": channel });
    let channel_data = member.filter(|_| channel.starts_with("presence-"));
    if channel.starts_with("private-") || channel_data.is_some() {
        data["auth"] = credentials.channel_auth(socket_id, channel, channel_data).into();
    }
    if let Some(member) = channel_data {
        data["channel_data"] = member.into();
    }
    serde_json::json!({ "event": "pusher:subscribe", "data": data }).to_string()
}

/// A text frame of a client.
pub fn text_frame(message: &[u8]) -> Vec<u8> {
    frame(OpCode::Data(Data::Text), message)
}

/// The frame that answers `pusher:ping`.
pub(super) fn pong_message() -> Vec<u8> {
    text_frame(PONG)
}

/// The frame that answers a ping frame.
pub(super) fn pong_frame(payload: &[u8]) -> Vec<u8> {
    frame(OpCode::Control(Control::Pong), payload)
}

/// A close frame.
pub(super) fn close_frame(code: u16) -> Vec<u8> {
    frame(OpCode::Control(Control::Close), &code.to_be_bytes())
}

/// A frame as clients send it. The mask, which protects proxies from pages, is zero.
fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { opcode, mask: Some([0; 4]), ..FrameHeader::default() };
    let mut bytes = Vec::with_capacity(header.len(payload.len() as u64) + payload.len());
    header.format(payload.len() as u64, &mut bytes).expect("memory takes all");
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
