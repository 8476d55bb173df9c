//! What every listener of a server has in common: limits, routes, and the places for connections.

use std::sync::Arc;

use axum::Router;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::accept::{Entrance, HeadLimits};
use super::descriptors::{Budget, Needs};
use super::pace::Pace;
use super::pending::Pending;
use super::rejected::Rejected;
use crate::config::Config;
use crate::http::{self, Api, BodyLimits};
use crate::node::Node;
use crate::websocket::{ConnectionLimits, WebSocketEndpoint};

/// Makes the entrance of each listener.
pub(super) struct Entrances {
    node: Arc<Node>,
    prefix: Arc<str>,
    router: Router,
    head: HeadLimits,
    connection: ConnectionLimits,
    needs: Needs,
    pending: Arc<Mutex<Pending>>,
    rejected: Arc<Rejected>,
    stopping: CancellationToken,
}

impl Entrances {
    pub(super) fn new(config: &Config, node: &Arc<Node>, stopping: &CancellationToken) -> Self {
        let prefix: Arc<str> = config.server.path.as_str().into();
        let body =
            BodyLimits { bytes: config.http.max_body_bytes, timeout: config.http.body_timeout };
        let router = http::router(Api::new(node.clone(), prefix.clone(), body, stopping.clone()));
        let connection = ConnectionLimits {
            fragments: config.websocket.max_fragments,
            message_timeout: config.websocket.message_timeout,
            write_timeout: config.websocket.write_timeout,
            close_timeout: config.websocket.close_timeout,
            deflate: config.websocket.deflate,
        };
        let head = HeadLimits {
            bytes: config.http.max_header_bytes,
            fields: config.http.max_headers,
            pace: Pace {
                head: config.http.header_timeout,
                idle: config.http.idle_timeout,
                write: config.http.body_timeout,
            },
        };
        let endpoints = config.apps.iter().map(|app| app.webhooks.len()).sum();
        let needs = Needs { workers: config.server.workers, endpoints };
        let pending = Arc::new(Mutex::new(Pending::new(config.http.max_pending_connections)));
        let rejected = Arc::new(Rejected::new(node.metrics().clone()));
        let (node, stopping) = (node.clone(), stopping.clone());
        Self { node, prefix, router, head, connection, needs, pending, rejected, stopping }
    }

    /// The entrance of the worker that runs this shard.
    pub(super) fn of_worker(&self, shard: usize) -> Entrance {
        let (node, prefix) = (self.node.clone(), self.prefix.clone());
        let door =
            WebSocketEndpoint::new(node, shard, prefix, self.connection, self.stopping.clone());
        self.entrance(self.router.clone(), Some(Arc::new(door)))
    }

    /// The entrance of the listener for metrics.
    pub(super) fn of_metrics(&self) -> Entrance {
        self.entrance(http::metrics_router(self.node.metrics().clone()), None)
    }

    fn entrance(&self, router: Router, door: Option<Arc<WebSocketEndpoint>>) -> Entrance {
        Entrance {
            router,
            door,
            limits: self.head,
            pending: self.pending.clone(),
            rejected: self.rejected.clone(),
            node: self.node.clone(),
            stopping: self.stopping.clone(),
        }
    }

    /// What is rejected at any of them.
    pub(super) fn rejected(&self) -> &Arc<Rejected> {
        &self.rejected
    }

    /// Shares `limit` descriptors out among sockets and HTTP; returns how many sockets there may be.
    pub(super) fn share(&self, limit: usize) -> usize {
        let Budget { http, sockets } = Budget::of(limit, self.needs);
        self.pending.lock().bound(http);
        self.node.room().bound(sockets);
        self.node.metrics().connections_limit.set(sockets as u64);
        sockets
    }
}
