//! One connection while it is HTTP: hyper with time-outs, requests to the API or to the WebSocket
//! handshake, and an end that loses no answer.
//!
//! Not `axum::serve`, which gives hyper no timer: silent connections would never be closed.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::auth_requests::AuthRequests;
use super::client::Client;
use super::connection_tracker::ConnectionToken;
use super::lingering_close::{UnreadBody, WatchedBody, linger};
use super::parse_error;
use super::proxy_protocol::{self, Beginning};
use super::rejection_log::{RejectReason, RejectionLog};
use super::request_head;
use super::request_path::with_normalized_path;
use super::timed_stream::{RequestPhase, TimedStream};
use super::tls_opening::{self, Opening, TlsContext};
use crate::config::{HttpConfig, ProxiesConfig, ProxyProtocol};
use crate::http;
use crate::internal::ClientAddress;
use crate::metrics::AnswerCounters;
use crate::node::{Availability, Node};
use crate::protocol::{CloseCode, RefusalCause};
use crate::stream::{ByteStream, FailedHandshake, Peer};
use crate::websocket::{self, Stopping, Upgrade, UpgradedStream, WebSocketEndpoint};

/// How long a connection must have been without a request before the drain closes it: a proxy that
/// sends more than ten requests a second on it has sent one by then.
const QUIET: Duration = Duration::from_millis(100);

/// The same where another process accepts: the proxy sends further requests on the connections that it has,
/// so only those close without an announcement that it does not use for long.
const QUIET_AFTER_HAND_OVER: Duration = Duration::from_secs(2);

/// How long a peer may take to read its last answer once the listeners are closed.
const DRAIN_LINGER: Duration = Duration::from_secs(1);

/// hyper accepts no smaller read buffer.
const BUFFER_BYTES_MIN: usize = 8192;

/// What the connections of one listener share.
#[derive(Clone)]
pub(super) struct HttpContext {
    pub(super) router: Router,
    /// Of every route, without a trailing slash.
    pub(super) prefix: Arc<str>,
    /// `None` on listeners without a worker.
    pub(super) websocket: Option<Arc<WebSocketEndpoint>>,
    /// `None` on that one too.
    pub(super) auth: Option<Arc<AuthRequests>>,
    pub(super) limits: Arc<HttpConfig>,
    pub(super) proxies: Arc<ProxiesConfig>,
    pub(super) rejections: Arc<RejectionLog>,
    pub(super) node: Arc<Node>,
    pub(super) answers: AnswerCounters,
    /// `None` where TLS is not served.
    pub(super) tls: Option<TlsContext>,
    /// Once it has begun, each answer announces the end of its connection.
    pub(super) stopping: Stopping,
}

/// An accepted connection, and the results of its requests that decide how it ends.
pub(super) struct HttpConnection {
    context: Arc<HttpContext>,
    phase: Arc<RequestPhase>,
    unread_body: Arc<UnreadBody>,
    /// Set by a WebSocket handshake that was answered with 101.
    upgrade: Mutex<Option<Upgrade>>,
    /// The peer, or whom a header of the PROXY protocol names.
    client: Client,
    /// The connection is not encrypted, and has to be.
    lacks_tls: bool,
    _token: ConnectionToken,
}

impl HttpConnection {
    pub(super) fn new(context: Arc<HttpContext>, peer: Peer, token: ConnectionToken) -> Self {
        Self {
            context,
            phase: Arc::default(),
            unread_body: Arc::default(),
            upgrade: Mutex::default(),
            client: Client::of_peer(peer),
            lacks_tls: false,
            _token: token,
        }
    }

    pub(super) fn phase(&self) -> Arc<RequestPhase> {
        self.phase.clone()
    }

    /// Serves requests until the connection ends or becomes a WebSocket, which is served as a task of
    /// `tasks`. Ends early once `closed` is cancelled and no request comes.
    pub(super) async fn serve(
        mut self,
        mut stream: ByteStream,
        tasks: TaskTracker,
        closed: CancellationToken,
    ) {
        let deadline = Instant::now() + self.context.limits.header_timeout;
        let mut quiet = pin!(until_quiet(self.phase(), closed.clone(), self.context.clone()));
        stream.send_small_packets();
        if self.begins_with_proxy_header() || self.context.tls.is_some() {
            // Boxed: most connections are plain, and their tasks stay as small as they are.
            let opened = Box::pin(self.open(stream, &closed));
            let opened = tokio::select! {
                biased;
                opened = timeout_at(deadline.into(), opened) => opened,
                () = quiet.as_mut() => return,
            };
            let Ok(Some(opened)) = opened else { return };
            stream = opened;
        }
        let connection = Arc::new(self);
        let HttpContext { limits, rejections, websocket, .. } = &*connection.context;
        let phase = connection.phase();
        let io = TokioIo::new(TimedStream::new(stream, limits.clone(), phase, deadline.into()));
        let responder = connection.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let connection = responder.clone();
            // Boxed: hyper gives a connection back for an upgrade only if nothing in it is pinned.
            Box::pin(async move { Ok::<_, Infallible>(connection.respond(request).await) })
        });
        let mut http = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(limits.max_header_bytes.max(BUFFER_BYTES_MIN))
            .max_headers(limits.max_headers)
            .serve_connection(io, service);
        let served = tokio::select! {
            // A request that has arrived is served before a drain closes the connection.
            biased;
            served = poll_fn(|cx| http.poll_without_shutdown(cx)) => served,
            () = quiet.as_mut() => {
                Pin::new(&mut http).graceful_shutdown();
                poll_fn(|cx| http.poll_without_shutdown(cx)).await
            }
        };
        let parts = http.into_parts();
        let (stream, withheld) = parts.io.into_inner().into_inner();
        let upgrade = connection.upgrade.lock().take();
        match (served, upgrade, websocket) {
            (Err(error), ..) if error.is_parse() => {
                let (reason, answer) =
                    parse_error::reject(&error, &parts.read_buf, &withheld, limits);
                rejections.record_connection(reason, Some(connection.client));
                close(stream, &answer, &closed).await;
            }
            (Err(error), ..) => {
                tracing::debug!(%error, "connection ended while it was HTTP");
                stream.announce_end();
            }
            (Ok(()), Some(upgrade), Some(websocket)) => {
                // Served by a task of its own: this one has the size of hyper's state until it ends.
                let upgraded = UpgradedStream { stream, response: withheld, early: parts.read_buf };
                websocket.serve(upgrade, upgraded, &tasks).await;
            }
            _ if connection.unread_body.is_set() || !parts.read_buf.is_empty() => {
                close(stream, &[], &closed).await;
            }
            _ => stream.announce_end(),
        }
    }

    /// The stream of the requests, behind what comes before them; `None` if there is none.
    async fn open(
        &mut self,
        mut stream: ByteStream,
        closed: &CancellationToken,
    ) -> Option<ByteStream> {
        if self.begins_with_proxy_header() {
            match self.read_proxy_header(&mut stream).await {
                Ok(client) => self.client = client,
                Err(reason) => {
                    self.context.rejections.record_connection(reason, Some(self.client));
                    close(stream, &parse_error::bad_request(reason), closed).await;
                    return None;
                }
            }
        }
        match self.context.tls.clone() {
            Some(tls) => self.open_tls(stream, &tls, closed).await,
            None => Some(stream),
        }
    }

    /// The stream of the requests, encrypted or not.
    async fn open_tls(
        &mut self,
        stream: ByteStream,
        tls: &TlsContext,
        closed: &CancellationToken,
    ) -> Option<ByteStream> {
        let HttpContext { rejections, node, .. } = &*self.context;
        match tls_opening::open(stream, tls).await {
            Opening::Plain(stream) => {
                self.lacks_tls = tls.is_required;
                Some(stream)
            }
            Opening::Encrypted(stream) => {
                let result = if stream.is_resumed() { "resumed" } else { "full" };
                node.metrics().tls.handshake(result);
                Some(ByteStream::Tls(stream))
            }
            Opening::Failed(failed) => {
                let FailedHandshake { carrier, alert, error } = *failed;
                node.metrics().tls.handshake("failed");
                tracing::debug!(%error, peer = %self.client, "TLS handshake failed");
                if let Some(reason) = tls_opening::reject_reason(&error) {
                    rejections.record_connection(reason, Some(self.client));
                    close(ByteStream::Tcp(carrier), &alert, closed).await;
                }
                None
            }
        }
    }

    fn begins_with_proxy_header(&self) -> bool {
        let proxies = &self.context.proxies;
        proxies.proxy_protocol != ProxyProtocol::Off
            && self.context.websocket.is_some()
            && self.client.is_proxy(proxies)
    }

    /// The client that a header of the PROXY protocol names, or the peer.
    async fn read_proxy_header(&self, stream: &mut ByteStream) -> Result<Client, RejectReason> {
        match proxy_protocol::read(stream).await {
            Ok(Beginning::Header { client: Some(client), .. }) => {
                Ok(Client::behind(self.client.peer(), client))
            }
            Ok(Beginning::Malformed) => Err(RejectReason::ProxyHeaderMalformed),
            Ok(Beginning::Other) if self.context.proxies.proxy_protocol == ProxyProtocol::On => {
                Err(RejectReason::ProxyHeaderMissing)
            }
            _ => Ok(self.client),
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        self.phase.start_request();
        let watch = |body| Body::new(WatchedBody::new(body, self.unread_body.clone()));
        let mut answer = self.answer(request.map(watch)).await;
        let is_upgrade = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if self.context.stopping.has_begun() && !is_upgrade {
            // The peer opens its next connection elsewhere, and none is closed under a request.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.phase.finish_request();
        answer
    }

    async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        let HttpContext {
            router, prefix, proxies, websocket, auth, rejections, node, answers, ..
        } = &*self.context;
        let (Some(websocket), Some(auth)) = (websocket, auth) else {
            let client = self.client.of_request(request.headers(), proxies);
            request.extensions_mut().insert(ClientAddress(client.address()));
            let Ok(answer) = router.clone().oneshot(request).await;
            return answer;
        };
        let since = Instant::now();
        if let Some(refusal) = request_head::refusal(&request) {
            let route = http::route_of(request.uri().path(), prefix);
            answers.answered(route, refusal.status().as_u16(), since.elapsed());
            return refusal;
        }
        let client = self.client.of_request(request.headers(), proxies);
        if self.lacks_tls {
            rejections.record_connection(RejectReason::Plain, Some(client));
            if !websocket::is_upgrade(request.headers()) {
                return tls_opening::tls_required();
            }
        }
        let request = with_normalized_path(request);
        let route = http::route_of(request.uri().path(), prefix);
        // The API never upgrades: some proxies add an Upgrade field to every request.
        let is_for_api = request.uri().path().contains("/apps/");
        if websocket::is_upgrade(request.headers()) && !is_for_api {
            return self.shake_hands(websocket, &request, client);
        }
        if websocket::was_handshake(&request) {
            rejections.record_connection(RejectReason::NoUpgrade, Some(client));
        }
        if !is_for_api && route == http::SOCKET && websocket.admit(client.address(), since).is_err()
        {
            rejections.record_connection(RejectReason::AddressRate, Some(client));
            return too_many_requests();
        }
        let uri = request.uri().clone();
        let (route, answer) = match auth.route(route, uri.path()) {
            None => {
                let Ok(answer) = router.clone().oneshot(request).await;
                (route, answer)
            }
            Some(found) => (found.label(), auth.answer(found, request, client).await),
        };
        let status = answer.status().as_u16();
        if let Some(&cause) = answer.extensions().get::<RefusalCause>() {
            node.metrics().sockets.refused("request", cause);
        }
        if let Some(http::ApiErrorText(reason)) = answer.extensions().get() {
            let cause = answer.extensions().get::<RefusalCause>();
            let label = cause.and_then(|cause| cause.label());
            let app = http::refused_app(&answer, &uri, node, prefix);
            rejections.record_request(app.as_deref(), status, (reason, label), client);
        }
        answers.answered(route, status, since.elapsed());
        answer
    }

    fn shake_hands(
        &self,
        websocket: &WebSocketEndpoint,
        request: &Request<Body>,
        client: Client,
    ) -> Response<Body> {
        let HttpContext { rejections, node, .. } = &*self.context;
        let (peer, now) = (Some(client), Instant::now());
        let (answer, mut upgrade) = match websocket.upgrade(request, client.address()) {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(reason) = RejectReason::of_handshake(error) {
                    rejections.record_connection(reason, peer);
                }
                return error.response();
            }
        };
        if self.lacks_tls {
            upgrade.refuse(CloseCode::TlsRequired);
        }
        self.phase.withhold_answer();
        if let Some(reason) = upgrade.refusal().and_then(RejectReason::of_refusal) {
            rejections.record_connection(reason, peer);
        }
        if node.availability(now) == Availability::Exhausted {
            rejections.record_connection(RejectReason::Descriptors, peer);
        }
        *self.upgrade.lock() = Some(upgrade);
        answer
    }
}

/// The answer to requests for a socket that are no handshakes and come too fast.
fn too_many_requests() -> Response<Body> {
    let text = "Too many requests a second from this address (server.max_handshakes_per_address_per_second)";
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], text).into_response()
}

/// Ends a connection whose peer may not have read its answer yet, without delaying a drain.
async fn close(stream: ByteStream, last_bytes: &[u8], closed: &CancellationToken) {
    let cut_off = async {
        closed.cancelled().await;
        tokio::time::sleep(DRAIN_LINGER).await;
    };
    tokio::select! {
        () = linger(stream, last_bytes) => {}
        () = cut_off => {}
    }
}

/// Resolves once the listeners are closed and the connection has been without a request for
/// [`QUIET`] or [`QUIET_AFTER_HAND_OVER`].
///
/// A request that a proxy sends on an idle connection while it is being closed is lost: a proxy does
/// not send a POST again. A connection in use is closed with an announcement instead, and a proxy
/// whose new connections are refused sends nothing more on the old ones.
async fn until_quiet(
    phase: Arc<RequestPhase>,
    closed: CancellationToken,
    context: Arc<HttpContext>,
) {
    closed.cancelled().await;
    let quiet = if context.stopping.is_handed_over() { QUIET_AFTER_HAND_OVER } else { QUIET };
    let mut requests = None;
    while phase.is_busy() || requests != Some(phase.request_count()) {
        requests = Some(phase.request_count());
        tokio::time::sleep(quiet).await;
    }
}
