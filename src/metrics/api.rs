//! What is counted of the HTTP API: requests by route and status, and how long they take.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::declare::{Label, metrics};
use super::histogram::Histogram;

metrics! {
    /// The metrics of the HTTP API.
    pub struct ApiMetrics in "api_" {
        /// HTTP API answers, by route and status; other is any path that is no route
        requests: Family<AnswerLabels, Counter>,
        /// The time from the head of a request to its answer, by route
        request_duration_seconds: Family<Label<&'static str>, Histogram>,
    }
}

/// The status of most answers.
const OK: u16 = 200;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
}

/// The series of one route, looked up once: an answer is counted without hashing its labels.
#[derive(Debug, Clone)]
struct RouteSeries {
    route: &'static str,
    ok: Counter,
    duration: Histogram,
}

/// The series of all routes, which are exposed before the first request.
#[derive(Debug, Clone)]
pub struct AnswerCounters {
    routes: Arc<[RouteSeries]>,
    requests: Family<AnswerLabels, Counter>,
}

impl ApiMetrics {
    /// The counters of these routes. Those that are answered most come first.
    pub fn of_routes(&self, routes: &[&'static str]) -> AnswerCounters {
        let series = |&route: &&'static str| RouteSeries {
            route,
            ok: self.requests.get_or_create_owned(&AnswerLabels { route, status: OK }),
            duration: self.request_duration_seconds.get_or_create_owned(&[("route", route)]),
        };
        let routes = routes.iter().map(series).collect();
        AnswerCounters { routes, requests: self.requests.clone() }
    }
}

impl AnswerCounters {
    /// Counts an answer on one of the routes.
    pub fn answered(&self, route: &'static str, status: u16, duration: Duration) {
        let Some(series) = self.routes.iter().find(|series| series.route == route) else { return };
        series.duration.observe(duration);
        if status == OK {
            series.ok.inc();
        } else {
            self.requests.get_or_create(&AnswerLabels { route, status }).inc();
        }
    }
}
