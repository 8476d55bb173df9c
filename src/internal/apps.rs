//! `GET /internal/v1/apps`: the ids of the apps that are served, by which other resources name them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::answer::json;
use super::api::InternalApi;

#[derive(Serialize)]
struct ServedIds {
    apps: Vec<String>,
}

pub(super) async fn show(State(api): State<Arc<InternalApi>>) -> Response {
    json(&ServedIds { apps: api.node.app_ids() })
}
