//! The counters and gauges of one server, and their exposition in the Prometheus text format.
//!
//! Each metric is declared once: the field is its name, the doc comment its help text. No label
//! ever comes from a client: a series per channel or user would be memory that a client controls.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::protocol::CloseCode;

/// A value that rises and falls, never below zero.
pub type Gauge = gauge::Gauge<u64, AtomicU64>;

/// Declares a struct of metrics and how it is registered, in the order of its fields.
macro_rules! metrics {
    (
        $(#[doc = $doc:literal])*
        pub struct $set:ident {
            $($(#[doc = $help:literal])+ $visibility:vis $name:ident: $metric:ty,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default)]
        pub struct $set {
            $($(#[doc = $help])+ $visibility $name: $metric,)*
        }

        impl $set {
            fn register_all(&self, registry: &mut Registry) {
                $(register(registry, stringify!($name), concat!($($help),+), &self.$name);)*
            }
        }
    };
}

metrics! {
    /// All counters and gauges of one server; those of the cluster stay zero on a single node.
    pub struct Metrics {
        /// Sockets open now
        connections: Gauge,
        /// Sockets that were greeted
        connections_opened: Counter,
        /// Sockets that were greeted and have ended, by the side that ended them (server, client,
        /// or network: no close frame) and the code; opened is open plus closed
        connections_closed: Family<CloseLabels, Counter>,
        /// Handshakes answered with a close code
        handshakes_refused: Family<Label<u16>, Counter>,
        /// Sockets closed because what was published to them outgrew the outbox, or because they
        /// took nothing for websocket.write_timeout_seconds
        slow_readers_closed: Counter,
        /// Sockets closed because of a flood of messages
        flooding_clients_closed: Counter,
        /// Sockets whose peer was gone while writing
        pub write_failures: Counter,
        /// Text messages of clients
        pub messages_received: Counter,
        /// Channel messages handed to sockets
        pub messages_delivered: Counter,
        /// Bytes of channel messages handed to sockets
        pub delivered_bytes: Counter,
        /// Subscriptions answered with an error
        pub subscriptions_refused: Counter,
        /// Client messages answered with an error
        pub messages_rejected: Counter,
        /// HTTP API answers, by status
        api_requests: Family<Label<u16>, Counter>,
        /// Events the HTTP API accepted, one per channel
        pub events_triggered: Counter,
        /// Events above the size hosted Pusher refuses
        pub events_oversized: Counter,
        /// Events webhook endpoints took
        pub webhook_events_sent: Counter,
        /// Events that will not reach their endpoint
        pub webhook_events_lost: Counter,
        /// Webhook calls that failed
        pub webhook_attempts_failed: Counter,
        /// Sockets that the limit of open files allows
        pub connections_limit: Gauge,
        /// Connections on which no request or handshake was served, by reason
        connections_rejected: Family<Label<&'static str>, Counter>,
        /// 1 while the link to Redis is up
        pub cluster_connected: Gauge,
        /// Times the link to Redis was lost
        pub cluster_links_lost: Counter,
        /// Nodes with a current heartbeat in Redis
        pub cluster_nodes: Gauge,
        /// Requests to Redis that are not answered yet
        pub cluster_pending_requests: Gauge,
        /// Events of other nodes that were lost on the way
        pub cluster_events_missed: Counter,
        /// Times a channel may have lost events, which cannot be counted
        pub cluster_possible_gaps: Counter,
        /// Events of this node that may not have reached the others
        pub cluster_events_not_replicated: Counter,
        /// Settings in which other nodes on this Redis differ: apps, keys, secrets, transport, format
        pub cluster_disagreements: Gauge,
        /// Messages on this cluster's topics that were dropped as invalid, by reason
        cluster_invalid_messages: Family<Label<&'static str>, Counter>,
    }
}

/// The name and the value of a single label.
type Label<V> = [(&'static str, V); 1];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    by: &'static str,
    code: String,
}

/// The side that ended an open socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The server closed it.
    Server(CloseCode),
    /// The client sent a close frame, with this code or with none.
    Client(Option<u16>),
    /// The connection ended without a close frame.
    Network,
}

impl Metrics {
    /// Counts a socket from `pusher:connection_established` on.
    pub fn socket_opened(&self) {
        self.connections_opened.inc();
        self.connections.inc();
    }

    /// Counts an open socket's end; once for each.
    pub fn socket_closed(&self, by: ClosedBy) {
        match by {
            ClosedBy::Server(CloseCode::TooSlow) => self.slow_readers_closed.inc(),
            ClosedBy::Server(CloseCode::Flooding) => self.flooding_clients_closed.inc(),
            _ => 0,
        };
        let (by, code) = match by {
            ClosedBy::Server(code) => ("server", code.code().to_string()),
            // A client chooses its code: only what browsers and SDKs send has a series.
            ClosedBy::Client(Some(code @ (1000 | 1001))) => ("client", code.to_string()),
            ClosedBy::Client(Some(_)) => ("client", "other".to_owned()),
            ClosedBy::Client(None) => ("client", "1005".to_owned()),
            ClosedBy::Network => ("network", "1006".to_owned()),
        };
        self.connections_closed.get_or_create(&CloseLabels { by, code }).inc();
    }

    /// Takes a socket out of those that are open now, once nothing more is read from it.
    pub fn socket_released(&self) {
        self.connections.dec();
    }

    /// Counts a handshake that was answered with a close code.
    pub fn handshake_refused(&self, code: CloseCode) {
        self.handshakes_refused.get_or_create(&[("code", code.code())]).inc();
    }

    /// Counts a connection on which no request or handshake was served.
    pub fn connection_rejected(&self, reason: &'static str) {
        self.connections_rejected.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts an answer of the HTTP API.
    pub fn api_answered(&self, status: u16) {
        self.api_requests.get_or_create(&[("status", status)]).inc();
    }

    /// Counts a message on a topic of the cluster that was dropped.
    pub fn cluster_message_dropped(&self, reason: &'static str) {
        self.cluster_invalid_messages.get_or_create(&[("reason", reason)]).inc();
    }

    /// All metrics in the text format of OpenMetrics 1.0.
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("resound");
        self.register_all(&mut registry);
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }
}

/// Registers a clone of a metric, which shares its value. A name that ends in `_bytes` has that unit.
fn register(registry: &mut Registry, name: &str, help: &str, metric: &(impl Metric + Clone)) {
    let (help, metric) = (help.trim_start(), metric.clone());
    match name.strip_suffix("_bytes") {
        Some(stem) => registry.register_with_unit(stem, help, Unit::Bytes, metric),
        None => registry.register(name, help, metric),
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, ClosedBy, Metrics};

    #[test]
    fn each_count_appears_in_the_exposition() {
        let metrics = Metrics::default();
        metrics.socket_opened();
        metrics.socket_closed(ClosedBy::Server(CloseCode::TooSlow));
        metrics.socket_closed(ClosedBy::Client(None));
        metrics.socket_closed(ClosedBy::Client(Some(4711)));
        metrics.socket_closed(ClosedBy::Network);
        metrics.handshake_refused(CloseCode::ApplicationDoesNotExist);
        metrics.messages_delivered.inc_by(3);
        metrics.delivered_bytes.inc_by(30);
        let text = metrics.text();
        for line in [
            "resound_connections 1\n",
            "resound_connections_closed_total{by=\"server\",code=\"4100\"} 1\n",
            "resound_connections_closed_total{by=\"client\",code=\"1005\"} 1\n",
            "resound_connections_closed_total{by=\"client\",code=\"other\"} 1\n",
            "resound_connections_closed_total{by=\"network\",code=\"1006\"} 1\n",
            "resound_handshakes_refused_total{code=\"4001\"} 1\n",
            "resound_messages_delivered_total 3\n",
            "resound_delivered_bytes_total 30\n",
            "resound_slow_readers_closed_total 1\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
