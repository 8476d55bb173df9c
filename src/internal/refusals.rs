//! `GET /internal/v1/refusals`: the last refusals, which are kept whether or not a viewer is there.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::config::PayloadView;
use crate::observation::{TapFilter, row};

#[derive(Serialize)]
struct Refusals {
    /// The oldest first.
    refusals: Vec<Box<RawValue>>,
    /// Refusals that came too fast to be kept, since the start of the server.
    left_out: u64,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let mut filter = TapFilter::default();
    for (name, value) in parameters::pairs(uri.query().unwrap_or_default())? {
        if !parameters::take_filter(&mut filter, &name, &value)? {
            return Err(parameters::unknown(&name, "app, channel, socket"));
        }
    }
    let past = api.node.observation().refusals().past();
    let node = api.node.name();
    let shown = past.refusals.iter().filter(|refusal| filter.takes(refusal));
    let shown = shown.map(|refusal| row(refusal, node.as_deref(), PayloadView::None));
    let refusals = shown.filter_map(|row| RawValue::from_string(row).ok()).collect();
    Ok(json(&Refusals { refusals, left_out: past.left_out }))
}
