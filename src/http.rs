//! The HTTP API for back ends, the health checks, and the metrics endpoint.
//!
//! One file per group of endpoints. [`signed::SignedRequest`] checks the signature before a handler
//! runs and before any of the body is read. WebSockets belong to `websocket`, the listeners to
//! `server`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

mod api;
mod api_error;
mod body;
mod channels;
mod encoding;
mod events;
mod health;
mod info;
mod json_response;
mod metrics;
mod not_found;
mod signed;
mod users;

pub use api::Api;
pub use api_error::ApiErrorText;
pub use metrics::metrics_router;
pub use signed::OriginalPath;

use api_error::ApiError;

/// All routes, and the answers 404 and 405 to any other request.
pub fn router(api: Api) -> Router {
    let at = |path: &str| format!("{}{path}", api.prefix);
    Router::new()
        .route(&at("/up"), get(health::up))
        .route(&at("/ready"), get(health::ready))
        .route(&at("/app/{key}"), get(upgrade_required))
        .route(&at("/apps/{app_id}/events"), post(events::trigger))
        .route(&at("/apps/{app_id}/batch_events"), post(events::trigger_batch))
        .route(&at("/apps/{app_id}/channels"), get(channels::list))
        .route(&at("/apps/{app_id}/channels/{channel}"), get(channels::show))
        .route(&at("/apps/{app_id}/channels/{channel}/users"), get(users::list))
        .route(&at("/apps/{app_id}/channels/{channel}/events"), post(events::trigger_one))
        .route(&at("/apps/{app_id}/channels/{channel}/stats"), get(channels::show))
        .route(&at("/apps/{app_id}/connections"), get(users::connections))
        .route(&at("/apps/{app_id}/users/{user_id}/terminate_connections"), post(users::terminate))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(Arc::new(api))
}

async fn upgrade_required() -> Response {
    let text = "This is a WebSocket endpoint: the request has no \"Upgrade: websocket\" header. If a proxy is in front, it must pass Upgrade and Connection on.";
    (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")], text).into_response()
}

async fn not_found(State(api): State<Arc<Api>>, uri: Uri) -> ApiError {
    ApiError::not_found(not_found::message(&api.prefix, uri.path()))
}

async fn method_not_allowed(method: Method, request: Request<Body>) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed on {path:?}"))
}
