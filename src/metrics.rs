//! What the process counts, and its Prometheus text.
//!
//! One value per server, handed down to whoever counts. No label ever comes from a client: a
//! series per channel or user would be memory that a client controls.

use std::fmt::Write;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::protocol::CloseCode;

mod cluster;

pub use cluster::ClusterMetrics;

/// All counters and gauges of one server.
pub struct Metrics {
    registry: Registry,
    connections: Gauge,
    opened: Counter,
    closed: Family<Code, Counter>,
    slow_readers: Counter,
    write_failures: Counter,
    received: Counter,
    delivered: Counter,
    delivered_bytes: Counter,
    refused_subscriptions: Counter,
    rejected_messages: Counter,
    api_requests: Family<Status, Counter>,
    triggered: Counter,
    oversized: Counter,
    webhook_sent: Counter,
    webhook_lost: Counter,
    webhook_failed: Counter,
    /// Of the link to other nodes.
    pub cluster: ClusterMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("resound"),
            connections: Gauge::default(),
            opened: Counter::default(),
            closed: Family::default(),
            slow_readers: Counter::default(),
            write_failures: Counter::default(),
            received: Counter::default(),
            delivered: Counter::default(),
            delivered_bytes: Counter::default(),
            refused_subscriptions: Counter::default(),
            rejected_messages: Counter::default(),
            api_requests: Family::default(),
            triggered: Counter::default(),
            oversized: Counter::default(),
            webhook_sent: Counter::default(),
            webhook_lost: Counter::default(),
            webhook_failed: Counter::default(),
            cluster: ClusterMetrics::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("connections", "Sockets open now", self.connections.clone());
        r.register("connections_opened", "Sockets that were greeted", self.opened.clone());
        r.register(
            "connections_closed",
            "Sockets the server closed, by close code",
            self.closed.clone(),
        );
        r.register(
            "slow_readers_closed",
            "Sockets closed because their outbox was full",
            self.slow_readers.clone(),
        );
        r.register(
            "write_failures",
            "Sockets whose peer was gone while writing",
            self.write_failures.clone(),
        );
        r.register("messages_received", "Text messages of clients", self.received.clone());
        r.register(
            "messages_delivered",
            "Channel messages handed to sockets",
            self.delivered.clone(),
        );
        let bytes = self.delivered_bytes.clone();
        r.register_with_unit(
            "delivered",
            "Bytes of channel messages handed to sockets",
            Unit::Bytes,
            bytes,
        );
        let refused = self.refused_subscriptions.clone();
        r.register("subscriptions_refused", "Subscriptions answered with an error", refused);
        r.register(
            "messages_rejected",
            "Client messages answered with an error",
            self.rejected_messages.clone(),
        );
        r.register("api_requests", "HTTP API answers, by status", self.api_requests.clone());
        r.register(
            "events_triggered",
            "Events the HTTP API accepted, one per channel",
            self.triggered.clone(),
        );
        let oversized = self.oversized.clone();
        r.register("events_oversized", "Events above the size hosted Pusher refuses", oversized);
        let sent = self.webhook_sent.clone();
        r.register("webhook_events_sent", "Events webhook endpoints took", sent);
        let lost = self.webhook_lost.clone();
        r.register("webhook_events_lost", "Events that will not reach their endpoint", lost);
        let failed = self.webhook_failed.clone();
        r.register("webhook_attempts_failed", "Webhook calls that failed", failed);
        self.cluster.register(r);
    }

    /// A socket was greeted.
    pub fn opened(&self) {
        self.opened.inc();
        self.connections.inc();
    }

    /// A socket that was greeted is gone.
    pub fn gone(&self) {
        self.connections.dec();
    }

    /// The server closed a socket, or refused it at the door.
    pub fn closed(&self, code: CloseCode) {
        self.closed.get_or_create(&Code { code: code.code() }).inc();
    }

    /// A socket did not keep up and is closed.
    pub fn slow_reader_closed(&self) {
        self.slow_readers.inc();
    }

    /// How many sockets were closed because they did not keep up.
    pub fn slow_readers_closed(&self) -> u64 {
        self.slow_readers.get()
    }

    /// A write met a peer that was gone.
    pub fn write_failed(&self) {
        self.write_failures.inc();
    }

    /// A client said something.
    pub fn received(&self) {
        self.received.inc();
    }

    /// One event went to so many sockets, in so many bytes. Called once per shard and event, not
    /// per receiver.
    pub fn delivered(&self, receivers: usize, bytes: usize) {
        self.delivered.inc_by(receivers as u64);
        self.delivered_bytes.inc_by(bytes as u64);
    }

    /// A subscription was not granted.
    pub fn subscription_refused(&self) {
        self.refused_subscriptions.inc();
    }

    /// A client message was answered with an error.
    pub fn message_rejected(&self) {
        self.rejected_messages.inc();
    }

    /// The HTTP API answered.
    pub fn api_answered(&self, status: u16) {
        self.api_requests.get_or_create(&Status { status }).inc();
    }

    /// An event was accepted for one channel.
    pub fn triggered(&self) {
        self.triggered.inc();
    }

    /// An event is larger than hosted Pusher would take.
    pub fn oversized(&self) {
        self.oversized.inc();
    }

    /// So many events reached a webhook endpoint.
    pub fn webhook_events_sent(&self, events: usize) {
        self.webhook_sent.inc_by(events as u64);
    }

    /// So many events will never reach theirs.
    pub fn webhook_events_lost(&self, events: usize) {
        self.webhook_lost.inc_by(events as u64);
    }

    /// A call to an endpoint failed; it may be tried again.
    pub fn webhook_attempt_failed(&self) {
        self.webhook_failed.inc();
    }

    /// The exposition text of all of it (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        if text::encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# EOF");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, Metrics};

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.opened();
        metrics.closed(CloseCode::TooSlow);
        metrics.delivered(3, 30);
        let text = metrics.text();
        for line in [
            "resound_connections 1\n",
            "resound_connections_closed_total{code=\"4100\"} 1\n",
            "resound_messages_delivered_total 3\n",
            "resound_delivered_bytes_total 30\n",
            "resound_slow_readers_closed_total 0\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
