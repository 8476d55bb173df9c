//! The message that Laravel's `redis` broadcaster publishes for one channel: `{"event":…,"data":…,"socket":…}`.
//!
//! Over HTTP the same event has `data` without its `socket`, so that is taken out of the text, and every other byte
//! stays. PHP has one type for lists and maps: what is empty without `socket` is `[]` over HTTP, and what then has the
//! keys 0, 1, 2 … is a list.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::app::AppLimits;
use crate::protocol::channel_name::InvalidChannelName;
use crate::protocol::json::{JsonObject, JsonString};
use crate::protocol::{ChannelName, InvalidEventName, SocketId, check_event_name};

/// An event that passed all checks.
#[derive(Debug, PartialEq, Eq)]
pub struct LaravelEvent<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its data, as the HTTP API would have received it.
    pub data: Cow<'a, str>,
    /// The socket that does not receive it. Laravel does not check it, so a malformed one excludes no socket.
    pub except: Option<SocketId>,
}

/// Why an event is not delivered. There is no way back to Laravel, so the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedEvent {
    /// It is not what the broadcaster publishes.
    #[error(
        "it is no event of Laravel's redis broadcaster (let nothing else publish on these channels), {{\"event\":…,\"data\":…,\"socket\":…}}: {0}"
    )]
    Malformed(String),
    /// The broadcaster publishes it in plain text.
    #[error(
        "Laravel's redis broadcaster does not encrypt, and clients could not decrypt it: broadcast it via the reverb connection"
    )]
    Encrypted,
    /// No channel has this name.
    #[error("{0}")]
    Channel(#[from] InvalidChannelName),
    /// No event may have this name.
    #[error("{0}")]
    Name(#[from] InvalidEventName),
    /// It is longer than the app allows.
    #[error(
        "its data has {bytes} bytes; the limit is {bytes_max}: send less, or raise max_event_data_bytes"
    )]
    TooLarge {
        /// The size of its data.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

impl RefusedEvent {
    /// What the reasons are counted as.
    pub const LABELS: [&'static str; 5] =
        ["malformed", "encrypted", "channel_name", "event_name", "too_large"];

    /// What it is counted as.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Encrypted => "encrypted",
            Self::Channel(_) => "channel_name",
            Self::Name(_) => "event_name",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

#[derive(Deserialize)]
struct Published<'a> {
    #[serde(borrow)]
    event: JsonString<'a>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    socket: Option<&'a RawValue>,
}

impl<'a> LaravelEvent<'a> {
    /// Reads the message of a channel.
    pub fn read(
        channel: &ChannelName,
        payload: &'a [u8],
        limits: &AppLimits,
    ) -> Result<Self, RefusedEvent> {
        if channel.is_encrypted() {
            return Err(RefusedEvent::Encrypted);
        }
        let read = serde_json::from_slice::<JsonObject<Published<'a>>>(payload);
        let JsonObject(Published { event, data, socket }) =
            read.map_err(|error| RefusedEvent::Malformed(error.to_string()))?;
        check_event_name(&event.0, limits)?;
        let data = without_socket(data.get());
        let (bytes, bytes_max) = (data.len(), limits.event_data_bytes);
        if bytes > bytes_max {
            return Err(RefusedEvent::TooLarge { bytes, bytes_max });
        }
        let socket = socket.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let except = socket.and_then(|text| SocketId::parse(&text));
        Ok(Self { name: event.0, data, except })
    }
}

/// The bytes of one member of an object.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// With its quotes.
    key: &'a str,
    value: &'a str,
    /// From the key to the end of the value.
    text: &'a str,
}

/// `data` without its member `socket`; `json` is valid.
fn without_socket(json: &str) -> Cow<'_, str> {
    if !json.starts_with('{') || !json.contains("\"socket\"") {
        return Cow::Borrowed(json);
    }
    let all = entries(json);
    let kept: Vec<Entry<'_>> =
        all.iter().copied().filter(|entry| entry.key != "\"socket\"").collect();
    if kept.len() == all.len() {
        return Cow::Borrowed(json);
    }
    let is_index =
        |(index, entry): (usize, &Entry<'_>)| entry.key.trim_matches('"') == index.to_string();
    if kept.iter().enumerate().all(is_index) {
        let values: Vec<&str> = kept.iter().map(|entry| entry.value).collect();
        return Cow::Owned(format!("[{}]", values.join(",")));
    }
    let texts: Vec<&str> = kept.iter().map(|entry| entry.text).collect();
    Cow::Owned(format!("{{{}}}", texts.join(",")))
}

/// The members of a valid JSON object.
fn entries(json: &str) -> Vec<Entry<'_>> {
    let (bytes, mut all, mut at) = (json.as_bytes(), Vec::new(), 1);
    while let Some(start) = json[at..].find('"').map(|quote| at + quote) {
        let key_end = string_end(bytes, start);
        let colon = key_end + json[key_end..].find(':').unwrap_or_default();
        let end = value_end(bytes, colon + 1);
        let (key, value) = (&json[start..key_end], json[colon + 1..end].trim());
        all.push(Entry { key, value, text: json[start..end].trim_end() });
        at = end + 1;
    }
    all
}

/// Behind the string that starts at this quote.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The comma or brace behind a value that starts here.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len().max(1) - 1
}

#[cfg(test)]
#[path = "laravel_event/tests.rs"]
mod tests;
