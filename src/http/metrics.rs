//! `GET /metrics` in the format that the request accepts, for a listener of its own, since the metrics are
//! not public. The probes are there too: they answer while the server starts and when its workers are busy.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{health, route};
use crate::metrics::ExpositionFormat;
use crate::node::Node;

/// `/metrics`.
pub fn metrics_router(node: Arc<Node>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(node)
}

/// The probes.
pub fn probes_router(node: Arc<Node>) -> Router {
    Router::new()
        .route(route::LIVE, get(health::live))
        .route(route::UP, get(health::live))
        .route(route::READY, get(async |State(node): State<Arc<Node>>| health::ready(&node)))
        .with_state(node)
}

async fn metrics(State(node): State<Arc<Node>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = ExpositionFormat::of_accept(accept.unwrap_or_default());
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    (content_type, format.of(node.metrics().text())).into_response()
}
