//! `POST /internal/v1/apps/{app}/events` and `…/batch_events`: an operator publishes events, and gets the verdicts.
//!
//! The request is signed for the app and answered by the HTTP API itself, so that one rule decides what may be published.
//! Only encrypted channels are refused here: the key with which their events are encrypted is the back end's.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::node::Channels;
use crate::protocol::signature::SigningKey;
use crate::protocol::{ChannelName, ChannelType};

/// What one request may publish: more than any limit of an app.
const MAX_BODY_BYTES: usize = 16 << 20;

/// An error text of the HTTP API is far shorter.
const MAX_ERROR_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct Published {
    /// One for each event and channel.
    verdicts: Vec<Box<RawValue>>,
    /// `all`, or `this` if Redis is away.
    nodes: &'static str,
}

pub(super) async fn events(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    body: Body,
) -> Result<Response, InternalError> {
    publish(&api, &app, "events", body).await
}

pub(super) async fn batch_events(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    body: Body,
) -> Result<Response, InternalError> {
    publish(&api, &app, "batch_events", body).await
}

async fn publish(
    api: &InternalApi,
    app: &str,
    route: &str,
    body: Body,
) -> Result<Response, InternalError> {
    let channels = parameters::channels_of(api, app)?;
    let server = api.own_server()?;
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        let text = format!("the body is longer than {MAX_BODY_BYTES} bytes, or ended early");
        InternalError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    if let Some(channel) = encrypted_channel(&body) {
        let text = format!(
            "{channel:?} is an encrypted channel: its events are encrypted by the back end, which alone has the key, so \
             publish there; an event from here could not be read by a client"
        );
        return Err(InternalError::bad_request(text));
    }
    let request = signed(&channels, route, &server.prefix, body.into());
    let answer = server.answer(request).await;
    let status = answer.status();
    if !status.is_success() {
        let text = to_bytes(answer.into_body(), MAX_ERROR_BYTES).await.unwrap_or_default();
        return Err(InternalError::new(status, String::from_utf8_lossy(&text).trim()));
    }
    let verdicts = answer.headers().get_all("resound-explain").iter();
    let verdicts = verdicts.filter_map(|verdict| serde_json::from_slice(verdict.as_bytes()).ok());
    let is_partial = answer.headers().contains_key("resound-publish-scope");
    let nodes = if is_partial { "this" } else { "all" };
    Ok(json(&Published { verdicts: verdicts.collect(), nodes }))
}

/// The request as the app's back end would send it.
fn signed(channels: &Channels, route: &str, prefix: &str, body: Vec<u8>) -> Request<Body> {
    let app = channels.app();
    let key = SigningKey { key: &app.key, secret: &app.secret };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // The prefix is no part of the signed path.
    let path = format!("/apps/{}/{route}", app.id);
    let query = key.request_query("POST", &path, &body, now.as_secs());
    Request::post(format!("{prefix}{path}?{query}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("resound-explain", "1")
        .body(Body::from(body))
        .expect("an id, a route and hexadecimal digits are a path and a query")
}

/// The first encrypted channel of an event or of a batch. What cannot be read is refused by the HTTP API.
fn encrypted_channel(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let events = body["batch"].as_array().cloned().unwrap_or_else(|| vec![body]);
    let names = |event: &Value| match &event["channels"] {
        Value::Array(names) => names.clone(),
        one => vec![one.clone(), event["channel"].clone()],
    };
    let mut names = events.iter().flat_map(names);
    names.find_map(|name| {
        let name = ChannelName::parse(name.as_str()?, usize::MAX).ok()?;
        let is_encrypted = name.channel_type() == ChannelType::Encrypted;
        is_encrypted.then(|| name.as_str().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::encrypted_channel;

    #[test]
    fn an_encrypted_channel_is_found_wherever_it_stands() {
        let encrypted = Some("private-encrypted-a".to_owned());
        for (body, expected) in [
            (r#"{"channels":["a","private-encrypted-a"]}"#, encrypted.clone()),
            (r#"{"channels":"private-encrypted-a"}"#, encrypted.clone()),
            (r#"{"channel":"private-encrypted-a"}"#, encrypted.clone()),
            (r#"{"batch":[{"channel":"a"},{"channel":"private-encrypted-a"}]}"#, encrypted),
            (r#"{"channels":["private-a"]}"#, None),
            ("{", None),
            ("7", None),
        ] {
            assert_eq!(encrypted_channel(body.as_bytes()), expected, "{body}");
        }
    }
}
