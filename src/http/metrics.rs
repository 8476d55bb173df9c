//! `GET /metrics` in Prometheus' text format, for a listener of its own, since the metrics are not
//! public.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::Metrics;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes of the metrics listener.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    let show = move || async move {
        ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.text()).into_response()
    };
    Router::new().route("/metrics", get(show))
}
