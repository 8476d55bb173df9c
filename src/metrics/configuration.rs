//! What is recorded of the configuration: whether the last one that was read is in use, and since when.

use super::declare::{Gauge, metrics};

metrics! {
    /// The metrics of the configuration, with the names that Prometheus has for its own.
    pub struct ConfigurationMetrics in "config_" {
        /// 1 unless the last reload was refused
        pub last_reload_successful: Gauge,
        /// When the configuration in use was read, in Unix time
        pub last_reload_timestamp_seconds: Gauge,
    }
}
