//! What the resources of the API share.

use std::sync::Arc;

use super::login_throttle::LoginThrottle;
use crate::app::Secret;
use crate::config::{InternalConfig, PayloadView};
use crate::node::Node;

/// What the resources of the API share.
pub struct InternalApi {
    pub(super) node: Arc<Node>,
    pub(super) token: Option<Secret>,
    /// What a viewer may see of the data of events at most.
    pub(super) payloads: PayloadView,
    pub(super) throttle: LoginThrottle,
}

impl InternalApi {
    /// The API of a node.
    pub fn new(node: Arc<Node>, config: &InternalConfig) -> Self {
        let (token, payloads) = (config.token.clone(), config.payloads);
        Self { node, token, payloads, throttle: LoginThrottle::default() }
    }
}
