//! The figures of a run for programs, as JSON; `bench` documents the fields.
//!
//! Owns their names. Integers only, and the unit is the last word of a name.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::histogram_chart::buckets;
use super::metric::{Metric, Unit};
use super::options::Kind;
use super::outcome::Outcome;

/// The figures of a run as one JSON object and a newline.
pub fn json(outcome: &Outcome) -> String {
    let figures = serde_json::to_string_pretty(&Figures::of(outcome));
    figures.expect("numbers and plain text serialize") + "\n"
}

#[derive(Debug, Serialize)]
struct Figures<'a> {
    targets: &'a [String],
    connections: usize,
    channels: usize,
    kind: &'static str,
    payload_bytes: usize,
    deflated_sockets: usize,
    connect_ns: Option<Spread>,
    connect_total_ns: u64,
    elapsed_ns: u64,
    published: u64,
    expected: u64,
    delivered: u64,
    lost: u64,
    disordered: u64,
    deliveries_per_second: u64,
    received_bytes: u64,
    latency_ns: Option<Spread>,
    latency_buckets: Vec<Step>,
    answer_ns: Option<Spread>,
    lateness_ns: Option<Spread>,
    refused: &'a BTreeMap<u16, u64>,
    unanswered: u64,
    refusal: Option<&'a str>,
    errors: u64,
    error: Option<&'a str>,
    closed: &'a BTreeMap<u16, u64>,
    open_sockets: usize,
    server: Option<Server>,
    client: Option<Client>,
    assertions: Vec<Judged<'a>>,
}

#[derive(Debug, Serialize)]
struct Spread {
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
    mean: u64,
}

#[derive(Debug, Serialize)]
struct Step {
    to_ns: u64,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Server {
    cpu_user_ns: u64,
    cpu_system_ns: u64,
    cpu_per_delivery_ns: Option<u64>,
    cpu_per_connect_ns: Option<u64>,
    rss_bytes: u64,
    memory_per_socket_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Client {
    cpu_ns: u64,
    cpu_per_delivery_ns: Option<u64>,
    cpu_per_connect_ns: Option<u64>,
    cpu_percent: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Judged<'a> {
    expression: &'a str,
    measured: Option<u64>,
    holds: bool,
}

impl<'a> Figures<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let (options, measures) = (&outcome.options, &outcome.measures);
        let whole = |metric| outcome.value(metric).map(|value| value.round() as u64);
        Self {
            targets: &outcome.targets,
            connections: options.connections,
            channels: options.channels,
            kind: match options.kind {
                Kind::Public => "public",
                Kind::Private => "private",
                Kind::Presence => "presence",
            },
            payload_bytes: options.payload,
            deflated_sockets: outcome.deflated,
            connect_ns: Spread::of(&outcome.connects),
            connect_total_ns: outcome.connected_in.as_nanos() as u64,
            elapsed_ns: measures.elapsed.as_nanos() as u64,
            published: measures.published,
            expected: measures.expected,
            delivered: measures.delivered,
            lost: measures.lost(),
            disordered: measures.disordered,
            deliveries_per_second: measures.rate().round() as u64,
            received_bytes: measures.received_bytes,
            latency_ns: Spread::of(&measures.latency),
            latency_buckets: buckets(&measures.latency)
                .into_iter()
                .map(|bucket| Step { to_ns: bucket.to_ns, count: bucket.count })
                .collect(),
            answer_ns: Spread::of(&measures.answers),
            lateness_ns: Spread::of(&measures.lateness),
            refused: &measures.refused,
            unanswered: measures.unanswered,
            refusal: measures.refusal.as_deref(),
            errors: measures.errors,
            error: measures.error.as_deref(),
            closed: &measures.closed,
            open_sockets: measures.open,
            server: measures.server.map(|server| Server {
                cpu_user_ns: server.user.as_nanos() as u64,
                cpu_system_ns: server.system.as_nanos() as u64,
                cpu_per_delivery_ns: whole(Metric::CpuPerDelivery),
                cpu_per_connect_ns: whole(Metric::CpuPerConnect),
                rss_bytes: server.rss_bytes,
                memory_per_socket_bytes: whole(Metric::MemoryPerSocket),
            }),
            client: measures.client.map(|client| Client {
                cpu_ns: client.cpu().as_nanos() as u64,
                cpu_per_delivery_ns: measures
                    .client_cpu_per_delivery()
                    .map(|cpu| cpu.as_nanos() as u64),
                cpu_per_connect_ns: outcome
                    .client_cpu_per_connect()
                    .map(|cpu| cpu.as_nanos() as u64),
                cpu_percent: outcome
                    .value(Metric::ClientCpu)
                    .map(|share| (share * 100.0).round() as u64),
            }),
            assertions: judged(outcome),
        }
    }
}

fn judged(outcome: &Outcome) -> Vec<Judged<'_>> {
    let judge = |assertion: &'_ super::assertion::Assertion| {
        let value = outcome.value(assertion.metric);
        // Parts of one would all be 0.
        let factor = if assertion.metric.unit() == Unit::Share { 1e6 } else { 1.0 };
        let measured = value.map(|value| (value * factor).round() as u64);
        (measured, value.is_some_and(|value| assertion.holds(value)))
    };
    let one = |assertion| {
        let (measured, holds) = judge(assertion);
        Judged { expression: &assertion.expression, measured, holds }
    };
    outcome.assertions.iter().map(one).collect()
}

impl Spread {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |value| histogram.value_at_quantile(value);
        (!histogram.is_empty()).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max(),
            mean: histogram.mean().round() as u64,
        })
    }
}
