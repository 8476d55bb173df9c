//! What is counted of webhooks: events, calls by result, and what waits.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;

use super::declare::{Gauge, Label, metrics};
use super::histogram::Histogram;

type Seconds = gauge::Gauge<f64, AtomicU64>;

metrics! {
    /// The metrics of webhooks.
    pub struct WebhookMetrics in "webhook_" {
        /// Events webhook endpoints took
        pub events_sent: Counter,
        /// Events that will not reach their endpoint
        pub events_lost: Counter,
        /// Events that were lost, and that an endpoint took when an operator had them sent again
        pub events_resent: Counter,
        /// Webhook calls that failed
        pub attempts_failed: Counter,
        /// Webhook calls, by app and result
        calls: Family<CallLabels, Counter>,
        /// Webhook calls, by app, place of the endpoint in the configuration and result
        endpoint_calls: Family<EndpointLabels, Counter>,
        /// The time from a webhook call to its answer
        call_duration_seconds: Histogram,
        /// Events that wait for the endpoints of an app
        queue_events: Family<Label<String>, Gauge>,
        /// The age of the oldest event that waits for an endpoint of an app or is being sent
        oldest_event_age_seconds: Family<Label<String>, Seconds>,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    app: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    app: String,
    endpoint: usize,
    result: &'static str,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// The endpoint took the events.
    Taken,
    /// It answered with this status, which is not 2xx.
    Status(u16),
    /// Redis answered with an error.
    Refused,
    /// There was no connection or no answer in time.
    TimedOut,
    /// There was no connection, or none without a fault.
    NoAnswer,
}

impl CallResult {
    /// One of each name.
    const EACH: [Self; 6] = [
        Self::Taken,
        Self::Status(301),
        Self::Status(401),
        Self::Status(500),
        Self::TimedOut,
        Self::NoAnswer,
    ];

    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Status(300..400) => "redirect",
            Self::Status(400..500) => "client_error",
            Self::Status(_) | Self::Refused => "server_error",
            Self::TimedOut => "timed_out",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl WebhookMetrics {
    /// Exposes the series of an app before its first call.
    pub fn expose(&self, app: &str) {
        for result in CallResult::EACH {
            let labels = CallLabels { app: app.to_owned(), result: result.label() };
            self.calls.get_or_create_owned(&labels);
        }
        self.set_backlog(app, 0, Duration::ZERO);
    }

    /// Exposes the series of an endpoint before its first call.
    pub fn expose_endpoint(&self, app: &str, endpoint: usize) {
        for result in CallResult::EACH {
            self.of_endpoint(app, endpoint, result);
        }
    }

    fn of_endpoint(&self, app: &str, endpoint: usize, result: CallResult) -> Counter {
        let (app, result) = (app.to_owned(), result.label());
        self.endpoint_calls.get_or_create_owned(&EndpointLabels { app, endpoint, result })
    }

    /// How many calls of an endpoint had which result.
    pub fn results_of(&self, app: &str, endpoint: usize) -> BTreeMap<&'static str, u64> {
        let count = |result: CallResult| self.of_endpoint(app, endpoint, result).get();
        CallResult::EACH.into_iter().map(|result| (result.label(), count(result))).collect()
    }

    /// Counts events of a call that was given up, and taken when it was sent again.
    pub fn taken_again(&self, events: u64) {
        self.events_sent.inc_by(events);
        self.events_resent.inc_by(events);
    }

    /// Counts a call of the endpoint at this place.
    pub fn called(&self, app: &str, endpoint: usize, result: CallResult, duration: Duration) {
        let labels = CallLabels { app: app.to_owned(), result: result.label() };
        self.calls.get_or_create(&labels).inc();
        self.of_endpoint(app, endpoint, result).inc();
        self.call_duration_seconds.observe(duration);
        if result != CallResult::Taken {
            self.attempts_failed.inc();
        }
    }

    /// Sets what waits for the endpoints of an app.
    pub fn set_backlog(&self, app: &str, events: usize, oldest: Duration) {
        let label = [("app", app.to_owned())];
        self.queue_events.get_or_create(&label).set(events as u64);
        self.oldest_event_age_seconds.get_or_create(&label).set(oldest.as_secs_f64());
    }
}
