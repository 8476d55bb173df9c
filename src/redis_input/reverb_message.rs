//! The messages that Reverb's servers exchange on the scaling channel, and those of this node for them.
//!
//! Pure. Of the serialised app only the id is used, and a message for an app that is not configured here is
//! dropped. What this node writes is read by every Reverb of version 1: an error there ends its process.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::reverb_app::{self, InvalidReverbMessage};
use super::reverb_metrics::{self, ReverbQuery};
use crate::protocol::SocketId;

/// A message of a Reverb server, or of a node of Resound.
#[derive(Debug)]
pub enum ReverbMessage<'a> {
    /// An event for one or more channels.
    Event(ReverbEvent<'a>),
    /// Closes the sockets of a user.
    Terminate {
        /// The id of the app.
        app: String,
        /// The user.
        user_id: Cow<'a, str>,
        /// The node of Resound that published it, if it was one.
        origin: Option<Cow<'a, str>>,
    },
    /// A look-up, which waits for an answer of every subscriber.
    Query(ReverbQuery),
    /// The answer to a look-up, or a type that servers do not act on.
    Other,
}

/// An event as Reverb's servers exchange it.
#[derive(Debug)]
pub struct ReverbEvent<'a> {
    /// The id of the app.
    pub app: String,
    /// The node of Resound that published it, if it was one.
    pub origin: Option<Cow<'a, str>>,
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its channels.
    pub channels: Vec<Cow<'a, str>>,
    /// Its data: the text of a string, or any other JSON value as it stands.
    pub data: Cow<'a, str>,
    /// The member who sent it, if it is a client event of a presence channel.
    pub user_id: Option<String>,
    /// The socket that does not receive it.
    pub except: Option<SocketId>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    application: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    socket_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resound: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct EventPayload<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    channels: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct UserPayload<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
}

impl<'a> ReverbMessage<'a> {
    /// Reads a message.
    pub fn read(text: &'a [u8]) -> Result<Self, InvalidReverbMessage> {
        let envelope: Envelope<'a> = reverb_app::json(text)?;
        match &*envelope.kind {
            "message" => envelope.event().map(Self::Event),
            "terminate" => {
                let app = reverb_app::application_id(envelope.application.as_deref())?;
                let user_id =
                    reverb_app::json::<UserPayload<'a>>(envelope.payload()?.as_bytes())?.user_id;
                Ok(Self::Terminate { app, user_id, origin: envelope.resound })
            }
            "metrics" => {
                let application = envelope.application.as_deref();
                let (payload, key) = (envelope.payload()?, envelope.key.as_deref());
                reverb_metrics::read(payload, key, application).map(Self::Query)
            }
            _ => Ok(Self::Other),
        }
    }
}

impl<'a> Envelope<'a> {
    fn payload(&self) -> Result<&'a str, InvalidReverbMessage> {
        let missing = || InvalidReverbMessage::Malformed("it has no payload".to_owned());
        self.payload.map(RawValue::get).ok_or_else(missing)
    }

    fn event(self) -> Result<ReverbEvent<'a>, InvalidReverbMessage> {
        let app = reverb_app::application_id(self.application.as_deref())?;
        let payload: EventPayload<'a> = reverb_app::json(self.payload()?.as_bytes())?;
        let mut channels = payload.channels;
        if channels.is_empty() {
            channels.extend(payload.channel);
        }
        Ok(ReverbEvent {
            app,
            origin: self.resound,
            name: payload.event,
            channels,
            data: payload.data.map_or(Cow::Borrowed("null"), text_of),
            user_id: payload.user_id.and_then(id_of),
            except: self.socket_id.as_deref().and_then(SocketId::parse),
        })
    }
}

/// The text of a string; any other value as it stands.
fn text_of(value: &RawValue) -> Cow<'_, str> {
    serde_json::from_str(value.get()).map_or(Cow::Borrowed(value.get()), Cow::<str>::Owned)
}

/// Laravel's user ids are texts or numbers.
fn id_of(value: &RawValue) -> Option<String> {
    match serde_json::from_str(value.get()).ok()? {
        serde_json::Value::String(id) => Some(id),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// An event of this node for Reverb's servers.
#[derive(Debug, Clone, Copy)]
pub struct ForwardedEvent<'a> {
    /// Its channel.
    pub channel: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its data.
    pub data: ForwardedData<'a>,
    /// The member who sent it, if it is a client event of a presence channel.
    pub user_id: Option<&'a str>,
    /// The socket that does not receive it, or that sent it.
    pub except: Option<SocketId>,
}

/// The data of an event for Reverb's servers.
#[derive(Debug, Clone, Copy)]
pub enum ForwardedData<'a> {
    /// Of a back end: a string.
    Text(&'a str),
    /// Of a client, which sends objects and lists as they are.
    Client(&'a str),
}

#[derive(Serialize)]
struct OutgoingEnvelope<'a, P> {
    #[serde(rename = "type")]
    kind: &'a str,
    application: &'a str,
    payload: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<String>,
    /// Reverb ignores it.
    resound: &'a str,
}

#[derive(Serialize)]
struct OutgoingEvent<'a> {
    event: &'a str,
    channel: &'a str,
    data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct OutgoingUser<'a> {
    user_id: &'a str,
}

impl ForwardedEvent<'_> {
    /// The message; `origin` is what this node recognises its own messages by.
    pub(super) fn message(&self, application: &str, origin: &str) -> Vec<u8> {
        let payload = OutgoingEvent {
            event: self.name,
            channel: self.channel,
            data: self.data.raw(),
            user_id: self.user_id,
        };
        let socket_id = self.except.map(|socket| socket.to_string());
        encoded(&OutgoingEnvelope {
            kind: "message",
            application,
            payload,
            socket_id,
            resound: origin,
        })
    }
}

impl ForwardedData<'_> {
    fn raw(self) -> Box<RawValue> {
        let (Self::Text(text) | Self::Client(text)) = self;
        let is_value = matches!(self, Self::Client(_)) && text.starts_with(['{', '[']);
        let value = RawValue::from_string(text.to_owned()).ok().filter(|_| is_value);
        value.unwrap_or_else(|| serde_json::value::to_raw_value(text).expect("a string serializes"))
    }
}

/// The message that closes the sockets of a user.
pub(super) fn terminate(application: &str, user_id: &str, origin: &str) -> Vec<u8> {
    let payload = OutgoingUser { user_id };
    let (kind, socket_id) = ("terminate", None);
    encoded(&OutgoingEnvelope { kind, application, payload, socket_id, resound: origin })
}

fn encoded<P: Serialize>(envelope: &OutgoingEnvelope<'_, P>) -> Vec<u8> {
    serde_json::to_vec(envelope).expect("texts and raw JSON serialize")
}

#[cfg(test)]
#[path = "reverb_message/tests.rs"]
mod tests;
