//! What a socket received, as one short line a message: the form in which server and model compare.
//!
//! Lists that stand for sets are sorted; error texts are left out, codes are not.

use std::fmt;
use std::io::{self, IoSlice, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::DeflateDecoder;
use parking_lot::Mutex;
use resound::hub::{Signal, Transport};
use serde_json::Value;

/// Short enough that most messages are deflated for a socket that can read that.
pub(crate) const DEFLATE_MIN_BYTES: usize = 64;

/// One message, or one webhook event; `channel` is empty where it concerns the whole connection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) channel: String,
    pub(crate) text: String,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.channel.is_empty() { "-" } else { &self.channel }, self.text)
    }
}

/// A message in the short form.
pub(crate) fn received(channel: &str, text: impl Into<String>) -> Received {
    Received { channel: channel.to_owned(), text: text.into() }
}

/// What a shard wrote for one socket.
#[derive(Default)]
pub(crate) struct Wire {
    bytes: Mutex<Vec<u8>>,
    ending: AtomicBool,
}

impl Wire {
    /// Whether the server has ended this socket.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Everything since the last time.
    pub(crate) fn take(&self) -> Vec<Received> {
        messages(&std::mem::take(&mut *self.bytes.lock()))
    }
}

/// The write side of a socket; it takes everything at once.
pub(crate) struct Memory {
    pub(crate) wire: Arc<Wire>,
    pub(crate) reads_deflated: bool,
}

impl Transport for Memory {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.wire.bytes.lock();
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn reads_deflated(&self) -> bool {
        self.reads_deflated
    }

    fn signal(&self, signal: Signal) {
        assert_ne!(signal, Signal::AwaitWritable, "memory is never full");
        if signal == Signal::Ending {
            self.wire.ending.store(true, Ordering::Relaxed);
        }
    }

    fn finish(&self) {}
}

/// The frames of a server: final and unmasked.
fn messages(mut bytes: &[u8]) -> Vec<Received> {
    let mut all = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let wide = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (extended, rest) = rest.split_at(wide);
        let extended = extended.iter().fold(0, |sum, &byte| sum * 256 + usize::from(byte));
        let (payload, rest) =
            rest.split_at(if wide == 0 { usize::from(*length) } else { extended });
        all.push(match first {
            0x81 => message(std::str::from_utf8(payload).expect("servers say UTF-8")),
            0xc1 => message(&inflated(payload)),
            0x88 => {
                received("", format!("closed {}", u16::from_be_bytes([payload[0], payload[1]])))
            }
            other => panic!("the server sent a frame that starts with {other:#x}"),
        });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "the server sent half a frame");
    all
}

fn inflated(payload: &[u8]) -> String {
    // The tail that was left out, and an end, which a message does not have.
    let ended = [payload, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    let mut text = String::new();
    DeflateDecoder::new(&ended[..]).read_to_string(&mut text).expect("deflated UTF-8");
    text
}

fn message(text: &str) -> Received {
    let message: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    let string = |key: &str| message.get(key).map(|value| value.as_str().unwrap_or("no string"));
    let (event, channel) = (string("event").unwrap(), string("channel").unwrap_or_default());
    let data = string("data").and_then(|data| serde_json::from_str::<Value>(data).ok());
    let data = data.unwrap_or_default();
    let plain = |key: &str| data[key].as_str().unwrap_or("no string").to_owned();
    let text = match event {
        "pusher:connection_established" => format!("established {}", plain("socket_id")),
        "pusher:error" => format!("error {}", message["data"]["code"]),
        "pusher:signin_success" => format!("signed in {}", plain("user_data")),
        "pusher:subscription_error" => format!("refused {} {}", plain("type"), data["status"]),
        "pusher:cache_miss" => "cache_miss".to_owned(),
        "pusher_internal:subscription_succeeded" => format!("succeeded{}", roster(channel, &data)),
        "pusher_internal:subscription_count" => format!("count {}", data["subscription_count"]),
        "pusher_internal:member_added" => {
            format!("member_added {} {}", plain("user_id"), data["user_info"])
        }
        "pusher_internal:member_removed" => format!("member_removed {}", plain("user_id")),
        "pusher_internal:watchlist_events" => watchlist(&data),
        event => {
            let from = string("user_id").map(|user| format!(" from {user}")).unwrap_or_default();
            format!("event {event} {}{from}", string("data").unwrap_or("without data"))
        }
    };
    received(channel, text)
}

/// The roster: every member once, in `ids` and in `hash` alike, and as many as `count`.
fn roster(channel: &str, data: &Value) -> String {
    if !channel.starts_with("presence-") {
        return if *data == serde_json::json!({}) { String::new() } else { format!(" {data}") };
    }
    let presence = &data["presence"];
    let (Some(ids), Some(hash)) = (presence["ids"].as_array(), presence["hash"].as_object()) else {
        return format!(" with no roster: {data}");
    };
    let is_one = |id: &&Value| id.as_str().is_some_and(|id| hash.contains_key(id));
    let named = ids.iter().filter(is_one).count();
    if [named, hash.len(), ids.len()].map(Some)
        != [presence["count"].as_u64().map(|n| n as usize); 3]
    {
        return format!(" with a roster that contradicts itself: {data}");
    }
    let mut members: Vec<String> = hash.iter().map(|(id, info)| format!("{id}={info}")).collect();
    members.sort();
    format!(" [{}]", members.join(" "))
}

fn watchlist(data: &Value) -> String {
    let change = |change: &Value| {
        let mut ids: Vec<&str> =
            change["user_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        ids.sort_unstable();
        format!(" {}:{}", change["name"].as_str().unwrap(), ids.join(","))
    };
    format!(
        "watchlist{}",
        data["events"].as_array().unwrap().iter().map(change).collect::<String>()
    )
}
