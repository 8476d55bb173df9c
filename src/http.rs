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
mod auth_body;
mod auth_endpoint;
mod body;
mod channels;
mod cross_origin;
mod encoding;
mod events;
mod explained;
mod health;
mod info;
mod json_response;
mod metrics;
mod not_found;
mod publishing;
mod refused_app;
mod route;
mod signed;
mod trace;
mod users;

pub use api::Api;
pub use api_error::ApiErrorText;
pub use auth_endpoint::{AuthEndpoint, AuthRoute};
pub use metrics::{metrics_router, probes_router};
pub use refused_app::refused_app;
pub use route::{ROUTES, SOCKET, route_of};
pub use signed::OriginalPath;

use api_error::ApiError;
use trace::traced;

/// All routes, and the answers 404 and 405 to any other request.
pub fn router(api: &Arc<Api>) -> Router {
    let at = |path: &str| format!("{}{path}", api.prefix);
    let routes = public_routes(api)
        .route(&at(route::EVENTS), traced(api, route::EVENTS, post(events::trigger)))
        .route(
            &at(route::BATCH_EVENTS),
            traced(api, route::BATCH_EVENTS, post(events::trigger_batch)),
        )
        .route(&at(route::CHANNELS), get(channels::list))
        .route(&at(route::CHANNEL), get(channels::show))
        .route(&at(route::CHANNEL_USERS), get(users::list))
        .route(
            &at(route::CHANNEL_EVENTS),
            traced(api, route::CHANNEL_EVENTS, post(events::trigger_one)),
        )
        .route(&at(route::CHANNEL_STATS), get(channels::show))
        .route(&at(route::CONNECTIONS), get(users::connections))
        .route(&at(route::TERMINATE), post(users::terminate));
    let routes = routes.method_not_allowed_fallback(method_not_allowed);
    routes.fallback(not_found).with_state(api.clone())
}

/// The routes of an address that the HTTP API is not served at, since `http.listen` has one for it.
pub fn router_without_api(api: &Arc<Api>) -> Router {
    let routes = public_routes(api).method_not_allowed_fallback(method_not_allowed);
    routes.fallback(api_elsewhere).with_state(api.clone())
}

/// What needs no signature.
fn public_routes(api: &Api) -> Router<Arc<Api>> {
    let at = |path: &str| format!("{}{path}", api.prefix);
    let routes = Router::new()
        .route("/", get(introduction))
        .route(&at(route::LIVE), get(health::live))
        .route(&at(route::UP), get(health::live))
        .route(&at(route::READY), get(ready))
        .route(&at(SOCKET), get(upgrade_required));
    if api.prefix.is_empty() { routes } else { routes.route(&api.prefix, get(introduction)) }
}

/// What this is, for a person who opens the address in a browser.
async fn introduction(State(api): State<Arc<Api>>) -> String {
    let prefix = &api.prefix;
    format!(
        "This is Resound, a WebSocket server for the Pusher protocol: sockets connect to {prefix}/app/{{key}}, back ends publish at {prefix}/apps/{{app_id}}/events.\n"
    )
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    health::ready(&api.node)
}

async fn upgrade_required() -> Response {
    let text = "This is a WebSocket endpoint: the request has no \"Upgrade: websocket\" header. If a proxy is in front, it must pass Upgrade and Connection on (Nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; Apache: upgrade=websocket at ProxyPass).";
    (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")], text).into_response()
}

async fn not_found(State(api): State<Arc<Api>>, uri: Uri) -> ApiError {
    ApiError::not_found(not_found::message(&api.prefix, uri.path()))
}

async fn api_elsewhere(State(api): State<Arc<Api>>, uri: Uri) -> ApiError {
    ApiError::not_found(match uri.path().contains("/apps/") {
        true => "The HTTP API is not served at this address, since http.listen (RESOUND_HTTP_LISTEN) gives it another one: point the back end there (REVERB_HOST and REVERB_PORT in its .env), or take http.listen out".to_owned(),
        false => not_found::message(&api.prefix, uri.path()),
    })
}

async fn method_not_allowed(method: Method, request: Request<Body>) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed on {path:?}"))
}
