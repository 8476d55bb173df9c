//! What the resources of the API share.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::access::Access;
use super::answer::InternalError;
use super::login_throttle::LoginThrottle;
use super::own_server::OwnServer;
use super::server_checks::ServerChecks;
use crate::app::Secret;
use crate::config::{Config, InternalConfig, PayloadView};
use crate::console;
use crate::node::Node;
use crate::timeline::Timeline;

/// Clients that are shown to operators at once: each has a descriptor and a socket.
pub(super) const MAX_CLIENTS: usize = 16;

/// What the resources of the API share.
pub struct InternalApi {
    pub(super) node: Arc<Node>,
    /// Replaced by a reload.
    pub(super) access: ArcSwap<Access>,
    /// The token of this process, where only the development app is served and none is configured.
    made_token: Option<Secret>,
    /// What a viewer may see of the data of events at most.
    pub(super) payloads: PayloadView,
    pub(super) throttle: LoginThrottle,
    /// Permits of clients that are shown to operators.
    pub(super) clients: Arc<Semaphore>,
    own_server: OnceLock<OwnServer>,
    checks: OnceLock<Arc<dyn ServerChecks>>,
    /// The permit of the one run of them.
    pub(super) checking: Arc<Semaphore>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) started: Instant,
}

impl InternalApi {
    /// The API of a node. A server without apps makes a token where none is configured.
    pub fn new(node: Arc<Node>, config: &Config) -> Self {
        let is_made = config.development.is_some() && config.internal.token.is_none();
        let made_token = is_made.then(|| Secret::new(&hex::encode(rand::random::<[u8; 16]>())));
        let access = ArcSwap::from_pointee(Access::new(&config.internal, made_token.as_ref()));
        let (payloads, throttle) = (config.internal.payloads, LoginThrottle::default());
        let (clients, own_server) = (Arc::new(Semaphore::new(MAX_CLIENTS)), OnceLock::new());
        let (checks, checking) = (OnceLock::new(), Arc::new(Semaphore::new(1)));
        let (timeline, started) = (Arc::default(), Instant::now());
        Self {
            node,
            access,
            made_token,
            payloads,
            throttle,
            clients,
            own_server,
            checks,
            checking,
            timeline,
            started,
        }
    }

    /// What is shown of the last minutes, to be filled once a second.
    pub fn timeline(&self) -> Arc<Timeline> {
        self.timeline.clone()
    }

    /// Replaces the tokens and the names by which the listener may be called.
    pub fn apply(&self, config: &InternalConfig) {
        self.access.store(Arc::new(Access::new(config, self.made_token.as_ref())));
    }

    /// Where the console is, below an address of the listener; with the token that was made here. `None` while it is
    /// off.
    pub fn console_path(&self) -> Option<String> {
        let token = self.made_token.as_ref().map(Secret::reveal);
        let fragment = token.map(|token| format!("#token={token}")).unwrap_or_default();
        self.access.load().has_token().then(|| format!("{}{fragment}", console::PATH))
    }

    /// The public side of this server, for what operators do there. To be called once.
    pub fn set_own_server(&self, server: OwnServer) {
        let _ = self.own_server.set(server);
    }

    /// The checks that operators may have made. To be called once.
    pub fn set_checks(&self, checks: Arc<dyn ServerChecks>) {
        let _ = self.checks.set(checks);
    }

    pub(super) fn checks(&self) -> Result<Arc<dyn ServerChecks>, InternalError> {
        self.checks.get().cloned().ok_or_else(|| {
            let text = "this process has no checks of itself; run resound doctor beside it";
            InternalError::new(StatusCode::CONFLICT, text)
        })
    }

    pub(super) fn own_server(&self) -> Result<&OwnServer, InternalError> {
        self.own_server.get().ok_or_else(|| {
            let text = "this listener has no server whose sockets and HTTP API it could use";
            InternalError::new(StatusCode::CONFLICT, text)
        })
    }
}
