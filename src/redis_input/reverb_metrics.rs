//! Look-ups of Reverb's servers on the scaling channel, and the answers of this node.
//!
//! Pure. The server that asks counts the subscribers of the channel and waits ten seconds for as many answers, so
//! this node has to answer each. Versions up to 1.6 ask in JSON, later ones with a serialised object.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::php_value::SerializedValue;
use super::reverb_app::{self, InvalidReverbMessage};

/// The classes of a request.
const PENDING_METRIC: &[u8] = br"Laravel\Reverb\Protocols\Pusher\PendingMetric";
const METRIC_TYPE: &str = r"Laravel\Reverb\Protocols\Pusher\MetricType:";

/// A look-up, and how it is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct ReverbQuery {
    /// The id of the app.
    pub app: String,
    /// What is asked.
    pub lookup: ReverbLookup,
    key: String,
    /// The app as the request has it, where an answer repeats it.
    application: Option<String>,
}

/// What a server asks the others.
#[derive(Debug, PartialEq, Eq)]
pub enum ReverbLookup {
    /// The sockets.
    Connections,
    /// One channel, with these attributes.
    Channel {
        /// Its name.
        name: String,
        /// A list with commas: `occupied`, `user_count`, `subscription_count`, `cache`.
        info: String,
    },
    /// All channels that begin so, or these.
    Channels {
        /// Only channels that begin so.
        prefix: String,
        /// Only these; empty is all.
        names: Vec<String>,
        /// As of one channel.
        info: String,
    },
    /// The members of a presence channel.
    Users(String),
    /// A kind of look-up that is not known here: the answer is empty.
    Unknown,
}

#[derive(Deserialize)]
struct EarlyRequest<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    /// PHP writes an empty list for no options.
    #[serde(default)]
    options: Value,
}

/// Reads a request; `key` and `application` stand beside the payload in early versions.
pub(super) fn read(
    payload: &str,
    key: Option<&str>,
    application: Option<&str>,
) -> Result<ReverbQuery, InvalidReverbMessage> {
    if let (Some(key), Some(application)) = (key, application) {
        let request: EarlyRequest<'_> = reverb_app::json(payload.as_bytes())?;
        let option = |name: &str| request.options.get(name).cloned();
        return Ok(ReverbQuery {
            app: reverb_app::application_id(Some(application))?,
            lookup: lookup(&request.kind, &option),
            key: key.to_owned(),
            application: Some(application.to_owned()),
        });
    }
    let serialised: String = reverb_app::json(payload.as_bytes())?;
    let metric = SerializedValue::read(serialised.as_bytes())?;
    let malformed =
        || InvalidReverbMessage::Malformed("its payload is no PendingMetric".to_owned());
    let is_metric = matches!(metric, SerializedValue::Object(class, _) if class == PENDING_METRIC);
    let key = metric.get("key").and_then(SerializedValue::text).filter(|_| is_metric);
    let key = key.ok_or_else(malformed)?.to_owned();
    let app = metric.get("application").ok_or_else(malformed)?;
    let Some(SerializedValue::Enum(case)) = metric.get("type") else { return Err(malformed()) };
    let case = std::str::from_utf8(case).ok().and_then(|case| case.strip_prefix(METRIC_TYPE));
    let kind = case.ok_or_else(malformed)?.to_ascii_lowercase();
    let options = metric.get("options");
    let option = |name: &str| options?.get(name).map(to_json);
    Ok(ReverbQuery {
        app: reverb_app::id_of_application(app)?,
        lookup: lookup(&kind, &option),
        key,
        application: None,
    })
}

fn lookup(kind: &str, option: &dyn Fn(&str) -> Option<Value>) -> ReverbLookup {
    let text = |name: &str| match option(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let texts = |name: &str| match option(name) {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    match kind {
        "connections" => ReverbLookup::Connections,
        "channel" => ReverbLookup::Channel { name: text("channel"), info: text("info") },
        "channels" => ReverbLookup::Channels {
            prefix: text("filter"),
            names: texts("channels"),
            info: text("info"),
        },
        "channel_users" => ReverbLookup::Users(text("channel")),
        _ => ReverbLookup::Unknown,
    }
}

/// The texts, and lists of texts, of an option.
fn to_json(value: &SerializedValue<'_>) -> Value {
    match value {
        SerializedValue::Bytes(_) => value.text().map_or(Value::Null, Value::from),
        SerializedValue::Array(entries) => {
            entries.iter().map(|(_, value)| to_json(value)).collect()
        }
        _ => Value::Null,
    }
}

impl ReverbQuery {
    /// The answer of this node.
    pub(super) fn answer(&self, found: &Value, origin: &str) -> Vec<u8> {
        let mut answer = Map::new();
        match &self.application {
            Some(application) => {
                answer.insert("type".to_owned(), "metrics-retrieved".into());
                answer.insert("key".to_owned(), (&*self.key).into());
                answer.insert("application".to_owned(), (&**application).into());
            }
            None => drop(answer.insert("type".to_owned(), (&*self.key).into())),
        }
        answer.insert("payload".to_owned(), found.clone());
        answer.insert("resound".to_owned(), origin.into());
        json!(answer).to_string().into_bytes()
    }
}
