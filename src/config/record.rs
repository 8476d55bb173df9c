//! `[record]`: what the server keeps of events for end-to-end tests.

use super::error::ConfigError;
use super::values::Values;

/// The bounds of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordConfig {
    /// Triggers and deliveries that are kept.
    pub events: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl RecordConfig {
    /// `None` is off.
    pub(super) fn read(values: Values<'_>) -> Result<Option<Self>, ConfigError> {
        let events = values.at("record.events").number(1..=1_000_000)?;
        let bytes = values.at("record.bytes").bytes()?;
        Ok(values.at("record.enabled").truth().then_some(Self { events, bytes }))
    }
}
