//! What an endpoint does now, for those who operate the server: what waits for it, and its last calls.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use super::app_webhooks::{AppWebhooks, RunningEndpoint};
use super::given_up::{GivenUpCall, Resending};
use super::past_calls::{PastCall, milliseconds};
use crate::metrics::Metrics;

/// An endpoint as it is now.
#[derive(Debug, Serialize)]
pub struct EndpointState {
    url: String,
    /// The kinds of events that it takes; empty: all.
    events: Vec<&'static str>,
    /// Events that wait, without those of the call that is being made.
    queue_events: usize,
    /// The age of the oldest event that waits or is being sent.
    oldest_event_ms: Option<u64>,
    /// Until the call that failed last is made again.
    retry_in_ms: Option<u64>,
    /// How many calls had which result, as the metrics count them.
    results: BTreeMap<&'static str, u64>,
    /// The last one first.
    calls: Vec<PastCall>,
    /// Calls that were given up, the last one first.
    given_up: Vec<GivenUpCall>,
}

/// What became of a retry that was to be made at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// It is made now.
    Made,
    /// No call waits for a retry.
    NothingWaits,
    /// The app has no such endpoint.
    NoEndpoint,
}

impl EndpointState {
    fn of(app_id: &str, endpoint: &RunningEndpoint, metrics: &Metrics) -> Self {
        let past = &endpoint.past;
        let (backlog, (calls, retry_at)) = (endpoint.queue.backlog(), past.calls.now());
        let now = Instant::now();
        Self {
            url: endpoint.webhook.url.clone(),
            events: endpoint.webhook.events.iter().map(|kind| kind.name()).collect(),
            queue_events: backlog.entries,
            oldest_event_ms: backlog.since.map(|since| milliseconds(now - since)),
            retry_in_ms: retry_at.map(|at| milliseconds(at.saturating_duration_since(now))),
            results: metrics.webhooks.results_of(app_id, past.place()),
            calls,
            given_up: past.given_up.now(),
        }
    }
}

impl AppWebhooks {
    pub(super) fn endpoint_states(&self, metrics: &Metrics) -> Vec<EndpointState> {
        let (app, endpoints) = (self.app().clone(), self.endpoints());
        endpoints.iter().map(|endpoint| EndpointState::of(&app.id, endpoint, metrics)).collect()
    }

    pub(super) fn resend(&self, index: usize, batch: &str) -> Resending {
        let endpoints = self.endpoints();
        let endpoint = endpoints.get(index);
        endpoint.map_or(Resending::NoEndpoint, |endpoint| endpoint.past.given_up.want(batch))
    }

    pub(super) fn bring_forward(&self, index: usize) -> Forwarding {
        match self.endpoints().get(index).map(|endpoint| endpoint.past.calls.bring_forward()) {
            Some(true) => Forwarding::Made,
            Some(false) => Forwarding::NothingWaits,
            None => Forwarding::NoEndpoint,
        }
    }
}
