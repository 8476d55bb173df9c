//! The state that all endpoints share.

use std::sync::Arc;

use crate::config::HttpConfig;
use crate::node::Node;
use crate::telemetry::Telemetry;

/// The state of every endpoint.
pub struct Api {
    pub(super) node: Arc<Node>,
    pub(super) prefix: Arc<str>,
    pub(super) limits: HttpConfig,
    /// `None` where traces are off.
    pub(super) telemetry: Option<Arc<Telemetry>>,
}

impl Api {
    /// The API of a node, mounted below `prefix`.
    pub fn new(node: Arc<Node>, prefix: Arc<str>, limits: HttpConfig) -> Self {
        Self { node, prefix, limits, telemetry: None }
    }

    /// Traces triggers from now on.
    pub fn with_telemetry(self, telemetry: Option<Arc<Telemetry>>) -> Self {
        Self { telemetry, ..self }
    }

    /// The path without the prefix, which a proxy may have removed already.
    pub(super) fn strip_prefix<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(&*self.prefix).unwrap_or(path)
    }
}
