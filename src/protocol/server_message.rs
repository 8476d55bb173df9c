//! The messages that the server sends, encoded as frames.
//!
//! Only this module writes `data`, which is JSON encoded as a JSON string, except in `pusher:error`,
//! where every client library expects an object. The order of keys is Reverb's (`event`, `data`,
//! `channel`), so that an event for many channels is encoded once up to the channel.

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Broadcast, ChannelName, CloseCode, Frame, RefusalCause, SocketId};

/// The `data` of `pusher:error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorEvent {
    /// Pusher's code.
    pub code: u16,
    /// The cause, worded so that the client's developer can act on it.
    pub message: String,
    /// What it is counted as.
    pub cause: RefusalCause,
}

/// The `data` of `pusher:subscription_error`, which Echo passes to `.error()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubscriptionError {
    /// `AuthError`, `LimitReached` or `InvalidChannel`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The cause, worded so that the client's developer can act on it.
    pub error: String,
    /// 401, as an auth endpoint answers, or the code that soketi uses for the limit.
    pub status: u16,
    /// What it is counted as.
    #[serde(skip)]
    pub cause: RefusalCause,
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

/// `pusher:ping`.
pub fn ping() -> Frame {
    static PING: LazyLock<Frame> = LazyLock::new(|| internal("pusher:ping", "{}", None));
    PING.clone()
}

/// The answer to `pusher:signin`. `user_data` is the text that the back end signed, sent as a string.
pub fn signin_success(user_data: &str) -> Frame {
    let data = format!("{{\"user_data\":{}}}", json(user_data));
    internal("pusher:signin_success", &data, None)
}

/// The users of a watchlist under the names `online` and `offline`; an empty list is left out.
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

/// The number of subscriptions. `None` on encrypted channels: the Java library throws on a message
/// that it cannot decrypt, and all subscribers get the same frame.
pub fn subscription_count(channel: &ChannelName, count: usize) -> Option<Frame> {
    if channel.is_encrypted() {
        return None;
    }
    let data = format!("{{\"subscription_count\":{count}}}");
    Some(internal("pusher_internal:subscription_count", &data, Some(channel)))
}

/// `pusher:error`.
pub fn error(code: u16, message: &str) -> Frame {
    let data = format!("{{\"code\":{code},\"message\":{}}}", json(message));
    Frame::text(format!("{{\"event\":\"pusher:error\",\"data\":{data}}}").as_bytes())
}

/// The `pusher:error` that precedes a close frame.
pub fn closing_error(code: CloseCode) -> Frame {
    error(code.code(), code.reason())
}

/// The answer to a granted subscription; `data` is `{}` or [`presence`].
pub fn subscription_succeeded(channel: &ChannelName, data: &str) -> Frame {
    internal("pusher_internal:subscription_succeeded", data, Some(channel))
}

/// The answer to a refused subscription. `channel` is what the client sent, even if it is not valid.
pub fn subscription_error(channel: &str, error: &SubscriptionError) -> Frame {
    let data = serde_json::to_string(error).expect("plain strings and a number serialize");
    let mut text = head("pusher:subscription_error", &data);
    text.extend_from_slice(b",\"channel\":");
    push_json(&mut text, channel);
    text.push(b'}');
    Frame::text(&text)
}

/// A cache channel has no cached event. Reverb and soketi leave `data` out, which crashes the Java
/// library; with `{}` it works, on encrypted channels too.
pub fn cache_miss(channel: &ChannelName) -> Frame {
    internal("pusher:cache_miss", "{}", Some(channel))
}

/// The first socket of a user joined a presence channel.
pub fn member_added(channel: &ChannelName, user_id: &str, info_json: &str) -> Frame {
    let data = format!("{{\"user_id\":{},\"user_info\":{info_json}}}", json(user_id));
    internal("pusher_internal:member_added", &data, Some(channel))
}

/// The last socket of a user left a presence channel.
pub fn member_removed(channel: &ChannelName, user_id: &str) -> Frame {
    let data = format!("{{\"user_id\":{}}}", json(user_id));
    internal("pusher_internal:member_removed", &data, Some(channel))
}

/// The `data` of [`subscription_succeeded`] on a presence channel: the roster in the order of joining.
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
    String::from_utf8(text).expect("pieces of UTF-8 are UTF-8")
}

/// An event of a back end or a client for any number of channels. The part before the channel is
/// encoded once, when the first frame is needed.
#[derive(Debug)]
pub struct OutboundEvent<'a> {
    name: &'a str,
    data: &'a str,
    head: OnceCell<Vec<u8>>,
    triggered_at: Option<Instant>,
}

impl<'a> OutboundEvent<'a> {
    /// `data` is sent as it was received.
    pub fn new(name: &'a str, data: &'a str) -> Self {
        Self { name, data, head: OnceCell::new(), triggered_at: None }
    }

    /// An event whose trigger arrived at this time.
    pub fn triggered(name: &'a str, data: &'a str, at: Instant) -> Self {
        Self { triggered_at: Some(at), ..Self::new(name, data) }
    }

    /// Its name and its data.
    pub fn parts(&self) -> (&'a str, &'a str) {
        (self.name, self.data)
    }

    /// When the trigger of the event arrived, if a back end triggered it.
    pub fn triggered_at(&self) -> Option<Instant> {
        self.triggered_at
    }

    fn head(&self) -> Vec<u8> {
        self.head.get_or_init(|| head(self.name, self.data)).clone()
    }

    /// The frame for the subscribers of one channel.
    pub fn frame(&self, channel: &ChannelName) -> Frame {
        Frame::text(&with_channel(self.head(), channel))
    }

    /// The broadcast to the subscribers of one channel.
    pub fn broadcast(&self, channel: &ChannelName) -> Broadcast {
        Broadcast::triggered(self.frame(channel), self.triggered_at)
    }

    /// The frame of a client event on a presence channel, with the id of the member that sent it.
    pub fn frame_from(&self, channel: &ChannelName, user_id: &str) -> Frame {
        let mut text = with_channel(self.head(), channel);
        text.pop();
        text.extend_from_slice(b",\"user_id\":");
        push_json(&mut text, user_id);
        text.push(b'}');
        Frame::text(&text)
    }
}

/// The `data` of an event as it was published, read from a frame of an [`OutboundEvent`].
pub fn event_data(frame: &Frame) -> Option<String> {
    event_parts(frame).map(|(_, data)| data)
}

/// The name and the `data` of such an event.
pub fn event_parts(frame: &Frame) -> Option<(String, String)> {
    #[derive(serde::Deserialize)]
    struct EventParts {
        event: String,
        data: String,
    }
    let parts = serde_json::from_slice::<EventParts>(frame.payload()).ok()?;
    Some((parts.event, parts.data))
}

fn internal(name: &str, data: &str, channel: Option<&ChannelName>) -> Frame {
    let mut text = head(name, data);
    match channel {
        Some(channel) => text = with_channel(text, channel),
        None => text.push(b'}'),
    }
    Frame::text(&text)
}

/// `{"event":…,"data":…`, to be continued.
fn head(name: &str, data: &str) -> Vec<u8> {
    // Enough for the keys, a channel name and a few escapes; more escapes grow the text once.
    let mut text = Vec::with_capacity(64 + name.len() + data.len() + data.len() / 8);
    text.extend_from_slice(b"{\"event\":");
    push_json(&mut text, name);
    text.extend_from_slice(b",\"data\":");
    push_json(&mut text, data);
    text
}

/// `{…,"channel":"…"}`; a valid name needs no escaping.
fn with_channel(mut text: Vec<u8>, channel: &ChannelName) -> Vec<u8> {
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

fn json(value: &str) -> String {
    serde_json::to_string(value).expect("a string serializes")
}

fn push_json(text: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(text, value).expect("writing a string to memory cannot fail");
}

#[cfg(test)]
#[path = "server_message/tests.rs"]
mod tests;
