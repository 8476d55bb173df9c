//! What bounds the calls of all endpoints: times, and the addresses they may lead to.

use crate::call_targets::CallTargets;
use crate::config::WebhooksConfig;

/// The bounds of calls.
#[derive(Debug, Clone)]
pub(super) struct CallBounds {
    pub(super) limits: WebhooksConfig,
    /// For endpoints over HTTP; a queue is in a Redis of the operator's own.
    pub(super) targets: CallTargets,
}
