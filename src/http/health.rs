//! `GET /live`, `/up` and `/ready`, unsigned: the liveness and readiness probes of orchestrators.
//!
//! Which conditions hold is recorded by the rooms in which they arise.

use std::time::Instant;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::json_response::{field_response, json_response};
use crate::metrics::{Condition, Severity};
use crate::node::{ClusterStatus, Node, RedisAway};

#[derive(Serialize)]
struct ReadyResponse<D> {
    ready: bool,
    cluster: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<u32>,
    /// By number; only where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    partitions_away: Vec<u32>,
    /// Where the links of these lead to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redis_away: Vec<Away>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disagreements: Vec<D>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Away {
    address: String,
    partitions: Vec<u32>,
}

/// Why a server is not ready, or ready and not whole.
#[derive(Serialize)]
struct Reason {
    condition: &'static str,
    severity: &'static str,
    text: &'static str,
}

impl From<Condition> for Reason {
    fn from(condition: Condition) -> Self {
        let severity = match condition.severity() {
            Severity::Unready => "unready",
            Severity::Degraded => "degraded",
        };
        Self { condition: condition.label(), severity, text: condition.text() }
    }
}

/// `GET /live` and Laravel's `GET /up`: a liveness probe. It answers OK during a drain too: after a failed
/// probe the process would be killed before its sockets are closed.
pub(super) async fn live() -> Response {
    field_response("health", "OK")
}

/// `GET /ready`: a readiness probe, with the state of the cluster and the reasons for what is missing.
///
/// A node without Redis is ready, since it serves its own sockets; otherwise an outage of Redis would
/// take every node out of the load balancer. A node without descriptors for sockets is not, since it
/// refuses the next one and another node may accept it. Nor is a draining node, so that load balancers
/// send new connections to other nodes.
pub(super) fn ready(node: &Node) -> Response {
    node.check_descriptors(Instant::now());
    let (cluster, nodes, disagreements, redis_away) = match node.cluster_status() {
        ClusterStatus::Off => ("off", None, Vec::new(), Vec::new()),
        ClusterStatus::Degraded { partitions: 1, .. } => ("degraded", None, Vec::new(), Vec::new()),
        ClusterStatus::Degraded { away, nodes, .. } => ("degraded", nodes, Vec::new(), away),
        ClusterStatus::Connected { nodes, disagreements } => {
            ("connected", Some(nodes), disagreements, Vec::new())
        }
    };
    let mut partitions_away: Vec<u32> =
        redis_away.iter().flat_map(|away| away.partitions.clone()).collect();
    partitions_away.sort_unstable();
    let away = |RedisAway { address, partitions }| Away { address, partitions };
    let redis_away = redis_away.into_iter().map(away).collect();
    let conditions: Vec<_> = node.metrics().process.condition.current().collect();
    let ready = !conditions.iter().any(|condition| condition.severity() == Severity::Unready);
    let reasons = conditions.into_iter().map(Reason::from).collect();
    let response = ReadyResponse {
        ready,
        cluster,
        nodes,
        partitions_away,
        redis_away,
        disagreements,
        reasons,
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json_response(&response)).into_response()
}
