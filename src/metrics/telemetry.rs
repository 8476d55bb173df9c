//! What became of the spans of traces.

use prometheus_client::metrics::counter::Counter;

use super::declare::metrics;

metrics! {
    /// The metrics of traces; they stay zero where traces are off.
    pub struct TelemetryMetrics in "" {
        /// Spans that the collector took
        pub trace_spans_exported: Counter,
        /// Spans that were not sent, since too many waited or the collector did not take them
        pub trace_spans_dropped: Counter,
    }
}
