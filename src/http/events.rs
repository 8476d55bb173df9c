//! `POST /events` and `/batch_events`: events that a back end triggers.
//!
//! The body is parsed once, and its strings are borrowed until they are copied into the frame. No event
//! of a request is published unless all of them are valid.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::api_error::ApiError;
use super::info::{ChannelAttributes, InfoParameter};
use super::json_response::{empty_response, field_response};
use super::publishing::{ValidEvent, publish};
use super::signed::SignedRequest;
use crate::app::AppLimits;
use crate::node::Channels;
use crate::protocol::json::{self, JsonError, JsonList, JsonObject, JsonString};
use crate::protocol::{ChannelName, ChannelType, SocketId, check_event_name};

#[derive(Deserialize)]
struct EventRequest<'a> {
    #[serde(borrow)]
    name: JsonString<'a>,
    #[serde(borrow)]
    data: JsonString<'a>,
    #[serde(borrow)]
    channel: Option<JsonString<'a>>,
    #[serde(borrow)]
    channels: Option<ChannelNameList<'a>>,
    #[serde(borrow)]
    socket_id: Option<JsonString<'a>>,
    #[serde(borrow)]
    info: Option<JsonString<'a>>,
}

#[derive(Deserialize)]
struct BatchRequest<'a> {
    #[serde(borrow)]
    batch: JsonList<JsonObject<EventRequest<'a>>>,
}

/// `channels`: one name, or a [`JsonList`] of them.
struct ChannelNameList<'a>(JsonList<JsonString<'a>>);

impl<'a, 'de: 'a> Deserialize<'de> for ChannelNameList<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(ChannelNameListVisitor)
    }
}

struct ChannelNameListVisitor;

impl<'de> Visitor<'de> for ChannelNameListVisitor {
    type Value = ChannelNameList<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a channel name or a list of them in channels")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<ChannelNameList<'de>, E> {
        Ok(ChannelNameList(JsonList(vec![JsonString(Cow::Borrowed(name))])))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ChannelNameList<'de>, E> {
        Ok(ChannelNameList(JsonList(vec![JsonString(Cow::Owned(name.to_owned()))])))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<ChannelNameList<'de>, A::Error> {
        JsonList::deserialize(SeqAccessDeserializer::new(names)).map(ChannelNameList)
    }

    fn visit_map<A: MapAccess<'de>>(self, names: A) -> Result<ChannelNameList<'de>, A::Error> {
        JsonList::deserialize(MapAccessDeserializer::new(names)).map(ChannelNameList)
    }
}

/// `POST /apps/{id}/events`.
pub(super) async fn trigger(request: SignedRequest) -> Result<Response, ApiError> {
    let body: EventRequest<'_> =
        parse(&request.body, "{\"name\":\"…\",\"data\":\"…\",\"channels\":[\"…\"]}")?;
    let event = check(&body, &request.channels.app().limits)?;
    let published = publish(&request, std::slice::from_ref(&event)).await;
    let Some(info) = event.info else { return Ok(published.mark(empty_response())) };
    let mut channels: BTreeMap<&str, ChannelAttributes> = BTreeMap::new();
    for name in &event.channels {
        channels.insert(name.as_str(), attributes(&request.channels, name, info).await);
    }
    Ok(published.mark(field_response("channels", channels)))
}

/// `POST /apps/{id}/channels/{name}/events`, deprecated: the name and the socket id are in the query, and
/// the body is the data.
pub(super) async fn trigger_one(request: SignedRequest) -> Result<Response, ApiError> {
    let data = std::str::from_utf8(&request.body)
        .map_err(|_| ApiError::bad_request("the body, which is the data, must be UTF-8"))?;
    let borrowed = |value| JsonString(Cow::Borrowed(value));
    let body = EventRequest {
        name: borrowed(request.query.get("name").unwrap_or_default()),
        data: borrowed(data),
        channel: Some(borrowed(request.parameter("channel"))),
        channels: None,
        socket_id: request.query.get("socket_id").map(borrowed),
        info: None,
    };
    let event = check(&body, &request.channels.app().limits)?;
    let published = publish(&request, std::slice::from_ref(&event)).await;
    Ok(published.mark((StatusCode::ACCEPTED, empty_response()).into_response()))
}

/// `POST /apps/{id}/batch_events`.
pub(super) async fn trigger_batch(request: SignedRequest) -> Result<Response, ApiError> {
    let example = "{\"batch\":[{\"name\":\"…\",\"data\":\"…\",\"channel\":\"…\"}]}";
    let body: BatchRequest<'_> = parse(&request.body, example)?;
    let app = request.channels.app();
    let limits = &app.limits;
    let (count, most) = (body.batch.0.len(), limits.events_per_batch);
    if count > most {
        return Err(ApiError::bad_request(format!(
            "Batch too large: {count} events; the limit is {most} (max_events_per_batch)"
        ))
        .beyond("max_events_per_batch"));
    }
    let checked = body.batch.0.iter().enumerate().map(|(index, JsonObject(item))| {
        let one_channel = if item.channels.is_some() {
            Err(ApiError::bad_request(
                "an event of a batch has one channel: use channel, not channels",
            ))
        } else {
            check(item, limits)
        };
        one_channel.map_err(|refusal| refusal.within(&format!("batch[{index}]")))
    });
    let events: Vec<ValidEvent<'_>> = checked.collect::<Result<_, _>>()?;
    let published = publish(&request, &events).await;
    if events.iter().all(|event| event.info.is_none()) {
        return Ok(published.mark(empty_response()));
    }
    let mut answers: Vec<ChannelAttributes> = Vec::with_capacity(events.len());
    for event in &events {
        answers.push(match (event.info, event.channels.first()) {
            (Some(info), Some(name)) => attributes(&request.channels, name, info).await,
            _ => ChannelAttributes::default(),
        });
    }
    Ok(published.mark(field_response("batch", answers)))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Result<T, ApiError> {
    let object = serde_json::from_slice::<JsonObject<T>>(body);
    object.map(|JsonObject(read)| read).map_err(|error| {
        if json::has_lone_surrogate(body) {
            return ApiError::bad_request(format!("The body {}", JsonError::LoneSurrogate));
        }
        ApiError::bad_request(format!(
            "The body is not as expected: {error}. It must look like {example}, where data is a string (JSON-encode it first)"
        ))
    })
}

fn check<'a>(body: &'a EventRequest<'a>, limits: &AppLimits) -> Result<ValidEvent<'a>, ApiError> {
    let (name, data) = (&*body.name.0, &*body.data.0);
    check_event_name(name, limits)?;
    let (bytes, bytes_max) = (data.len(), limits.event_data_bytes);
    if bytes > bytes_max {
        return Err(ApiError::too_large(format!(
            "The data content of this event exceeds the allowed maximum ({bytes_max} bytes): it has {bytes}. Send less, or raise max_event_data_bytes"
        ))
        .beyond("max_event_data_bytes"));
    }
    let channels = check_channels(body, limits)?;
    let except = match &body.socket_id {
        None => None,
        Some(text) => Some(SocketId::parse(&text.0).ok_or_else(|| {
            ApiError::bad_request(
                "socket_id must be digits, a dot, digits: the one the client was given",
            )
        })?),
    };
    let info = body.info.as_ref().map(|list| InfoParameter::parse(Some(&list.0))).transpose()?;
    Ok(ValidEvent {
        name,
        data,
        channels,
        except,
        info: info.filter(|info| *info != InfoParameter::default()),
    })
}

/// The distinct channels in the order given. `channels` takes precedence over `channel`, as in Reverb.
fn check_channels(
    body: &EventRequest<'_>,
    limits: &AppLimits,
) -> Result<Vec<ChannelName>, ApiError> {
    let names: Vec<&str> = match (&body.channels, &body.channel) {
        (Some(ChannelNameList(JsonList(channels))), _) => {
            channels.iter().map(|text| &*text.0).collect()
        }
        (None, Some(channel)) => vec![&*channel.0],
        (None, None) => Vec::new(),
    };
    let most = limits.channels_per_event;
    if names.is_empty() {
        return Err(ApiError::bad_request(
            "channels is missing or empty: name at least one channel",
        ));
    }
    if names.len() > most {
        let count = names.len();
        return Err(ApiError::bad_request(format!(
            "channels has {count} entries; the limit is {most} (max_channels_per_event)"
        ))
        .beyond("max_channels_per_event"));
    }
    let mut channels: Vec<ChannelName> = Vec::with_capacity(names.len());
    for name in names {
        let name = ChannelName::parse(name, limits.channel_name_bytes)?;
        if !channels.contains(&name) {
            channels.push(name);
        }
    }
    let encrypted = channels.iter().any(|name| name.channel_type() == ChannelType::Encrypted);
    if encrypted && channels.len() > 1 {
        return Err(ApiError::bad_request(
            "an encrypted channel must be the only channel of its event: each has its own key",
        ));
    }
    Ok(channels)
}

async fn attributes(
    channels: &Channels,
    name: &ChannelName,
    info: InfoParameter,
) -> ChannelAttributes {
    info.attributes(name, channels.counts(name).await)
}
