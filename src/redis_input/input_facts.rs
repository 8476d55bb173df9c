//! An input as operators see it: where it leads, whether it is there, what it counted.
//!
//! A value made on request. Who may read it is left to `internal`.

use crate::metrics::InputMetrics;
use crate::redis_connection::LinkFacts;

/// One input as it is now.
#[derive(Debug)]
pub struct InputFacts {
    /// Its kind, as the label of the metrics has it: `laravel` or `reverb`.
    pub input: &'static str,
    /// Its section of the configuration.
    pub section: String,
    /// The app whose events these are; `None` for those of any app.
    pub app: Option<String>,
    /// Its link.
    pub link: LinkFacts,
    /// Topics that it is subscribed to.
    pub topics: u64,
    /// What it counted.
    pub counts: InputMetrics,
}
