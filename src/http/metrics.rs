//! `GET /metrics` in the format that the request accepts, for a listener of its own, since the metrics are
//! not public.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::{ExpositionFormat, Metrics};

/// The routes of the metrics listener.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    let show = move |headers: HeaderMap| async move {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let format = ExpositionFormat::of_accept(accept.unwrap_or_default());
        let content_type = [(header::CONTENT_TYPE, format.content_type())];
        (content_type, format.of(metrics.text())).into_response()
    };
    Router::new().route("/metrics", get(show))
}
