//! `GET /up` and `GET /ready`, unsigned: the liveness and readiness probes of orchestrators.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::api::Api;
use super::json_response::{field_response, json_response};
use crate::node::{Availability, ClusterStatus};

#[derive(Serialize)]
struct ReadyResponse<D> {
    ready: bool,
    cluster: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disagreements: Vec<D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptors: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// `GET /up`: Laravel's health check, and a liveness probe. It answers OK during a drain too: after a
/// failed probe the process would be killed before its sockets are closed.
pub(super) async fn up() -> Response {
    field_response("health", "OK")
}

/// `GET /ready`: a readiness probe, with the state of the cluster.
///
/// A node without Redis is ready, since it serves its own sockets; otherwise an outage of Redis would
/// take every node out of the load balancer. A node without descriptors for sockets is not, since it
/// refuses the next one and another node may accept it. Nor is a draining node, so that load balancers
/// send new connections to other nodes.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Response {
    let (cluster, nodes, disagreements) = match api.node.cluster_status() {
        ClusterStatus::Off => ("off", None, Vec::new()),
        ClusterStatus::Degraded => ("degraded", None, Vec::new()),
        ClusterStatus::Connected { nodes, disagreements } => {
            ("connected", Some(nodes), disagreements)
        }
    };
    let (descriptors, reason) = if api.stopping.is_cancelled() {
        (None, Some("the server is stopping"))
    } else {
        match api.node.availability(Instant::now()) {
            Availability::Ample => (None, None),
            Availability::Low => (Some("low"), None),
            Availability::Exhausted => (
                Some("exhausted"),
                Some(
                    "no file descriptors are left for more sockets: raise the limit of open files",
                ),
            ),
        }
    };
    let ready = reason.is_none();
    let response = ReadyResponse { ready, cluster, nodes, disagreements, descriptors, reason };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json_response(&response)).into_response()
}
