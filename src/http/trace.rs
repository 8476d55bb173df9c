//! Traces of the routes that trigger: the `traceparent` of a request in, its status out.
//!
//! Routes are wrapped only where traces are on, so that they cost nothing where they are off. Which
//! requests are traced, and their spans, is left to [`telemetry`](crate::telemetry).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;

use super::api::Api;
use super::route::Route;
use crate::telemetry::Telemetry;

/// The handler of a route, traced if traces are on.
pub(super) fn traced(
    api: &Api,
    route: Route,
    handler: MethodRouter<Arc<Api>>,
) -> MethodRouter<Arc<Api>> {
    match &api.telemetry {
        Some(telemetry) => handler.layer(from_fn_with_state((telemetry.clone(), route), record)),
        None => handler,
    }
}

async fn record(
    State((telemetry, route)): State<(Arc<Telemetry>, Route)>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let Some(trace) = telemetry.begin(traceparent) else { return next.run(request).await };
    let trace = Arc::new(trace);
    request.extensions_mut().insert(trace.clone());
    let answer = next.run(request).await;
    trace.end(route, answer.status().as_u16());
    answer
}
