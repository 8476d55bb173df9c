//! What an endpoint does now, for those who operate the server: what waits for it, and its last calls.

use std::time::Instant;

use serde::Serialize;

use super::app_webhooks::{AppWebhooks, RunningEndpoint};
use super::past_calls::{PastCall, milliseconds};

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
    /// The last one first.
    calls: Vec<PastCall>,
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
    fn of(endpoint: &RunningEndpoint) -> Self {
        let (backlog, (calls, retry_at)) = (endpoint.queue.backlog(), endpoint.calls.now());
        let now = Instant::now();
        Self {
            url: endpoint.webhook.url.clone(),
            events: endpoint.webhook.events.iter().map(|kind| kind.name()).collect(),
            queue_events: backlog.entries,
            oldest_event_ms: backlog.since.map(|since| milliseconds(now - since)),
            retry_in_ms: retry_at.map(|at| milliseconds(at.saturating_duration_since(now))),
            calls,
        }
    }
}

impl AppWebhooks {
    pub(super) fn endpoint_states(&self) -> Vec<EndpointState> {
        self.endpoints().iter().map(EndpointState::of).collect()
    }

    pub(super) fn bring_forward(&self, index: usize) -> Forwarding {
        match self.endpoints().get(index).map(|endpoint| endpoint.calls.bring_forward()) {
            Some(true) => Forwarding::Made,
            Some(false) => Forwarding::NothingWaits,
            None => Forwarding::NoEndpoint,
        }
    }
}
