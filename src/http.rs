//! The HTTP API for back ends, the health checks, and the metrics endpoint.
//!
//! One file per group of endpoints. [`signed::SignedRequest`] checks the signature before a handler
//! runs and before any of the body is read. WebSockets belong to `websocket`, the listeners to
//! `server`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

mod body;
mod channels;
mod encoding;
mod events;
mod metrics;
mod info;
mod not_found;
mod api_error;
mod signed;
mod users;

pub use api_error::ApiErrorText;
pub use metrics::metrics_router;
pub use signed::OriginalPath;

use crate::node::{Node, Standing, Vacancy};
use api_error::ApiError;

/// Bounds of one request, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes of a body.
    pub bytes: usize,
    /// Time for a body to arrive; each received KiB extends it by a second.
    pub timeout: Duration,
}

/// The state of every endpoint.
pub struct Api {
    node: Arc<Node>,
    prefix: Arc<str>,
    body: BodyLimits,
    stopping: CancellationToken,
}

impl Api {
    /// The API of a node, mounted below `prefix`. Once `stopping` is cancelled, `/ready` answers 503.
    pub fn new(
        node: Arc<Node>,
        prefix: Arc<str>,
        body: BodyLimits,
        stopping: CancellationToken,
    ) -> Self {
        Self { node, prefix, body, stopping }
    }

    /// The path without the prefix, which a proxy may have removed already.
    fn strip_prefix<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(&*self.prefix).unwrap_or(path)
    }
}

/// All routes, and the answers 404 and 405 to any other request.
pub fn router(api: Api) -> Router {
    let at = |path: &str| format!("{}{path}", api.prefix);
    Router::new()
        .route(&at("/up"), get(health))
        .route(&at("/ready"), get(ready))
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

/// `GET /up`, unsigned: Laravel's health check, and the liveness probe of orchestrators. It answers OK
/// during a drain too: after a failed probe the process would be killed before its sockets are closed.
async fn health() -> Response {
    json("{\"health\":\"OK\"}".to_owned())
}

/// `GET /ready`, unsigned: the readiness probe, with the state of the cluster.
///
/// A node without Redis is ready, since it serves its own sockets; otherwise an outage of Redis would
/// take every node out of the load balancer. A node without descriptors for sockets is not, since it
/// refuses the next one and another node may accept it. Nor is a draining node, so that load balancers
/// send new connections to other nodes.
async fn ready(State(api): State<Arc<Api>>) -> Response {
    let cluster = match api.node.standing() {
        Standing::Alone => r#""cluster":"off""#.to_owned(),
        Standing::Degraded => r#""cluster":"degraded""#.to_owned(),
        Standing::Connected { nodes, disagreements } => {
            let named = match disagreements.is_empty() {
                true => String::new(),
                false => format!(r#","disagreements":{}"#, text_of(&disagreements)),
            };
            format!(r#""cluster":"connected","nodes":{nodes}{named}"#)
        }
    };
    if api.stopping.is_cancelled() {
        let text = format!(r#"{{"ready":false,{cluster},"reason":"the server is stopping"}}"#);
        return (StatusCode::SERVICE_UNAVAILABLE, json(text)).into_response();
    }
    match api.node.vacancy(Instant::now()) {
        Vacancy::Free => json(format!(r#"{{"ready":true,{cluster}}}"#)),
        Vacancy::Low => json(format!(r#"{{"ready":true,{cluster},"descriptors":"low"}}"#)),
        Vacancy::Full => {
            let reason =
                "no file descriptors are left for more sockets: raise the limit of open files";
            let text = format!(
                r#"{{"ready":false,{cluster},"descriptors":"exhausted","reason":"{reason}"}}"#
            );
            (StatusCode::SERVICE_UNAVAILABLE, json(text)).into_response()
        }
    }
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

/// A 200 with a JSON body.
fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A 200 with `value` as JSON.
fn json_of(value: &impl serde::Serialize) -> Response {
    json(text_of(value))
}

fn text_of(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("answers are maps with text keys")
}
