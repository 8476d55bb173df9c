//! What the server may say. The double-encoded `data` is written here and nowhere else.
//!
//! Key order is Reverb's (`event`, `data`, `channel`), which also lets one event for many
//! channels share everything up to the channel's name. `data` is always a JSON string, with
//! the one exception every client library knows: `pusher:error`, whose `data` is an object.

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::Serialize;

use super::{ChannelName, CloseCode, Frame, SocketId};

/// An `pusher:error` that leaves the socket open, by its code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorEvent {
    /// Pusher's number.
    pub code: u16,
    /// What to change, in one sentence.
    pub message: String,
}

/// The `data` of `pusher:subscription_error`: what reaches Echo's `.error()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubscriptionError {
    /// `AuthError`, `LimitReached` or `InvalidChannel`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What to change, in one sentence.
    pub error: String,
    /// As an auth endpoint would say it: 401, or the code soketi uses for the limit.
    pub status: u16,
}

/// The first message on a socket.
pub fn connection_established(socket_id: SocketId, activity_timeout: Duration) -> Frame {
    let seconds = activity_timeout.as_secs().max(1);
    let data = format!("{{\"socket_id\":\"{socket_id}\",\"activity_timeout\":{seconds}}}");
    internal("pusher:connection_established", &data, None)
}

/// The answer to `pusher:ping`.
pub fn pong() -> Frame {
    static PONG: LazyLock<Frame> = LazyLock::new(|| internal("pusher:pong", "{}", None));
    PONG.clone()
}

/// The server's own ping.
pub fn ping() -> Frame {
    static PING: LazyLock<Frame> = LazyLock::new(|| internal("pusher:ping", "{}", None));
    PING.clone()
}

/// Signed in; `user_data` is the text the back end signed, a string inside the string.
pub fn signin_success(user_data: &str) -> Frame {
    let mut data = b"{\"user_data\":".to_vec();
    push_json(&mut data, user_data);
    data.push(b'}');
    internal("pusher:signin_success", &text(data), None)
}

/// Who of a watchlist is online or offline; a list without ids is left out.
pub fn watchlist_events(lists: [(&str, &[Arc<str>]); 2]) -> Frame {
    #[derive(Serialize)]
    struct WatchlistEvents<'a> {
        events: Vec<WatchlistEvent<'a>>,
    }
    #[derive(Serialize)]
    struct WatchlistEvent<'a> {
        name: &'a str,
        user_ids: &'a [Arc<str>],
    }
    let lists = lists.into_iter().filter(|(_, user_ids)| !user_ids.is_empty());
    let events = lists.map(|(name, user_ids)| WatchlistEvent { name, user_ids }).collect();
    let data = serde_json::to_string(&WatchlistEvents { events }).expect("plain strings serialize");
    internal("pusher_internal:watchlist_events", &data, None)
}

/// How many are subscribed. `None` on encrypted channels: the Java SDK throws over what it cannot
/// decrypt, and one frame goes to all subscribers.
pub fn subscription_count(channel: &ChannelName, count: usize) -> Option<Frame> {
    if channel.is_encrypted() {
        return None;
    }
    let data = format!("{{\"subscription_count\":{count}}}");
    Some(internal("pusher_internal:subscription_count", &data, Some(channel)))
}

/// `pusher:error`.
pub fn error(code: u16, message: &str) -> Frame {
    let mut text = b"{\"event\":\"pusher:error\",\"data\":{\"code\":".to_vec();
    text.extend_from_slice(code.to_string().as_bytes());
    text.extend_from_slice(b",\"message\":");
    push_json(&mut text, message);
    text.extend_from_slice(b"}}");
    Frame::text(&text)
}

/// `pusher:error` that gives the reason of a close frame.
pub fn closing_error(code: CloseCode) -> Frame {
    error(code.code(), code.reason())
}

/// Subscribed; `data` is `{}` or [`presence`].
pub fn subscription_succeeded(channel: &ChannelName, data: &str) -> Frame {
    internal("pusher_internal:subscription_succeeded", data, Some(channel))
}

/// Not subscribed. `channel` is the client's text, which may be no valid name.
pub fn subscription_error(channel: &str, error: &SubscriptionError) -> Frame {
    let data = serde_json::to_string(error).expect("plain strings and a number serialize");
    let mut text = opening("pusher:subscription_error", &data);
    text.extend_from_slice(b",\"channel\":");
    push_json(&mut text, channel);
    text.push(b'}');
    Frame::text(&text)
}

/// A cache channel has no event to give. Reverb and soketi leave `data` out, which the Java SDK does
/// not survive; on an encrypted channel it takes `{}` for an event that needs no key.
pub fn cache_miss(channel: &ChannelName) -> Frame {
    internal("pusher:cache_miss", "{}", Some(channel))
}

/// A user's first socket joined.
pub fn member_added(channel: &ChannelName, user_id: &str, info_json: &str) -> Frame {
    let mut data = b"{\"user_id\":".to_vec();
    push_json(&mut data, user_id);
    data.extend_from_slice(b",\"user_info\":");
    data.extend_from_slice(info_json.as_bytes());
    data.push(b'}');
    internal("pusher_internal:member_added", &text(data), Some(channel))
}

/// A user's last socket left.
pub fn member_removed(channel: &ChannelName, user_id: &str) -> Frame {
    let mut data = b"{\"user_id\":".to_vec();
    push_json(&mut data, user_id);
    data.push(b'}');
    internal("pusher_internal:member_removed", &text(data), Some(channel))
}

/// The data of [`subscription_succeeded`] on a presence channel: ids and infos in order of arrival.
pub fn presence<'a>(members: impl ExactSizeIterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let mut text = format!("{{\"presence\":{{\"count\":{},\"ids\":[", members.len()).into_bytes();
    for (index, (user_id, _)) in members.clone().enumerate() {
        separate(&mut text, index);
        push_json(&mut text, user_id);
    }
    text.extend_from_slice(b"],\"hash\":{");
    for (index, (user_id, info_json)) in members.enumerate() {
        separate(&mut text, index);
        push_json(&mut text, user_id);
        text.push(b':');
        text.extend_from_slice(info_json.as_bytes());
    }
    text.extend_from_slice(b"}}}");
    self::text(text)
}

/// An event of a back end or a client: encoded once up to the channel, whatever their number, and
/// not at all if nobody is there.
#[derive(Debug)]
pub struct OutboundEvent<'a> {
    name: &'a str,
    data: &'a str,
    opening: OnceCell<Vec<u8>>,
}

impl<'a> OutboundEvent<'a> {
    /// `data` is opaque: the text that came in goes out.
    pub fn new(name: &'a str, data: &'a str) -> Self {
        Self { name, data, opening: OnceCell::new() }
    }

    fn opening(&self) -> Vec<u8> {
        self.opening.get_or_init(|| opening(self.name, self.data)).clone()
    }

    /// The frame for the subscribers of one channel.
    pub fn frame(&self, channel: &ChannelName) -> Frame {
        Frame::text(&closing(self.opening(), channel))
    }

    /// The frame of a client event on a presence channel: it carries its sender as signed.
    pub fn frame_from(&self, channel: &ChannelName, user_id: &str) -> Frame {
        let mut text = closing(self.opening(), channel);
        text.pop();
        text.extend_from_slice(b",\"user_id\":");
        push_json(&mut text, user_id);
        text.push(b'}');
        Frame::text(&text)
    }
}

/// The `data` of an event as it was published, read from a frame of an [`OutboundEvent`].
pub fn event_data(frame: &Frame) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct EventData {
        data: String,
    }
    serde_json::from_slice::<EventData>(frame.payload()).ok().map(|event| event.data)
}

fn internal(name: &str, data: &str, channel: Option<&ChannelName>) -> Frame {
    let mut text = opening(name, data);
    match channel {
        Some(channel) => text = closing(text, channel),
        None => text.push(b'}'),
    }
    Frame::text(&text)
}

/// `{"event":…,"data":…` with nothing closed yet.
fn opening(name: &str, data: &str) -> Vec<u8> {
    // The envelope, the names and a few escapes; a longer payload grows the text once.
    let mut text = Vec::with_capacity(64 + name.len() + data.len() + data.len() / 8);
    text.extend_from_slice(b"{\"event\":");
    push_json(&mut text, name);
    text.extend_from_slice(b",\"data\":");
    push_json(&mut text, data);
    text
}

/// `…,"channel":"…"}`; a checked name needs no escaping.
fn closing(mut text: Vec<u8>, channel: &ChannelName) -> Vec<u8> {
    text.extend_from_slice(b",\"channel\":\"");
    text.extend_from_slice(channel.as_str().as_bytes());
    text.extend_from_slice(b"\"}");
    text
}

fn separate(text: &mut Vec<u8>, index: usize) {
    if index > 0 {
        text.push(b',');
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("pieces of UTF-8 are UTF-8")
}

fn push_json(text: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(text, value).expect("writing a string to memory cannot fail");
}

#[cfg(test)]
#[path = "server_message/tests.rs"]
mod tests;
