//! `GET /internal/v1/apps/{app}/events`: the triggers and deliveries of an app that were recorded, with their data.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::take_scope;
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::observation::{TapFilter, now_ms, recorded_row};

#[derive(Serialize, Deserialize)]
struct Recorded {
    /// The time of the answer: what comes later is not in it.
    now_ms: u64,
    /// The oldest first.
    events: Vec<Box<RawValue>>,
    /// Whether events since that time made room for later ones.
    incomplete: bool,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let Some(record) = api.node.observation().recorded() else {
        let text = "nothing is recorded; set record.enabled = true (RESOUND_RECORD_ENABLED=true) and restart \
                    the server; it is for development, since it keeps the data of events";
        return Err(InternalError::new(StatusCode::NOT_FOUND, text));
    };
    if !api.node.serves(&app) {
        let app: String = app.chars().take(64).collect();
        let text = format!("no app has the id {app:?}");
        return Err(InternalError::new(StatusCode::NOT_FOUND, text));
    }
    let (mut filter, mut since) = (TapFilter::default(), 0);
    let mut pairs = parameters::pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    for (name, value) in pairs {
        if name == "since" {
            let text = "since must be milliseconds since the Unix epoch";
            since = value.parse().map_err(|_| InternalError::bad_request(text))?;
        } else if name == "app" || !parameters::take_filter(&mut filter, &name, &value)? {
            return Err(parameters::unknown(&name, "channel, event, socket, kind, since, nodes"));
        }
    }
    filter.app = Some(app);
    // Before the look: an event that comes between the two is in the next answer again, and none is missed.
    let now_ms = now_ms();
    let found = record.since(since, &filter);
    let node = api.node.name();
    let rows = found.events.iter().map(|event| recorded_row(event, node.as_deref()));
    let mut events: Vec<_> = rows.filter_map(|row| RawValue::from_string(row).ok()).collect();
    let mut incomplete = found.is_incomplete;
    let (answers, other_nodes) = other_nodes::ask::<Recorded>(&api, scope, &uri).await;
    for answer in answers {
        // A node that records nothing answers with an error.
        incomplete |= answer.as_ref().is_none_or(|answer| answer.incomplete);
        events.extend(answer.into_iter().flat_map(|answer| answer.events));
    }
    other_nodes::sort_by_time(&mut events);
    Ok(json(&Recorded { now_ms, events, incomplete, other_nodes }))
}
