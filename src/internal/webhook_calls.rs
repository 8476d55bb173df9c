//! `GET …/apps/{app}/webhooks`: the endpoints of an app, what waits for them, and their last calls;
//! `POST …/webhooks/{endpoint}/resend`: a call that failed is made again at once; and
//! `POST …/webhooks/{endpoint}/given_up/{batch}/resend`: one that was given up is sent again.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::webhook::{EndpointState, Forwarding, Resending};

#[derive(Serialize)]
struct AppEndpoints {
    app: String,
    /// The node whose calls these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    endpoints: Vec<EndpointState>,
}

#[derive(Serialize)]
struct Resent {
    app: String,
    endpoint: usize,
    /// The number of a call that was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
) -> Result<Response, InternalError> {
    parameters::channels_of(&api, &app)?;
    let endpoints = api.own_server()?.webhooks.endpoint_states(&app);
    Ok(json(&AppEndpoints { app, node: api.node.name(), endpoints }))
}

pub(super) async fn resend(
    State(api): State<Arc<InternalApi>>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Response, InternalError> {
    parameters::channels_of(&api, &app)?;
    let endpoint = place(&endpoint)?;
    match api.own_server()?.webhooks.bring_forward(&app, endpoint) {
        Forwarding::Made => Ok(json(&Resent { app, endpoint, batch: None })),
        Forwarding::NothingWaits => Err(InternalError::new(
            StatusCode::CONFLICT,
            "no call of this endpoint waits for a retry on this node: the last one was taken, or given up after webhooks.retry_for_seconds",
        )),
        Forwarding::NoEndpoint => Err(no_endpoint(&app, endpoint)),
    }
}

pub(super) async fn resend_given_up(
    State(api): State<Arc<InternalApi>>,
    Path((app, endpoint, batch)): Path<(String, String, String)>,
) -> Result<Response, InternalError> {
    parameters::channels_of(&api, &app)?;
    let endpoint = place(&endpoint)?;
    let (status, text) = match api.own_server()?.webhooks.resend(&app, endpoint, &batch) {
        Resending::Queued => return Ok(json(&Resent { app, endpoint, batch: Some(batch) })),
        Resending::NoEndpoint => return Err(no_endpoint(&app, endpoint)),
        Resending::UnderWay => (StatusCode::CONFLICT, "this call is being sent again already"),
        Resending::TakenBefore => (
            StatusCode::CONFLICT,
            "the endpoint took this call when it was sent again; it is not sent a second time",
        ),
        Resending::TooLarge => (
            StatusCode::CONFLICT,
            "this call is larger than 1 MB, so its body is not kept: the back end has to read the state again",
        ),
        Resending::NotKept => (
            StatusCode::NOT_FOUND,
            "no call with this number is kept on this node: of each endpoint the last 20 that were given up are, in 1 MB",
        ),
    };
    Err(InternalError::new(status, text))
}

/// The place of an endpoint in the list.
fn place(endpoint: &str) -> Result<usize, InternalError> {
    endpoint.parse().map_err(|_| {
        InternalError::bad_request("the endpoint must be its place in the list, from 0 on")
    })
}

fn no_endpoint(app: &str, endpoint: usize) -> InternalError {
    let text = format!("app {app:?} has no webhook {endpoint}: its list counts from 0");
    InternalError::new(StatusCode::NOT_FOUND, text)
}
