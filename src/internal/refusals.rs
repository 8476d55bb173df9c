//! `GET /internal/v1/refusals`: the last refusals, which are kept whether or not a viewer is there, one by one or by
//! cause.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::take_scope;
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use super::refusal_causes::{self, written};
use crate::observation::TapFilter;

#[derive(Serialize, Deserialize)]
struct Refusals {
    /// The oldest first.
    refusals: Vec<Box<RawValue>>,
    /// Refusals that came too fast to be kept, since the start of the server.
    left_out: u64,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let (mut filter, mut is_grouped) = (TapFilter::default(), false);
    let mut pairs = parameters::pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            ("group", "cause") => is_grouped = true,
            ("group", _) => return Err(InternalError::bad_request("group must be cause")),
            _ if parameters::take_filter(&mut filter, &name, &value)? => {}
            _ => return Err(parameters::unknown(&name, "app, channel, socket, group, nodes")),
        }
    }
    if is_grouped {
        return Ok(json(&refusal_causes::of_nodes(&api, scope, &uri, &filter).await));
    }
    let past = api.node.observation().refusals().past();
    let shown = past.refusals.iter().filter(|refusal| filter.takes(refusal));
    let mut refusals: Vec<_> = shown.filter_map(|refusal| written(&api, refusal)).collect();
    let mut left_out = past.left_out;
    let (answers, other_nodes) = other_nodes::ask::<Refusals>(&api, scope, &uri).await;
    for answer in answers.into_iter().flatten() {
        left_out += answer.left_out;
        refusals.extend(answer.refusals);
    }
    other_nodes::sort_by_time(&mut refusals);
    Ok(json(&Refusals { refusals, left_out, other_nodes }))
}
