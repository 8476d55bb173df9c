//! Requests for authorization, between their connection and the endpoint: which they are, the limit on an
//! address, and who asks.
//!
//! The answers are those of `http`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;

use super::client::Client;
use crate::channel_auth::{AuthCaller, ChannelAuth};
use crate::config::{AdmissionConfig, Config};
use crate::http::{ApiErrorText, AuthEndpoint, AuthRoute};
use crate::metrics::Metrics;
use crate::websocket::Admission;

/// What the connections of all listeners share for them.
pub(super) struct AuthRequests {
    endpoint: AuthEndpoint,
    /// Of requests, where that of the sockets counts handshakes.
    admission: Admission,
    metrics: Arc<Metrics>,
}

impl AuthRequests {
    pub(super) fn new(auth: Arc<ChannelAuth>, config: &Config, metrics: Arc<Metrics>) -> Self {
        let limits = AdmissionConfig {
            sockets_per_address: None,
            handshakes_per_address: config.admission.auth_requests_per_address,
            handshakes: None,
            ..config.admission
        };
        let prefix = config.server.path.as_str().into();
        Self {
            endpoint: AuthEndpoint::new(auth, prefix, config.http),
            admission: Admission::new(limits, Instant::now()),
            metrics,
        }
    }

    /// What a path of this route is for, if it is one for authorization.
    pub(super) fn route(&self, route: &'static str, path: &str) -> Option<AuthRoute> {
        self.endpoint.route(route, path)
    }

    /// The answer to a request of such a path.
    pub(super) async fn answer(
        &self,
        route: AuthRoute,
        request: Request<Body>,
        client: Client,
    ) -> Response<Body> {
        let address = client.address();
        if self.admission.admit(address, Instant::now()).is_err() {
            self.metrics.sockets.limit_hit(LIMIT);
            return too_many();
        }
        let caller = AuthCaller { address, is_local: client.is_local(request.headers()) };
        self.endpoint.answer(route, request, caller).await
    }
}

const LIMIT: &str = "server.max_auth_requests_per_address_per_second";

fn too_many() -> Response<Body> {
    let text = "Too many requests a second for authorization from this address (server.max_auth_requests_per_address_per_second)";
    let mut answer = (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], text).into_response();
    answer.extensions_mut().insert(ApiErrorText(text.to_owned()));
    answer
}
