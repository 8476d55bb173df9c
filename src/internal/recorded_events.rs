//! `GET /internal/v1/apps/{app}/events`: the triggers and deliveries of an app that were recorded, with their data.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::observation::{TapFilter, recorded_row};

#[derive(Serialize)]
struct Recorded {
    /// The time of the answer: what comes later is not in it.
    now_ms: u64,
    /// The oldest first.
    events: Vec<Box<RawValue>>,
    /// Whether events since that time made room for later ones.
    incomplete: bool,
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
    for (name, value) in parameters::pairs(uri.query().unwrap_or_default())? {
        if name == "since" {
            let text = "since must be milliseconds since the Unix epoch";
            since = value.parse().map_err(|_| InternalError::bad_request(text))?;
        } else if name == "app" || !parameters::take_filter(&mut filter, &name, &value)? {
            return Err(parameters::unknown(&name, "channel, event, socket, kind, since"));
        }
    }
    filter.app = Some(app);
    // Before the look: an event that comes between the two is in the next answer again, and none is missed.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let found = record.since(since, &filter);
    let node = api.node.name();
    let rows = found.events.iter().map(|event| recorded_row(event, node.as_deref()));
    Ok(json(&Recorded {
        now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        events: rows.filter_map(|row| RawValue::from_string(row).ok()).collect(),
        incomplete: found.is_incomplete,
    }))
}
