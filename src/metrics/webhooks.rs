//! What is counted of webhooks.

use prometheus_client::metrics::counter::Counter;

use super::declare::metrics;

metrics! {
    /// The metrics of webhooks.
    pub struct WebhookMetrics in "webhook_" {
        /// Events webhook endpoints took
        pub events_sent: Counter,
        /// Events that will not reach their endpoint
        pub events_lost: Counter,
        /// Webhook calls that failed
        pub attempts_failed: Counter,
    }
}
