//! What is counted of the HTTP API: requests by route and status, and how long they take.

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
}

impl ApiMetrics {
    /// Exposes the series of a route before its first request.
    pub fn expose(&self, route: &'static str) {
        self.requests.get_or_create_owned(&AnswerLabels { route, status: 200 });
        self.request_duration_seconds.get_or_create_owned(&[("route", route)]);
    }

    /// Counts an answer.
    pub fn answered(&self, route: &'static str, status: u16, duration: Duration) {
        self.requests.get_or_create(&AnswerLabels { route, status }).inc();
        self.request_duration_seconds.get_or_create(&[("route", route)]).observe(duration);
    }
}
