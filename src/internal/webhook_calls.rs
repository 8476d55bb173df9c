//! `GET …/apps/{app}/webhooks`: the endpoints of an app, what waits for them, and their last calls;
//! `POST …/webhooks/{endpoint}/resend`: a call that failed is made again at once; and
//! `POST …/webhooks/{endpoint}/given_up/{batch}/resend`: one that was given up is sent again.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::merged_endpoints::{merge, with_node};
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::webhook::{Forwarding, Resending};

const NOTHING_WAITS: &str = "no call of this endpoint waits for a retry: the last one was taken, or given up after webhooks.retry_for_seconds";

const NOT_KEPT: &str = "no call with this number is kept: of each endpoint the last 20 that were given up are, in 1 MB";

#[derive(Serialize)]
struct AppEndpoints {
    app: String,
    /// The node that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    endpoints: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

/// The answer of another node, as far as it is read here.
#[derive(Deserialize)]
struct OfOther {
    node: String,
    endpoints: Vec<Value>,
}

#[derive(Serialize)]
struct Resent {
    app: String,
    endpoint: usize,
    /// The number of a call that was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    /// In a cluster, the nodes that make the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<String>,
}

/// What another node answers to a request to send again: who does it, or why not.
#[derive(Deserialize)]
struct ResentByOther {
    #[serde(default)]
    nodes: Vec<String>,
    error: Option<String>,
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    Path(app): Path<String>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    parameters::channels_of(&api, &app)?;
    let own = api.own_server()?.webhooks.endpoint_states(&app);
    let own = own.iter().filter_map(|endpoint| serde_json::to_value(endpoint).ok());
    let (mut endpoints, node): (Vec<Value>, _) = (own.collect(), api.node.name());
    let (answers, other_nodes) = other_nodes::ask::<OfOther>(&api, scope, &uri).await;
    if let (Some(node), Some(_)) = (&node, &other_nodes) {
        endpoints = with_node(endpoints, node);
    }
    for OfOther { node, endpoints: others } in answers.into_iter().flatten() {
        merge(&mut endpoints, with_node(others, &node));
    }
    Ok(json(&AppEndpoints { app, node, endpoints, other_nodes }))
}

pub(super) async fn resend(
    State(api): State<Arc<InternalApi>>,
    Path((app, endpoint)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    parameters::channels_of(&api, &app)?;
    let endpoint = place(&endpoint)?;
    let forwarding = api.own_server()?.webhooks.bring_forward(&app, endpoint);
    if forwarding == Forwarding::NoEndpoint {
        return Err(no_endpoint(&app, endpoint));
    }
    let is_made = forwarding == Forwarding::Made;
    // Where the endpoint was away, calls of several nodes wait for it.
    let (answers, _) = other_nodes::have_done::<ResentByOther>(&api, scope, &uri).await;
    let mut nodes: Vec<String> = api.node.name().into_iter().filter(|_| is_made).collect();
    nodes.extend(answers.into_iter().flatten().flat_map(|other| other.nodes));
    if !is_made && nodes.is_empty() {
        return Err(InternalError::new(StatusCode::CONFLICT, NOTHING_WAITS));
    }
    Ok(json(&Resent { app, endpoint, batch: None, nodes }))
}

pub(super) async fn resend_given_up(
    State(api): State<Arc<InternalApi>>,
    Path((app, endpoint, batch)): Path<(String, String, String)>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    parameters::channels_of(&api, &app)?;
    let endpoint = place(&endpoint)?;
    let text = match api.own_server()?.webhooks.resend(&app, endpoint, &batch) {
        Resending::Queued => {
            let nodes = api.node.name().into_iter().collect();
            return Ok(json(&Resent { app, endpoint, batch: Some(batch), nodes }));
        }
        Resending::NoEndpoint => return Err(no_endpoint(&app, endpoint)),
        Resending::UnderWay => "this call is being sent again already",
        Resending::TakenBefore => {
            "the endpoint took this call when it was sent again; it is not sent a second time"
        }
        Resending::TooLarge => {
            "this call is larger than 1 MB, so its body is not kept: the back end has to read the state again"
        }
        Resending::NotKept => {
            let (answers, _) = other_nodes::have_done::<ResentByOther>(&api, scope, &uri).await;
            return of_others(answers.into_iter().flatten().collect(), app, endpoint, batch);
        }
    };
    Err(InternalError::new(StatusCode::CONFLICT, text))
}

/// One node has the call, or none has.
fn of_others(
    answers: Vec<ResentByOther>,
    app: String,
    endpoint: usize,
    batch: String,
) -> Result<Response, InternalError> {
    let nodes: Vec<String> = answers.iter().flat_map(|answer| answer.nodes.clone()).collect();
    if !nodes.is_empty() {
        return Ok(json(&Resent { app, endpoint, batch: Some(batch), nodes }));
    }
    let errors = answers.into_iter().filter_map(|answer| answer.error);
    match errors.into_iter().find(|error| error != NOT_KEPT) {
        Some(error) => Err(InternalError::new(StatusCode::CONFLICT, error)),
        None => Err(InternalError::new(StatusCode::NOT_FOUND, NOT_KEPT)),
    }
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
