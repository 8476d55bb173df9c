//! `GET …/apps/{app}/webhooks`: the endpoints of an app, what waits for them, and their last calls; and
//! `POST …/webhooks/{endpoint}/resend`: a call that failed is made again at once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::parameters;
use crate::webhook::{EndpointState, Forwarding};

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
    let endpoint: usize = endpoint.parse().map_err(|_| {
        InternalError::bad_request("the endpoint must be its place in the list, from 0 on")
    })?;
    match api.own_server()?.webhooks.bring_forward(&app, endpoint) {
        Forwarding::Made => Ok(json(&Resent { app, endpoint })),
        Forwarding::NothingWaits => Err(InternalError::new(
            StatusCode::CONFLICT,
            "no call of this endpoint waits for a retry on this node: the last one was taken, or given up after webhooks.retry_for_seconds",
        )),
        Forwarding::NoEndpoint => Err(InternalError::new(
            StatusCode::NOT_FOUND,
            format!("app {app:?} has no webhook {endpoint}: its list counts from 0"),
        )),
    }
}
