//! `GET /internal/v1/apps/{app}/triggers/{id}`: what became of an event that a viewer was shown.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::config::PayloadView;
use crate::explanation::TriggerId;

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path((app, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let mut view = PayloadView::Masked.min(api.payloads);
    for (name, value) in parameters::pairs(uri.query().unwrap_or_default())? {
        match name.as_str() {
            "payloads" => view = parameters::view(&value, api.payloads)?,
            _ => return Err(parameters::unknown(&name, "payloads")),
        }
    }
    let id = TriggerId::parse(&id).ok_or_else(|| {
        InternalError::bad_request("the id of a trigger has 16 hexadecimal digits")
    })?;
    let channels = parameters::channels_of(&api, &app)?;
    let explanation = api.node.explain_trigger(&channels, id, view).await;
    let explanation = explanation.ok_or_else(|| {
        let text = "this trigger is not kept: the last ones are, from the time when a viewer was shown them on \
                    this node; ask /explain of the app about its channel";
        InternalError::new(StatusCode::NOT_FOUND, text)
    })?;
    Ok(json(&explanation))
}
