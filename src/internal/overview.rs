//! `GET /internal/v1/overview`: the figures of now and what needs attention, of this node, of each other one, and of the
//! cluster as a whole.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer::{InternalError, json};
use super::api::InternalApi;
use super::attention::{Attention, AttentionFacts, attention};
use super::other_nodes::{self, OtherNodes};
use super::parameters;
use crate::build_info;
use crate::metrics::{ErrorCounts, ProcessUsage};
use crate::node::ClusterStatus;
use crate::timeline::Series;

/// Rates are the mean of so many seconds, so that they can be read while they change.
const RATE_SECONDS: u64 = 5;

#[derive(Serialize)]
struct Overview {
    now_ms: u64,
    /// This node first.
    nodes: Vec<NodeOverview>,
    /// The sums over the nodes; of latencies the highest.
    total: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<OtherNodes>,
}

/// What one node says of itself; the others are asked for it.
#[derive(Serialize, Deserialize)]
struct NodeOverview {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    version: String,
    uptime_seconds: u64,
    redis: String,
    figures: Figures,
    attention: Vec<Attention>,
}

/// The answer of another node, as far as it is read here.
#[derive(Deserialize)]
struct OfOther {
    nodes: Vec<NodeOverview>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Figures {
    sockets: u64,
    subscriptions: u64,
    events_in_per_second: f32,
    events_out_per_second: f32,
    bytes_in_per_second: f32,
    bytes_out_per_second: f32,
    /// Of the last minute; absent without an event.
    latency_p50_ms: Option<f64>,
    latency_p99_ms: Option<f64>,
    refusals_per_minute: u64,
    /// All that failed, the refusals included; older nodes do not have it.
    #[serde(default)]
    errors_per_minute: u64,
    /// The same by what failed.
    #[serde(default)]
    errors: ErrorCounts,
    memory_bytes: Option<u64>,
    cpu_cores: Option<f32>,
    redis_p50_ms: Option<f64>,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.sockets += other.sockets;
        self.subscriptions += other.subscriptions;
        self.events_in_per_second += other.events_in_per_second;
        self.events_out_per_second += other.events_out_per_second;
        self.bytes_in_per_second += other.bytes_in_per_second;
        self.bytes_out_per_second += other.bytes_out_per_second;
        self.latency_p50_ms = higher(self.latency_p50_ms, other.latency_p50_ms);
        self.latency_p99_ms = higher(self.latency_p99_ms, other.latency_p99_ms);
        self.refusals_per_minute += other.refusals_per_minute;
        self.errors_per_minute += other.errors_per_minute;
        self.errors += other.errors;
        self.memory_bytes =
            self.memory_bytes.into_iter().chain(other.memory_bytes).reduce(|a, b| a + b);
        self.cpu_cores = self.cpu_cores.into_iter().chain(other.cpu_cores).reduce(|a, b| a + b);
        self.redis_p50_ms = higher(self.redis_p50_ms, other.redis_p50_ms);
    }
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

pub(super) async fn show(
    State(api): State<Arc<InternalApi>>,
    uri: Uri,
) -> Result<Response, InternalError> {
    let scope = parameters::scope_alone(&uri)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut nodes = vec![api.overview(now)];
    let (others, other_nodes) = other_nodes::ask::<OfOther>(&api, scope, &uri).await;
    let mut others: Vec<_> = others.into_iter().flatten().flat_map(|other| other.nodes).collect();
    others.sort_by(|one, other| one.node.cmp(&other.node));
    nodes.extend(others);
    let mut total = Figures::default();
    nodes.iter().for_each(|node| total.add(&node.figures));
    let now_ms = u64::try_from(now.as_millis()).unwrap_or_default();
    Ok(json(&Overview { now_ms, nodes, total, other_nodes }))
}

impl InternalApi {
    fn overview(&self, now: Duration) -> NodeOverview {
        let metrics = self.node.metrics();
        let (totals, minute) = (metrics.apps.totals(), self.timeline.last_minute());
        let rate = |series| self.timeline.recent(series, RATE_SECONDS).unwrap_or_default();
        let redis = match self.node.cluster_status() {
            ClusterStatus::Off => "off",
            ClusterStatus::Connected { .. } => "connected",
            ClusterStatus::Degraded { .. } => "away",
        };
        let figures = Figures {
            sockets: totals.sockets,
            subscriptions: totals.subscriptions,
            events_in_per_second: rate(Series::EventsIn),
            events_out_per_second: rate(Series::EventsOut),
            bytes_in_per_second: rate(Series::BytesIn),
            bytes_out_per_second: rate(Series::BytesOut),
            latency_p50_ms: minute.latency.quantile_ms(0.5),
            latency_p99_ms: minute.latency.quantile_ms(0.99),
            refusals_per_minute: minute.errors.refused,
            errors_per_minute: minute.errors.total(),
            errors: minute.errors,
            memory_bytes: ProcessUsage::take().map(|usage| usage.resident_bytes),
            cpu_cores: self.timeline.recent(Series::Cpu, RATE_SECONDS),
            redis_p50_ms: minute.redis.quantile_ms(0.5),
        };
        let partitions = self.node.cluster().map(|all| all.all()).unwrap_or_default();
        let away = partitions.iter().filter(|cluster| !cluster.is_connected()).count();
        let attention = attention(&AttentionFacts {
            unix_time: now,
            conditions: self.timeline.conditions(),
            minute,
            nodes: self.timeline.nodes(),
            partitions: (away, partitions.len()),
            certificate_ends_seconds: metrics.tls.certificate_expiry_timestamp_seconds.get(),
        });
        NodeOverview {
            node: self.node.name(),
            version: build_info::VERSION.to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            redis: redis.to_owned(),
            figures,
            attention,
        }
    }
}
