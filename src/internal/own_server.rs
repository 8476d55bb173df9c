//! The public side of this server, as an operator uses it through the API: its HTTP API, and an address of its sockets.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tower::ServiceExt;

use crate::probe::ProbeRoute;
use crate::webhook::Webhooks;

/// The public side of this server.
#[derive(Clone)]
pub struct OwnServer {
    /// The HTTP API of back ends.
    pub http_api: Router,
    /// The path in front of it.
    pub prefix: Arc<str>,
    /// `server.hostname`.
    pub hostname: Option<String>,
    /// Where sockets connect to; `None` if no address has a port.
    pub sockets: Option<ProbeRoute>,
    /// What is sent to back ends.
    pub webhooks: Arc<Webhooks>,
}

impl OwnServer {
    /// The answer of the HTTP API to a request of a back end.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response {
        let Ok(answer) = self.http_api.clone().oneshot(request).await;
        answer
    }
}
