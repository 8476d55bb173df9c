//! The endpoint `/app/{key}` of one worker: from an HTTP request to a connection task.
//!
//! Every well-formed handshake is answered with 101, whatever the path or key: clients look for the
//! reason of a refusal on the socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::header::{
    CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, UPGRADE,
};
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tokio_util::task::TaskTracker;

use super::address_limits::AddressPermit;
use super::admission::{Admission, Start};
use super::client_profiles::ClientProfiles;
use super::connection::{self, AcceptedHandshake};
use super::context::{ConnectionContext, Stopping};
use super::handshake::{HandshakeError, accept_key, text_values};
use super::refusal;
use super::refused_handshake::RefusedHandshake;
use super::stream_transport::StreamTransport;
use crate::config::WebSocketConfig;
use crate::hub::ClientProfile;
use crate::node::{Channels, ConnectionPermit, Node};
use crate::protocol::admission::admit;
use crate::protocol::deflate;
use crate::protocol::{ClientLibrary, ClientParameters, CloseCode, Frame};
use crate::stream::ByteStream;

/// Names the server in the answer to a handshake.
const POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// The WebSocket endpoint of one worker.
pub struct WebSocketEndpoint {
    context: Arc<ConnectionContext>,
    prefix: Arc<str>,
    admission: Arc<Admission>,
    profiles: ClientProfiles,
}

/// The limits of an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointLimits {
    /// Of each socket.
    pub sockets: WebSocketConfig,
    /// Of the handshakes of all workers.
    pub admission: Arc<Admission>,
}

/// A handshake that was answered with 101, to be passed to [`WebSocketEndpoint::serve`].
pub struct Upgrade {
    verdict: Result<Admitted, CloseCode>,
    client: Option<IpAddr>,
    library: ClientLibrary,
    profile: Option<Arc<ClientProfile>>,
    has_deflate: bool,
}

/// A socket that may open.
struct Admitted {
    channels: Arc<Channels>,
    address: Option<AddressPermit>,
    start: Start,
}

impl Upgrade {
    /// Closes the socket with this code, whatever its app.
    pub fn refuse(&mut self, code: CloseCode) {
        self.verdict = Err(code);
    }

    /// The code that the socket is to be closed with.
    pub fn refusal(&self) -> Option<CloseCode> {
        self.verdict.as_ref().err().copied()
    }
}

/// The stream of an [`Upgrade`]: the request has been read, the 101 has not been written.
pub struct UpgradedStream {
    /// The stream, taken back from the HTTP server.
    pub stream: ByteStream,
    /// The 101, which is sent in one write with the first frame.
    pub response: Vec<u8>,
    /// Bytes that the client sent behind its request.
    pub early: Bytes,
}

impl WebSocketEndpoint {
    /// The endpoint of the worker that runs shard `shard`, below the path `prefix`, which has no
    /// trailing slash. Once `stopping` has begun, new sockets are closed.
    pub fn new(
        node: Arc<Node>,
        shard: usize,
        prefix: Arc<str>,
        limits: EndpointLimits,
        stopping: Stopping,
    ) -> Self {
        let EndpointLimits { sockets: limits, admission } = limits;
        let metrics = node.metrics().delivery.for_connections();
        let context = ConnectionContext { node, shard, limits, metrics, stopping };
        let (context, profiles) = (Arc::new(context), ClientProfiles::default());
        Self { context, prefix, admission, profiles }
    }

    /// Counts a request of an address that is no handshake; fails if too many came in the last second.
    pub fn admit(&self, client: Option<IpAddr>, now: Instant) -> Result<(), CloseCode> {
        self.admission.admit(client, now)
    }

    /// Answers a handshake of a client with this address: with 101 and the [`Upgrade`] to
    /// [`serve`](Self::serve), or with an error if it is malformed.
    pub fn upgrade<B>(
        &self,
        request: &Request<B>,
        client: Option<IpAddr>,
    ) -> Result<(Response<Body>, Upgrade), HandshakeError> {
        let admitted = self.admit(client, Instant::now());
        let accept = accept_key(request)?;
        let query = request.uri().query().unwrap_or_default();
        let parameters = ClientParameters::of_query(query);
        let channels = admitted.and_then(|()| self.channels(request, parameters.protocol, client));
        let verdict = channels.and_then(|channels| self.admitted(channels, client));
        if let Err(code) = &verdict {
            let path = request.uri().path();
            let app = self.key(path).and_then(|key| self.app_with_key(key));
            let (path, origin, prefix) = (Some(path), origin(request), &*self.prefix);
            let refused = RefusedHandshake { code: *code, client, path, origin, prefix };
            self.record_refusal(&refused, app.as_deref());
        }
        let profile = match verdict {
            Ok(_) => self.profiles.of(&parameters, request.headers()),
            Err(_) => None,
        };
        let mut offers = text_values(request.headers(), &SEC_WEBSOCKET_EXTENSIONS);
        let accepted = offers.find_map(deflate::accept).filter(|_| self.context.limits.deflate);
        let (library, has_deflate) = (parameters.library(), accepted.is_some());
        let response = switching_protocols(accept, accepted);
        Ok((response, Upgrade { verdict, client, library, profile, has_deflate }))
    }

    /// The app that the socket is for, or the code to close it with.
    fn channels<B>(
        &self,
        request: &Request<B>,
        protocol: Option<&str>,
        client: Option<IpAddr>,
    ) -> Result<Arc<Channels>, CloseCode> {
        if self.context.stopping.has_begun() {
            return Err(self.context.stopping.refusal());
        }
        let key = self.key(request.uri().path()).ok_or(CloseCode::PathNotFound)?;
        let channels = self.app_with_key(key).ok_or(CloseCode::ApplicationDoesNotExist)?;
        let origin = origin(request);
        admit(&channels.app(), protocol, origin).inspect_err(|code| {
            channels.peer_log().connection_refused(*code, origin, client);
        })?;
        Ok(channels)
    }

    /// Counts the socket of its address, and takes its start.
    fn admitted(
        &self,
        channels: Arc<Channels>,
        client: Option<IpAddr>,
    ) -> Result<Admitted, CloseCode> {
        let (node, now) = (&self.context.node, Instant::now());
        if node.is_short_of_memory() {
            return Err(CloseCode::OverMemoryLimit);
        }
        let address = self.admission.open(client)?;
        let start = self.admission.take_start(now);
        match start {
            Start::Now => {}
            Start::At(_) => {
                // Each that waits has a descriptor, as the open ones have.
                let waiting = node.metrics().sockets.handshakes_waiting.get() as usize;
                let sockets = node.shards().socket_count() + waiting;
                node.refusal(sockets, now).map_or(Ok(()), Err)?;
            }
            Start::Never => return Err(CloseCode::OverHandshakeRate),
        }
        Ok(Admitted { channels, address, start })
    }

    fn key<'p>(&self, path: &'p str) -> Option<&'p str> {
        let key = path.strip_prefix(&*self.prefix)?.strip_prefix("/app/")?;
        (!key.is_empty() && !key.contains('/')).then_some(key)
    }

    /// The channels of the app with this key, as it stands in a path.
    fn app_with_key(&self, key: &str) -> Option<Arc<Channels>> {
        // Browsers and SDKs differ in what they encode. A key that is not UTF-8 belongs to no app.
        let key = percent_decode_str(key).decode_utf8_lossy();
        self.context.node.channels_by_key(&key)
    }

    /// Logs a refusal, and shows it to those who look at the node.
    fn record_refusal(&self, refused: &RefusedHandshake<'_>, channels: Option<&Channels>) {
        refused.log();
        let app = channels.map(Channels::app);
        let app_id = app.as_ref().map(|app| app.id.as_str());
        self.context.node.observation().refused(app_id, || refused.row());
    }

    /// Starts the connection task of an accepted socket in `tasks`, or a task that waits until it may open. A
    /// refused socket is closed before this returns.
    pub async fn serve(
        self: &Arc<Self>,
        upgrade: Upgrade,
        upgraded: UpgradedStream,
        tasks: &TaskTracker,
    ) {
        let Ok(Admitted { start: Start::At(start), .. }) = upgrade.verdict else {
            return self.open(upgrade, upgraded, tasks).await;
        };
        let (endpoint, sockets) = (self.clone(), tasks.clone());
        tasks.spawn(async move {
            let verdict = match endpoint.start_has_come(start).await {
                true => upgrade.verdict,
                false => Err(endpoint.context.stopping.refusal()),
            };
            endpoint.open(Upgrade { verdict, ..upgrade }, upgraded, &sockets).await;
        });
    }

    /// Waits until a socket may open; false if the drain begins before.
    async fn start_has_come(&self, start: Instant) -> bool {
        let waiting = &self.context.node.metrics().sockets.handshakes_waiting;
        waiting.inc();
        let has_come = tokio::select! {
            () = tokio::time::sleep_until(start.into()) => true,
            () = self.context.stopping.begun.cancelled() => false,
        };
        waiting.dec();
        has_come
    }

    async fn open(&self, upgrade: Upgrade, upgraded: UpgradedStream, tasks: &TaskTracker) {
        let context = &self.context;
        let (verdict, address, channels) = match upgrade.verdict {
            Ok(Admitted { channels, address, .. }) => {
                let verdict = tokio::select! {
                    biased;
                    verdict = ConnectionPermit::acquire(&channels) => verdict,
                    // A drain does not wait for Redis.
                    () = context.stopping.begun.cancelled() => Err(context.stopping.refusal()),
                };
                (verdict, address, Some(channels))
            }
            Err(code) => (Err(code), None, None),
        };
        // Checked last: nothing below waits before the socket is counted.
        let refusal = context.node.refusal(context.node.shards().socket_count(), Instant::now());
        let verdict = verdict.and_then(|permit| refusal.map_or(Ok(permit), Err));
        if let (Some(channels), Err(code)) = (channels, &verdict) {
            let (client, prefix) = (upgrade.client, &*self.prefix);
            let (path, origin) = (None, None);
            let refused = RefusedHandshake { code: *code, client, path, origin, prefix };
            self.record_refusal(&refused, Some(&channels));
        }
        let UpgradedStream { stream, response, early } = upgraded;
        match verdict {
            Ok(permit) => {
                let transport =
                    Arc::new(StreamTransport::new(stream, upgrade.has_deflate, upgrade.profile));
                let (library, response) = (upgrade.library, Frame::verbatim(&response));
                let client = upgrade.client;
                let handshake = AcceptedHandshake { permit, client, library, response, early };
                let connection = connection::open(context.clone(), transport, handshake);
                match address {
                    None => drop(tasks.spawn(connection)),
                    // A task of its own kind, so that the permit enlarges no other one.
                    Some(permit) => drop(tasks.spawn(async move {
                        connection.await;
                        drop(permit);
                    })),
                }
            }
            Err(code) => {
                context.node.metrics().sockets.handshake_refused(code);
                refusal::refuse(stream, response, code, context.close_timeout()).await;
            }
        }
    }
}

/// The 101. Its constant values are not copied, as a builder of responses would.
fn switching_protocols(accept: String, extensions: Option<&'static str>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::try_from(accept).expect("base64 is a value of a header");
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(POWERED_BY, HeaderValue::from_static("Resound"));
    if let Some(extensions) = extensions {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(extensions));
    }
    response
}

/// The origin of the page.
fn origin<B>(request: &Request<B>) -> Option<&str> {
    request.headers().get(ORIGIN).map(|origin| origin.to_str().unwrap_or("invalid"))
}
