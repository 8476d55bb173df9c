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
mod route;
mod signed;
mod users;

pub use api::Api;
pub use api_error::ApiErrorText;
pub use metrics::metrics_router;
pub use route::{ROUTES, route_of};
pub use signed::OriginalPath;

use api_error::ApiError;

/// All routes, and the answers 404 and 405 to any other request.
pub fn router(api: Api) -> Router {
    let at = |path: &str| format!("{}{path}", api.prefix);
    Router::new()
        .route(&at(route::UP), get(health::up))
        .route(&at(route::READY), get(health::ready))
        .route(&at(route::SOCKET), get(upgrade_required))
        .route(&at(route::EVENTS), post(events::trigger))
        .route(&at(route::BATCH_EVENTS), post(events::trigger_batch))
        .route(&at(route::CHANNELS), get(channels::list))
        .route(&at(route::CHANNEL), get(channels::show))
        .route(&at(route::CHANNEL_USERS), get(users::list))
        .route(&at(route::CHANNEL_EVENTS), post(events::trigger_one))
        .route(&at(route::CHANNEL_STATS), get(channels::show))
        .route(&at(route::CONNECTIONS), get(users::connections))
        .route(&at(route::TERMINATE), post(users::terminate))
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
