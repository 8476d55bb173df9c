//! Makes the acceptor of each listener from what all of them share: limits, routes, the tracker of
//! connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::acceptor::Acceptor;
use super::auth_requests::AuthRequests;
use super::connection_tracker::ConnectionTracker;
use super::descriptors::{self, DescriptorBudget};
use super::http_connection::HttpContext;
use super::listen::{Audience, SocketFile, WorkerListener};
use super::rejection_log::RejectionLog;
use super::tls_opening::TlsContext;
use crate::app::{App, AuthSettings};
use crate::channel_auth::ChannelAuth;
use crate::config::{Config, ListenAddress};
use crate::http::{self, Api};
use crate::internal::{self, Entrance, InternalApi, OwnServer};
use crate::node::Node;
use crate::probe::{ProbeRoute, ServerUrl, TlsClient};
use crate::stream::StdListener;
use crate::supervision::OwnerSocket;
use crate::telemetry::Telemetry;
use crate::webhook::Webhooks;
use crate::websocket::{Admission, EndpointLimits, Stopping, WebSocketEndpoint};

/// What the listeners of one server share.
pub(super) struct Acceptors {
    /// Without a WebSocket endpoint, which each worker has of its own.
    context: HttpContext,
    /// At the addresses of clients.
    router_of_clients: Router,
    limits: EndpointLimits,
    reserved_descriptors: usize,
    tracker: Arc<Mutex<ConnectionTracker>>,
    tls: Option<TlsContext>,
    internal: Arc<InternalApi>,
}

impl Acceptors {
    pub(super) fn new(
        config: &Config,
        node: &Arc<Node>,
        telemetry: Option<Arc<Telemetry>>,
        stopping: &Stopping,
        tls: Option<TlsContext>,
    ) -> Self {
        let prefix: Arc<str> = config.server.path.as_str().into();
        let api = Api::new(node.clone(), prefix.clone(), config.http).with_telemetry(telemetry);
        let api = Arc::new(api);
        let has_own_api = !config.listen.api.is_empty();
        let context = HttpContext {
            router: http::router(&api),
            prefix,
            websocket: None,
            auth: None,
            limits: Arc::new(config.http),
            proxies: Arc::new(config.proxies.clone()),
            rejections: Arc::new(RejectionLog::new(
                node.metrics().clone(),
                node.observation().clone(),
            )),
            node: node.clone(),
            answers: node.metrics().api.of_routes(&http::ROUTES),
            tls: None,
            stopping: stopping.clone(),
        };
        let admission = Arc::new(Admission::new(config.admission, Instant::now()));
        let limits = EndpointLimits { sockets: config.websocket, admission };
        let calls = |app: &Arc<App>| {
            app.webhooks.len() + app.auth.as_ref().map_or(0, AuthSettings::calls_max)
        };
        let calls = config.apps.iter().map(calls).sum();
        let addresses = config.listen.server.len() + config.listen.api.len();
        let operators = config.internal.listen.len() + usize::from(config.metrics.listen.is_some());
        let workers = config.server.workers;
        let reserved_descriptors = descriptors::reserved(workers, addresses, operators, calls);
        let tracker =
            Arc::new(Mutex::new(ConnectionTracker::new(config.http.max_pending_connections)));
        Self {
            context,
            router_of_clients: if has_own_api {
                http::router_without_api(&api)
            } else {
                http::router(&api)
            },
            limits,
            reserved_descriptors,
            tracker,
            tls,
            internal: Arc::new(InternalApi::new(node.clone(), config)),
        }
    }

    /// Lets operators publish, and see what a client receives at the first of these addresses that has a port.
    pub(super) fn for_operators(
        self,
        addresses: &[ListenAddress],
        webhooks: &Arc<Webhooks>,
        config: &Config,
    ) -> Self {
        let address = addresses.iter().find_map(|address| match address {
            ListenAddress::Ip(address) => Some(*address),
            ListenAddress::Unix { .. } => None,
        });
        let tls = config.tls.as_ref().is_some_and(|tls| tls.required);
        self.internal.set_own_server(OwnServer {
            http_api: self.context.router.clone(),
            prefix: self.context.prefix.clone(),
            hostname: config.server.hostname.clone(),
            sockets: address.and_then(|address| own_route(address, tls, &self.context.prefix)),
            webhooks: webhooks.clone(),
        });
        self
    }

    /// Answers what the other nodes of the cluster ask for their operators.
    pub(super) fn answer_inquiries(&self) -> impl Future<Output = ()> + use<> {
        internal::answer_inquiries(self.internal.clone())
    }

    /// What the internal listener answers from.
    pub(super) fn internal(&self) -> Arc<InternalApi> {
        self.internal.clone()
    }

    /// Serves the endpoints of these apps for authorization too.
    pub(super) fn with_auth(mut self, auth: Arc<ChannelAuth>, config: &Config) -> Self {
        let metrics = self.context.node.metrics().clone();
        self.context.auth = Some(Arc::new(AuthRequests::new(auth, config, metrics)));
        self
    }

    /// The listeners of the worker that runs this shard, each with its acceptor.
    pub(super) fn for_worker(
        &self,
        shard: usize,
        listeners: Vec<WorkerListener>,
        tasks: &TaskTracker,
        closed: &CancellationToken,
    ) -> Vec<(StdListener, Acceptor)> {
        let (node, stopping) = (self.context.node.clone(), self.context.stopping.clone());
        let endpoint = WebSocketEndpoint::new(
            node,
            shard,
            self.context.prefix.clone(),
            self.limits.clone(),
            stopping,
        );
        let context = HttpContext { websocket: Some(Arc::new(endpoint)), ..self.context.clone() };
        let acceptor = |WorkerListener { audience, socket, file }| {
            let router = match audience {
                Audience::Clients => &self.router_of_clients,
                _ => &self.context.router,
            };
            // A unix socket is reached by processes of this machine alone.
            let tls = self.tls.clone().filter(|_| matches!(socket, StdListener::Tcp(_)));
            let context = HttpContext { router: router.clone(), tls, ..context.clone() };
            (socket, self.acceptor(context, file, tasks, closed))
        };
        listeners.into_iter().map(acceptor).collect()
    }

    /// The listeners that no worker has, each with its acceptor, which accepts until the process ends or another one
    /// accepts there.
    pub(super) fn without_workers(
        &self,
        listeners: Vec<WorkerListener>,
    ) -> Vec<(StdListener, Acceptor)> {
        listeners.into_iter().map(|listener| self.without_worker(listener)).collect()
    }

    fn without_worker(&self, listener: WorkerListener) -> (StdListener, Acceptor) {
        let WorkerListener { audience, socket, file } = listener;
        let node = || self.context.node.clone();
        let entrance = match &socket {
            // Without an address it is treated as one that others reach.
            StdListener::Tcp(socket) => socket
                .local_addr()
                .map_or(Entrance::Network, |address| Entrance::of_address(address.ip())),
            StdListener::Unix(_) => Entrance::UnixSocket,
        };
        let router = match audience {
            Audience::Operators => internal::router(&self.internal, entrance),
            _ => http::metrics_router(node()).merge(http::probes_router(node())),
        };
        let context = HttpContext { router, ..self.context.clone() };
        let closed = context.stopping.handed_over.clone();
        (socket, self.acceptor(context, file, &TaskTracker::new(), &closed))
    }

    /// The acceptor of the socket for the user of this process and root.
    pub(super) fn of_owner(&self, listener: OwnerSocket) -> (StdListener, Acceptor) {
        let router = internal::router(&self.internal, Entrance::UnixSocket);
        let context = HttpContext { router, ..self.context.clone() };
        let closed = context.stopping.handed_over.clone();
        let acceptor = self.acceptor(context, None, &TaskTracker::new(), &closed);
        (listener.into_listener(), Acceptor { is_for_owner: true, ..acceptor })
    }

    fn acceptor(
        &self,
        context: HttpContext,
        file: Option<Arc<SocketFile>>,
        tasks: &TaskTracker,
        closed: &CancellationToken,
    ) -> Acceptor {
        Acceptor {
            context: Arc::new(context),
            tracker: self.tracker.clone(),
            tasks: tasks.clone(),
            closed: closed.clone(),
            file,
            is_for_owner: false,
        }
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

/// How this process reaches its own sockets. Which certificate it has does not matter for that.
fn own_route(listening: SocketAddr, tls: bool, prefix: &str) -> Option<ProbeRoute> {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let (host, port, prefix) = ("localhost".to_owned(), listening.port(), prefix.to_owned());
    let client = if tls { Some(TlsClient::of_this_system().ok()?.accepting_any()) } else { None };
    let url = ServerUrl { tls, host, port, prefix };
    Some(ProbeRoute { url, address: SocketAddr::new(ip, port), tls: client })
}
