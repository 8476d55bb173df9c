//! What one server counts, and its exposition in the text formats of Prometheus.
//!
//! Each metric is declared once: the field is its name, the doc comment its help text ([`declare`]). No label
//! ever comes from a client: a series per channel or user would be memory that a client controls.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

mod api;
mod apps;
mod channel_auth;
mod cluster;
mod conditions;
mod configuration;
mod declare;
mod delivery;
mod errors;
mod exposition;
mod histogram;
mod pacing;
mod per_worker;
mod process;
mod redis_input;
mod sockets;
mod telemetry;
mod tls;
mod webhooks;

pub use api::{AnswerCounters, ApiMetrics};
pub use apps::{AppFamilies, AppMetrics, AppTotals};
pub use channel_auth::{AuthResult, ChannelAuthMetrics};
pub use cluster::{ClusterMetrics, PartitionCounter, PartitionGauge, PartitionMetrics};
pub use conditions::{Condition, Conditions, Severity};
pub use configuration::ConfigurationMetrics;
pub use declare::Gauge;
pub use delivery::{DeliveryMetrics, ReadMetrics, ShardMetrics};
pub use errors::ErrorCounts;
pub use exposition::ExpositionFormat;
pub use histogram::{Histogram, HistogramCounts};
pub use pacing::PacingMetrics;
pub use per_worker::{PerWorker, Summed};
pub use process::{BusyWorkers, ProcessMetrics, ProcessUsage, open_descriptors};
pub use redis_input::{InputFamilies, InputMetrics, RefusedMessages};
pub use sockets::{ClosedBy, SocketMetrics};
pub use telemetry::TelemetryMetrics;
pub use tls::TlsMetrics;
pub use webhooks::{CallResult, WebhookMetrics};

use process::ProcessCollector;

/// All metrics of one server, by subject; those of the cluster stay zero on a single node.
pub struct Metrics {
    /// By app.
    pub apps: AppFamilies,
    /// Ends and refusals of sockets.
    pub sockets: SocketMetrics,
    /// Bytes and messages, and their delay.
    pub delivery: DeliveryMetrics,
    /// The HTTP API.
    pub api: ApiMetrics,
    /// Authorization of subscriptions and sign-ins.
    pub channel_auth: ChannelAuthMetrics,
    /// TLS.
    pub tls: TlsMetrics,
    /// Webhooks.
    pub webhooks: WebhookMetrics,
    /// The pace of events.
    pub pacing: PacingMetrics,
    /// Several nodes.
    pub cluster: ClusterMetrics,
    /// Inputs in Redis.
    pub redis_input: InputFamilies,
    /// Traces.
    pub telemetry: TelemetryMetrics,
    /// The configuration.
    pub configuration: ConfigurationMetrics,
    /// The process and what keeps it from being ready.
    pub process: ProcessMetrics,
    readings: Mutex<Vec<Arc<Reading>>>,
}

/// Sets gauges to what they are now.
type Reading = dyn Fn(&Metrics) + Send + Sync;

impl Default for Metrics {
    fn default() -> Self {
        let sockets = SocketMetrics::default();
        sockets.expose();
        let tls = TlsMetrics::default();
        tls.expose();
        let (apps, delivery, api, channel_auth, webhooks, pacing) = Default::default();
        let (cluster, telemetry, configuration, process, readings) = Default::default();
        let redis_input = InputFamilies::default();
        redis_input.expose();
        Self {
            apps,
            sockets,
            delivery,
            api,
            channel_auth,
            tls,
            webhooks,
            pacing,
            cluster,
            redis_input,
            telemetry,
            configuration,
            process,
            readings,
        }
    }
}

impl Metrics {
    /// Runs `reading` before each scrape, for what is cheaper to look up then than to keep up to date. It
    /// should hold no `Arc` of these metrics, which would never be freed.
    pub fn before_scrape(&self, reading: impl Fn(&Self) + Send + Sync + 'static) {
        self.readings.lock().push(Arc::new(reading));
    }

    /// All metrics in the text format of OpenMetrics 1.0.
    pub fn text(&self) -> String {
        let readings = self.readings.lock().clone();
        readings.iter().for_each(|reading| reading(self));
        let mut registry = Registry::with_prefix("resound");
        self.apps.register(&mut registry);
        self.sockets.register(&mut registry);
        self.delivery.register(&mut registry);
        self.api.register(&mut registry);
        self.channel_auth.register(&mut registry);
        self.tls.register(&mut registry);
        self.webhooks.register(&mut registry);
        self.pacing.register(&mut registry);
        self.cluster.register(&mut registry);
        self.redis_input.register(&mut registry);
        self.telemetry.register(&mut registry);
        self.configuration.register(&mut registry);
        self.process.register(&mut registry);
        let mut process = Registry::default();
        process.register_collector(Box::new(ProcessCollector));
        let mut text = String::new();
        let written = text::encode_registry(&mut text, &registry)
            .and_then(|()| text::encode(&mut text, &process));
        written.expect("writing to a string does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{ClosedBy, Metrics};
    use crate::protocol::CloseCode;

    #[test]
    fn each_count_appears_in_the_exposition() {
        let metrics = Metrics::default();
        let app = metrics.apps.of("7");
        app.socket_opened();
        metrics.sockets.closed(ClosedBy::Server(CloseCode::TooSlow));
        metrics.sockets.closed(ClosedBy::Client(None));
        metrics.sockets.closed(ClosedBy::Client(Some(4711)));
        metrics.sockets.closed(ClosedBy::Network);
        metrics.sockets.handshake_refused(CloseCode::ApplicationDoesNotExist);
        // Of two shards.
        for shard in [metrics.delivery.for_shard(), metrics.delivery.for_shard()] {
            shard.messages_delivered.inc_by(3);
            shard.delivered_bytes.inc_by(30);
            shard.outbox_bytes.set(7);
        }
        let text = metrics.text();
        for line in [
            "resound_connections{app=\"7\"} 1\n",
            "resound_connections_closed_total{by=\"server\",code=\"4100\",reason=\"too_slow\"} 1\n",
            "resound_connections_closed_total{by=\"client\",code=\"1005\",reason=\"left\"} 1\n",
            "resound_connections_closed_total{by=\"client\",code=\"other\",reason=\"left\"} 1\n",
            "resound_connections_closed_total{by=\"network\",code=\"1006\",reason=\"lost\"} 1\n",
            "resound_handshakes_refused_total{code=\"4001\",reason=\"application_does_not_exist\"} 1\n",
            "resound_messages_delivered_total 6\n",
            "resound_delivered_bytes_total 60\n",
            "resound_outbox_bytes 14\n",
            "resound_slow_readers_closed_total 1\n",
            "resound_condition{condition=\"redis_away\"} 0\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_reading_is_taken_before_each_scrape() {
        let metrics = Metrics::default();
        metrics.before_scrape(|metrics| {
            metrics.cluster.disagreements.inc();
        });
        assert!(metrics.text().contains("resound_cluster_disagreements 1\n"));
        assert!(metrics.text().contains("resound_cluster_disagreements 2\n"));
    }
}
