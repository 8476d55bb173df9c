//! Makes the acceptor of each listener from what all of them share: limits, routes, the tracker of
//! connections.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::acceptor::Acceptor;
use super::connection_tracker::ConnectionTracker;
use super::descriptors::{self, DescriptorBudget};
use super::http_connection::HttpContext;
use super::rejection_log::RejectionLog;
use crate::config::{Config, WebSocketConfig};
use crate::http::{self, Api};
use crate::node::Node;
use crate::websocket::WebSocketEndpoint;

/// What the listeners of one server share.
pub(super) struct Acceptors {
    /// Without a WebSocket endpoint, which each worker has of its own.
    context: HttpContext,
    websocket: WebSocketConfig,
    reserved_descriptors: usize,
    tracker: Arc<Mutex<ConnectionTracker>>,
}

impl Acceptors {
    pub(super) fn new(config: &Config, node: &Arc<Node>, stopping: &CancellationToken) -> Self {
        let prefix: Arc<str> = config.server.path.as_str().into();
        let api = Api::new(node.clone(), prefix.clone(), config.http, stopping.clone());
        let context = HttpContext {
            router: http::router(api),
            prefix,
            websocket: None,
            limits: Arc::new(config.http),
            rejections: Arc::new(RejectionLog::new(node.metrics().clone())),
            node: node.clone(),
            stopping: stopping.clone(),
        };
        http::ROUTES.iter().for_each(|route| node.metrics().api.expose(route));
        let webhook_endpoints = config.apps.iter().map(|app| app.webhooks.len()).sum();
        let reserved_descriptors = descriptors::reserved(config.server.workers, webhook_endpoints);
        let tracker =
            Arc::new(Mutex::new(ConnectionTracker::new(config.http.max_pending_connections)));
        Self { context, websocket: config.websocket, reserved_descriptors, tracker }
    }

    /// The acceptor of the worker that runs this shard.
    pub(super) fn for_worker(
        &self,
        shard: usize,
        tasks: &TaskTracker,
        closed: &CancellationToken,
    ) -> Acceptor {
        let (node, stopping) = (self.context.node.clone(), self.context.stopping.clone());
        let endpoint = WebSocketEndpoint::new(
            node,
            shard,
            self.context.prefix.clone(),
            self.websocket,
            stopping,
        );
        let context = HttpContext { websocket: Some(Arc::new(endpoint)), ..self.context.clone() };
        self.acceptor(context, tasks, closed)
    }

    /// The acceptor of the metrics listener, which accepts until the process ends.
    pub(super) fn for_metrics(&self) -> Acceptor {
        let router = http::metrics_router(self.context.node.metrics().clone());
        let context = HttpContext { router, ..self.context.clone() };
        self.acceptor(context, &TaskTracker::new(), &CancellationToken::new())
    }

    fn acceptor(
        &self,
        context: HttpContext,
        tasks: &TaskTracker,
        closed: &CancellationToken,
    ) -> Acceptor {
        Acceptor {
            context: Arc::new(context),
            tracker: self.tracker.clone(),
            tasks: tasks.clone(),
            closed: closed.clone(),
        }
    }

    pub(super) fn rejections(&self) -> &Arc<RejectionLog> {
        &self.context.rejections
    }

    /// Splits `limit` descriptors between sockets and HTTP; returns how many sockets may be open.
    pub(super) fn share_descriptors(&self, limit: usize) -> usize {
        let DescriptorBudget { http, sockets } =
            DescriptorBudget::new(limit, self.reserved_descriptors);
        self.tracker.lock().set_max_open(http);
        self.context.node.capacity().set_max(sockets);
        self.context.node.metrics().sockets.connections_limit.set(sockets as u64);
        sockets
    }
}
