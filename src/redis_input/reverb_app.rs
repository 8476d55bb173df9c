//! The app in the messages of Reverb's servers, which PHP serialises, and why a message is dropped.
//!
//! Of the app only the id is read. What this node writes for it has no secret.

use serde::Deserialize;

use super::php_value::{SerializedError, SerializedValue};

/// The class of the app, as every version of Reverb names it.
const APPLICATION: &str = r"Laravel\Reverb\Application";

/// Why a message is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReverbMessage {
    /// It is not the JSON of a message.
    #[error("it is no message of Reverb: {0}")]
    Malformed(String),
    /// Its app cannot be read.
    #[error("its app cannot be read: {0}")]
    Application(#[from] SerializedError),
    /// Its app is of another class, or has no id.
    #[error("its app is no {APPLICATION} with an id")]
    NoApplication,
}

pub(super) fn json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, InvalidReverbMessage> {
    let malformed = |error: serde_json::Error| InvalidReverbMessage::Malformed(error.to_string());
    serde_json::from_slice(text).map_err(malformed)
}

/// The id of a serialised app.
pub(super) fn application_id(serialised: Option<&str>) -> Result<String, InvalidReverbMessage> {
    let serialised = serialised.ok_or(InvalidReverbMessage::NoApplication)?;
    id_of_application(&SerializedValue::read(serialised.as_bytes())?)
}

/// The id of an app.
pub(super) fn id_of_application(
    value: &SerializedValue<'_>,
) -> Result<String, InvalidReverbMessage> {
    let is_app =
        matches!(value, SerializedValue::Object(class, _) if *class == APPLICATION.as_bytes());
    let id = value.get("id").and_then(SerializedValue::text).filter(|_| is_app);
    id.map(str::to_owned).ok_or(InvalidReverbMessage::NoApplication)
}

/// An app as PHP would serialise it, with the properties that every version of Reverb 1 has. The secret is left
/// out: no server uses it to deliver, and every program on that Redis could read it.
pub(super) fn serialised_application(id: &str, key: &str) -> String {
    let text = |text: &str| format!("s:{}:\"{text}\";", text.len());
    let property = |name: &str| text(&format!("\0*\0{name}"));
    let properties = [
        ("id", text(id)),
        ("key", text(key)),
        ("secret", text("")),
        ("pingInterval", "i:60;".to_owned()),
        ("allowedOrigins", "a:0:{}".to_owned()),
        ("maxMessageSize", "i:10000;".to_owned()),
        ("options", "a:0:{}".to_owned()),
    ];
    let body: String =
        properties.iter().map(|(name, value)| format!("{}{value}", property(name))).collect();
    let (length, count) = (APPLICATION.len(), properties.len());
    format!("O:{length}:\"{APPLICATION}\":{count}:{{{body}}}")
}
