//! What is counted of channels whose events have a pace.

use prometheus_client::metrics::counter::Counter;

use super::declare::{Gauge, metrics};

metrics! {
    /// The metrics of conflation and spread.
    pub struct PacingMetrics in "pacing_" {
        /// Events that were not delivered because a later one of their name was
        pub events_conflated: Counter,
        /// Events that were delivered to one subscriber after the other
        pub events_spread: Counter,
        /// Events that wait for their time, of all channels
        pub events_waiting: Gauge,
    }
}
