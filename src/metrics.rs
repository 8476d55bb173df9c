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
    connections_max: Gauge,
    opened: Counter,
    closed: Family<Closed, Counter>,
    refused: Family<Code, Counter>,
    slow_readers: Counter,
    flooding: Counter,
    write_failures: Counter,
    received: Counter,
    delivered: Counter,
    delivered_bytes: Counter,
    refused_subscriptions: Counter,
    rejected_messages: Counter,
    rejected_connections: Family<Reason, Counter>,
    api_requests: Family<Status, Counter>,
    triggered: Counter,
    oversized: Counter,
    webhook_sent: Counter,
    webhook_lost: Counter,
    webhook_failed: Counter,
    /// Of the link to other nodes.
    pub cluster: ClusterMetrics,
}

/// How a socket that was greeted ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The server closed it.
    Server(CloseCode),
    /// The client sent a close frame, with this code or with none.
    Client(Option<u16>),
    /// The connection ended without a close frame.
    Network,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    by: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("resound"),
            connections: Gauge::default(),
            connections_max: Gauge::default(),
            opened: Counter::default(),
            closed: Family::default(),
            refused: Family::default(),
            slow_readers: Counter::default(),
            flooding: Counter::default(),
            write_failures: Counter::default(),
            received: Counter::default(),
            delivered: Counter::default(),
            delivered_bytes: Counter::default(),
            refused_subscriptions: Counter::default(),
            rejected_messages: Counter::default(),
            rejected_connections: Family::default(),
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
            "Sockets that were greeted and have ended, by the side that ended them (server, client, or network: no close frame) and the code; opened is open plus closed",
            self.closed.clone(),
        );
        let refused = self.refused.clone();
        r.register("connections_refused", "Handshakes answered with a close code", refused);
        r.register(
            "slow_readers_closed",
            "Sockets closed because what was published to them outgrew the outbox, or because they took nothing for websocket.write_timeout_seconds",
            self.slow_readers.clone(),
        );
        let flooding = self.flooding.clone();
        r.register(
            "flooding_clients_closed",
            "Sockets closed because of a flood of messages",
            flooding,
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
        self.register_entrance();
    }

    fn register_entrance(&mut self) {
        let (most, rejected) = (self.connections_max.clone(), self.rejected_connections.clone());
        let r = &mut self.registry;
        r.register("connections_max", "Sockets the limit of open files has room for", most);
        r.register(
            "connections_rejected",
            "Connections on which no request or handshake was served, by reason",
            rejected,
        );
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

    /// A socket that was greeted has ended; once for each.
    pub fn closed(&self, ending: Ending) {
        match ending {
            Ending::Server(CloseCode::TooSlow) => drop(self.slow_readers.inc()),
            Ending::Server(CloseCode::Flooding) => drop(self.flooding.inc()),
            _ => {}
        }
        let (by, code) = match ending {
            Ending::Server(code) => ("server", code.code().to_string()),
            // A client chooses its code: only what browsers and SDKs send has a series.
            Ending::Client(Some(code @ (1000 | 1001))) => ("client", code.to_string()),
            Ending::Client(Some(_)) => ("client", "other".to_owned()),
            Ending::Client(None) => ("client", "1005".to_owned()),
            Ending::Network => ("network", "1006".to_owned()),
        };
        self.closed.get_or_create(&Closed { by, code }).inc();
    }

    /// A handshake was answered with a close code.
    pub fn refused(&self, code: CloseCode) {
        self.refused.get_or_create(&Code { code: code.code() }).inc();
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

    /// So many sockets may be open.
    pub fn connections_bounded(&self, most: usize) {
        self.connections_max.set(most as i64);
    }

    /// A connection ended without a request being served.
    pub fn connection_rejected(&self, reason: &'static str) {
        self.rejected_connections.get_or_create(&Reason { reason }).inc();
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
    use super::{CloseCode, Ending, Metrics};

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.opened();
        metrics.closed(Ending::Server(CloseCode::TooSlow));
        metrics.closed(Ending::Client(None));
        metrics.closed(Ending::Client(Some(4711)));
        metrics.closed(Ending::Network);
        metrics.refused(CloseCode::ApplicationDoesNotExist);
        metrics.delivered(3, 30);
        let text = metrics.text();
        for line in [
            "resound_connections 1\n",
            "resound_connections_closed_total{by=\"server\",code=\"4100\"} 1\n",
            "resound_connections_closed_total{by=\"client\",code=\"1005\"} 1\n",
            "resound_connections_closed_total{by=\"client\",code=\"other\"} 1\n",
            "resound_connections_closed_total{by=\"network\",code=\"1006\"} 1\n",
            "resound_connections_refused_total{code=\"4001\"} 1\n",
            "resound_messages_delivered_total 3\n",
            "resound_delivered_bytes_total 30\n",
            "resound_slow_readers_closed_total 1\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
