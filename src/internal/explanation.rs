//! `GET /internal/v1/apps/{app}/explain`: what happened of late on a channel, and what would happen with an event
//! now.

use std::sync::Arc;

use axum::extract::{RawPathParams, State};
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::take_scope;
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::explanation::{PastEvent, Verdict};

/// Longer than any name of a channel or an event.
const NAME_BYTES_MAX: usize = 1024;

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    path: RawPathParams,
    uri: Uri,
) -> Result<Response, InternalError> {
    let app = path.iter().next().map_or("", |(_, app)| app);
    let (mut channel, mut event) = (None, None);
    let mut pairs = parameters::pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    for (name, value) in pairs {
        if value.is_empty() || value.len() > NAME_BYTES_MAX {
            let text = format!("{name} must have 1 to {NAME_BYTES_MAX} bytes");
            return Err(InternalError::bad_request(text));
        }
        match name.as_str() {
            "channel" => channel = Some(value),
            "event" => event = Some(value),
            _ => return Err(parameters::unknown(&name, "channel, event, nodes")),
        }
    }
    let channel =
        channel.ok_or_else(|| InternalError::bad_request("name a channel: ?channel=…"))?;
    let channels = parameters::channels_of(&api, app)?;
    let explanation = api.node.explain_channel(&channels, &channel, event.as_deref()).await;
    let (answers, other_nodes) = other_nodes::ask::<OtherPast>(&api, scope, &uri).await;
    let (app, now) = (explanation.app, explanation.now);
    let node = api.node.name();
    let mut past: Vec<_> =
        explanation.past.iter().filter_map(|past| of_node(past, node.as_deref())).collect();
    past.extend(answers.into_iter().flatten().flat_map(|answer| answer.past));
    other_nodes::sort_by_time(&mut past);
    Ok(json(&Explained { app, channel, event, now, past, other_nodes }))
}

/// What happened, with the name of the node in a cluster.
fn of_node(past: &PastEvent, node: Option<&str>) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(&PastOfNode { past, node }).ok()
}

#[derive(Serialize)]
struct PastOfNode<'a> {
    #[serde(flatten)]
    past: &'a PastEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
}

/// What is used of the answer of another node.
#[derive(Deserialize)]
struct OtherPast {
    past: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct Explained {
    app: String,
    channel: String,
    event: Option<String>,
    now: Verdict,
    /// The last first.
    past: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}
