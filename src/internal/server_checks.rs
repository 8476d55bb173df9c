//! The checks that a server makes of itself, as this room runs them.
//!
//! Owns what may be asked for, and the form of a result. The checks themselves come from the program: they look at the
//! server from outside, so they belong to a room that depends on it.

use serde::Deserialize;

/// What is looked at beside the server itself; each may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChecksRequest {
    /// The id of the app whose events make the round trip; the first one of the configuration.
    pub app: Option<String>,
    /// Where browsers reach the server.
    pub url: Option<String>,
    /// The origin of the application's pages.
    pub origin: Option<String>,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecksReport {
    /// As `resound doctor --json` prints it.
    pub json: String,
    /// As `resound doctor` prints it.
    pub text: String,
}

/// The checks that a server makes of itself.
pub trait ServerChecks: Send + Sync {
    /// Blocks for ten seconds at most. An error is a sentence about what of the request cannot be used.
    fn run(&self, request: &ChecksRequest) -> Result<ChecksReport, String>;
}
