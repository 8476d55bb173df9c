//! Messages of clients: parsing and the limits of their JSON.
//!
//! [`session`](super::session) decides whether a client may send them. Invalid JSON, wrong types,
//! missing fields and data that other clients could not read become [`InvalidMessage`]; nothing here
//! panics or recurses beyond serde_json's 128 levels.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, JsonError, JsonObject, JsonString};

/// One message of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// `pusher:ping`: answered with a pong.
    Ping,
    /// `pusher:pong`: like every message, it shows that the client is alive.
    Pong,
    /// `pusher:subscribe`.
    Subscribe(Subscribe<'a>),
    /// `pusher:unsubscribe`: has no answer.
    Unsubscribe {
        /// The channel to leave.
        channel: Cow<'a, str>,
    },
    /// `pusher:signin`.
    SignIn(SignIn<'a>),
    /// `client-…`: relayed to the other subscribers of the channel.
    ClientEvent(ClientEvent<'a>),
    /// Any other event name.
    Unsupported {
        /// The name.
        event: Cow<'a, str>,
    },
}

/// The `data` of `pusher:subscribe`, strings as sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The channel to join.
    pub channel: Cow<'a, str>,
    /// `key:signature` of the auth endpoint; pusher-js sends `""` on public channels.
    pub auth: Option<Cow<'a, str>>,
    /// The member, as the auth endpoint describes it; part of the signed text.
    pub channel_data: Option<Cow<'a, str>>,
}

/// The `data` of `pusher:signin`, strings as sent.
#[derive(Debug, PartialEq, Eq)]
pub struct SignIn<'a> {
    /// `key:signature` of the user auth endpoint.
    pub auth: Cow<'a, str>,
    /// The user, as that endpoint describes it; part of the signed text.
    pub user_data: Cow<'a, str>,
}

/// A client event whose permission has not been checked.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientEvent<'a> {
    /// The name, starting with `client-`.
    pub event: Cow<'a, str>,
    /// The channel it is for.
    pub channel: Cow<'a, str>,
    /// The payload: the text of a JSON string, or the sender's bytes of any other value. `null`
    /// where the sender gave none, as in Echo's `whisper("typing")`.
    pub data: Cow<'a, str>,
}

/// Why a text is not a message of the protocol; the cause is worded for the client's developer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMessage(pub Cow<'static, str>);

impl From<&'static str> for InvalidMessage {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

/// The prefix that every client event must have.
const CLIENT_EVENT_PREFIX: &str = "client-";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: JsonString<'a>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SubscribeData<'a> {
    #[serde(borrow)]
    channel: JsonString<'a>,
    #[serde(borrow)]
    auth: Option<JsonString<'a>>,
    #[serde(borrow)]
    channel_data: Option<JsonString<'a>>,
}

#[derive(Deserialize)]
struct SignInData<'a> {
    #[serde(borrow)]
    auth: JsonString<'a>,
    #[serde(borrow)]
    user_data: JsonString<'a>,
}

#[derive(Deserialize)]
struct UnsubscribeData<'a> {
    #[serde(borrow)]
    channel: JsonString<'a>,
}

impl<'a> ClientMessage<'a> {
    /// Reads one text message.
    pub fn parse(text: &'a str) -> Result<Self, InvalidMessage> {
        // Serde reports a lone surrogate as a wrong type, so the cause is searched in the text.
        Self::read(text).map_err(|invalid| {
            if json::has_lone_surrogate(text.as_bytes()) {
                return InvalidMessage(format!("a string {}", JsonError::LoneSurrogate).into());
            }
            invalid
        })
    }

    fn read(text: &'a str) -> Result<Self, InvalidMessage> {
        let JsonObject(envelope): JsonObject<Envelope<'a>> = serde_json::from_str(text)
            .map_err(|_| InvalidMessage::from("not a JSON object with a string \"event\""))?;
        let event = envelope.event.0;
        match &*event {
            "pusher:ping" => Ok(Self::Ping),
            "pusher:pong" => Ok(Self::Pong),
            "pusher:subscribe" => {
                let invalid = InvalidMessage::from(
                    "pusher:subscribe needs data with a string \"channel\", and strings as \"auth\" and \"channel_data\"",
                );
                subscribe(envelope.data).ok_or(invalid).map(Self::Subscribe)
            }
            "pusher:unsubscribe" => {
                let invalid =
                    InvalidMessage::from("pusher:unsubscribe needs data with a string \"channel\"");
                let channel = unsubscribe(envelope.data).ok_or(invalid)?;
                Ok(Self::Unsubscribe { channel })
            }
            "pusher:signin" => {
                let invalid = InvalidMessage::from(
                    "pusher:signin needs data with strings as \"auth\" and \"user_data\"",
                );
                sign_in(envelope.data).ok_or(invalid).map(Self::SignIn)
            }
            name if name.starts_with(CLIENT_EVENT_PREFIX) => {
                let invalid = InvalidMessage::from("a client event needs a string \"channel\"");
                let channel = envelope.channel.and_then(string).ok_or(invalid)?;
                let data = envelope.data.map_or(Ok(Cow::Borrowed("null")), payload)?;
                Ok(Self::ClientEvent(ClientEvent { event, channel, data }))
            }
            _ => Ok(Self::Unsupported { event }),
        }
    }
}

/// Reads `data`, which pusher-js sends as an object and other clients as a string that holds one.
fn object<T>(data: &RawValue, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    match string(data) {
        Some(inner) => read(&inner),
        None => read(data.get()),
    }
}

fn subscribe<'a>(data: Option<&'a RawValue>) -> Option<Subscribe<'a>> {
    let data = data?;
    // An object, the usual form, borrows from the message; strings inside a string are copied.
    if let Ok(JsonObject(parts)) = serde_json::from_str::<JsonObject<SubscribeData<'a>>>(data.get())
    {
        return Some(Subscribe {
            channel: parts.channel.0,
            auth: parts.auth.map(|auth| auth.0),
            channel_data: parts.channel_data.map(|channel_data| channel_data.0),
        });
    }
    let owned = |text: JsonString<'_>| Cow::Owned(text.0.into_owned());
    object(data, |text| {
        let JsonObject(parts): JsonObject<SubscribeData<'_>> = serde_json::from_str(text).ok()?;
        Some(Subscribe {
            channel: owned(parts.channel),
            auth: parts.auth.map(owned),
            channel_data: parts.channel_data.map(owned),
        })
    })
}

fn sign_in<'a>(data: Option<&'a RawValue>) -> Option<SignIn<'a>> {
    object(data?, |text| {
        let JsonObject(parts): JsonObject<SignInData<'_>> = serde_json::from_str(text).ok()?;
        let owned = |text: JsonString<'_>| Cow::Owned(text.0.into_owned());
        Some(SignIn { auth: owned(parts.auth), user_data: owned(parts.user_data) })
    })
}

fn unsubscribe<'a>(data: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    object(data?, |text| {
        let JsonObject(parts): JsonObject<UnsubscribeData<'_>> = serde_json::from_str(text).ok()?;
        Some(Cow::Owned(parts.channel.0.into_owned()))
    })
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<JsonString<'_>>(raw.get()).ok().map(|text| text.0)
}

/// The text to relay: the content of a JSON string, or the JSON of any other value.
fn payload(raw: &RawValue) -> Result<Cow<'_, str>, InvalidMessage> {
    let (text, is_json) = match string(raw) {
        Some(text) => (text, false),
        None => (Cow::Borrowed(raw.get()), true),
    };
    match json::check(&text) {
        Err(JsonError::Syntax) if !is_json => Ok(text),
        Err(why) => Err(InvalidMessage(format!("the data of a client event {why}").into())),
        Ok(()) => Ok(text),
    }
}

#[cfg(test)]
#[path = "client_message/tests.rs"]
mod tests;
