//! What a socket of the crowd says and understands, as bytes and JSON.
//!
//! Owns the client's half of the handshake, the frames and the messages. Refuses to know when any
//! of it is said.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

use super::{Credentials, Target};
use crate::protocol::signature::channel_auth;

/// The answer to the server's own ping.
pub(super) const PONG: &[u8] = br#"{"event":"pusher:pong","data":{}}"#;

/// A message that carries no marker.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// `data`, taken out of the string it may be in.
    pub(super) fn data(&self) -> Value {
        let value = self.data.and_then(|raw| serde_json::from_str(raw.get()).ok());
        match value {
            Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            Some(value) => value,
            None => Value::Null,
        }
    }

    /// Code and text of an error, whichever server words it.
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
pub(super) fn upgrade(target: &Target, key: &str, deflate: bool) -> String {
    let (path, host) = (path(target, key), target.authority());
    let extensions = if deflate {
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
         server_no_context_takeover\r\n"
    } else {
        ""
    };
    // The nonce is RFC 6455's own: nothing between us and the server may cache a WebSocket.
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extensions}\
         \r\n"
    )
}

/// The answer to [`upgrade`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// More has to be read.
    Cut,
    /// 101, in so many bytes.
    Open { bytes: usize, deflated: bool },
    /// Something else: the first line.
    Refused(String),
}

/// Reads the answer to [`upgrade`].
pub(super) fn answer(bytes: &[u8]) -> Answer {
    const HEAD_BYTES_MAX: usize = 16 * 1024;
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        let line = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        return if bytes.len() > HEAD_BYTES_MAX { Answer::Refused(line) } else { Answer::Cut };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let line = head.lines().next().unwrap_or_default();
    if line.split(' ').nth(1) != Some("101") {
        return Answer::Refused(line.to_owned());
    }
    let head = head.to_ascii_lowercase();
    // With context take-over each message would need the one before it.
    let deflated =
        head.contains("permessage-deflate") && head.contains("server_no_context_takeover");
    Answer::Open { bytes: end + 4, deflated }
}

/// The message that subscribes to a channel, signed where its name asks for it.
pub(super) fn subscribe(
    credentials: &Credentials,
    socket_id: &str,
    channel: &str,
    seat: usize,
) -> String {
    let mut data = serde_json::json!({ "channel": channel });
    let member =
        format!("{{\"user_id\":\"load-{seat}\",\"user_info\":{{\"name\":\"Load {seat}\"}}}}");
    let channel_data = channel.starts_with("presence-").then_some(member.as_str());
    if channel.starts_with("private-") || channel_data.is_some() {
        let Credentials { key, secret, .. } = credentials;
        data["auth"] = channel_auth(key, secret, socket_id, channel, channel_data).into();
    }
    if let Some(member) = channel_data {
        data["channel_data"] = member.into();
    }
    serde_json::json!({ "event": "pusher:subscribe", "data": data }).to_string()
}

/// A frame as clients send it. The mask is zero: it protects proxies from pages, not us.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 14);
    bytes.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A text message of a client.
pub(super) fn text(message: &[u8]) -> Vec<u8> {
    frame(1, message)
}

#[cfg(test)]
#[path = "speech/tests.rs"]
mod tests;
