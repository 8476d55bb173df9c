//! `GET /internal/v1/apps/{app}/triggers/{id}`: what became of an event that a viewer was shown, as the node explains it
//! that published it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::node_scope::{NodeScope, take_scope};
use super::other_nodes::OtherNodes;
use super::{other_nodes, parameters};
use crate::config::PayloadView;
use crate::explanation::TriggerId;

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path((app, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let mut view = PayloadView::Masked.min(api.payloads);
    let mut pairs = parameters::pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    for (name, value) in pairs {
        match name.as_str() {
            // What another node asks is shown as far as this one allows.
            "payloads" if scope == NodeScope::This => {
                view = parameters::view(&value, PayloadView::Full)?.min(api.payloads);
            }
            "payloads" => view = parameters::view(&value, api.payloads)?,
            _ => return Err(parameters::unknown(&name, "payloads, nodes")),
        }
    }
    let id = TriggerId::parse(&id).ok_or_else(|| {
        InternalError::bad_request("the id of a trigger has 16 hexadecimal digits")
    })?;
    let channels = parameters::channels_of(&api, &app)?;
    if let Some(explanation) = api.node.explain_trigger(&channels, id, view).await {
        return Ok(json(&explanation));
    }
    let (others, other_nodes) = other_nodes::ask::<Box<RawValue>>(&api, scope, &uri).await;
    let found = others.into_iter().flatten().find(|answer| is_explanation(answer));
    let found = found.ok_or_else(|| {
        let text = "this trigger is not kept: the last ones are, from the time when a viewer was shown them on \
                    this node; ask /explain of the app about its channel";
        let absent = InternalError::new(StatusCode::NOT_FOUND, text);
        OtherNodes::refusal(other_nodes, "this trigger", absent)
    })?;
    Ok(json(&found))
}

/// Whether another node has answered with an explanation, which a refusal is not.
fn is_explanation(answer: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Explanation {
        #[serde(rename = "trigger")]
        _trigger: IgnoredAny,
    }
    serde_json::from_str::<Explanation>(answer.get()).is_ok()
}
